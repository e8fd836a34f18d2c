/**
 * What the knobs of `docs/TUNING.md` are worth: `pnpm bench tuning`. Every figure of that page is one of these.
 *
 * **Details**
 *
 * Virtual time and bytes: the same figures on every machine, under any load. The boot is the real driver, on the nine
 * components and the durations of the architecture review; the difference is the encoder of the node, on lines that look like
 * a log, of which one in fifty has changed.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { Boot, Manifest } from "@novacron/boot"
import { Hde } from "@novacron/dwcp"
import { Simulation, StandIn } from "@novacron/simulation"
import { Effect, Exit, Schema } from "effect"
import { type Figure, figure } from "../Figure.ts"
import { chance } from "../hde/contents.ts"
import { nine } from "../kernel/graphs.ts"

export const run = async (): Promise<{ readonly figures: ReadonlyArray<Figure> }> => ({
  figures: [
    ...[1, 2, 3, 4, 16].map((slots) =>
      figure(`boot_slots_${slots}_s`, "s", null, "lower", [bootMs(slots, true) / 1_000])
    ),
    figure("boot_slots_2_first_s", "s", null, "lower", [bootMs(2, false) / 1_000]),
    ...(await differences())
  ]
})

const parts = nine.map(({ name, needs }) => Manifest.make({ name, needs: needs.map((at) => nine[at]?.name ?? "") }))

/** When a boot is ready in virtual time: with durations that earlier boots have taught, or as the first one. */
const bootMs = (concurrency: number, isTaught: boolean): number => {
  const durationsMs = Object.fromEntries(nine.map(({ ms, name }) => [name, ms]))
  const components = StandIn.make(parts, { startMs: (name) => durationsMs[name] ?? 0 })
  let readyMs = 0
  const boot = Boot.make(components, {
    concurrency,
    ...(isTaught ? { durationsMs } : {}),
    checked: false,
    observe: (event) => {
      if (event._tag === "BootReady") readyMs = event.atMs
    }
  })
  const { exit } = Simulation.run(Effect.asVoid(Effect.scoped(boot)), { seed: 1 })
  if (Exit.isFailure(exit)) throw new Error(`the boot on ${concurrency} slots failed`)
  return readyMs
}

/** How many times smaller a file becomes by itself, and against yesterday's. */
const differences = async (): Promise<ReadonlyArray<Figure>> => {
  const folder = mkdtempSync(join(tmpdir(), "novacron-tuning-"))
  const next = chance(7)
  const line = (i: number) => `2026-11-23T05:00:${i % 60} node-${next() % 40} task ${next()} state ${next() % 5} done\n`
  const yesterday = Array.from({ length: 40_000 }, (_, i) => line(i))
  const today = yesterday.map((text, i) => (i % 50 === 0 ? line(i) : text))
  const [base, input] = [join(folder, "yesterday"), join(folder, "today")]
  writeFileSync(base, yesterday.join(""))
  writeFileSync(input, today.join(""))
  const settings = Schema.decodeUnknownSync(Hde.Settings)({})
  const ratios = Effect.gen(function* () {
    const hde = yield* Hde.make(settings, join(folder, "hde"))
    const alone = yield* hde.encodeFile(input, join(folder, "alone"), {})
    const against = yield* hde.encodeFile(input, join(folder, "against"), { base: { _tag: "File", path: base } })
    return [alone.ratio, against.ratio] as const
  })
  try {
    const [alone, against] = await Effect.runPromise(Effect.provide(Effect.scoped(ratios), NodeServices.layer))
    return [
      figure("encode_alone_times", "times smaller", null, "higher", [alone]),
      figure("encode_base_times", "times smaller", null, "higher", [against])
    ]
  } finally {
    rmSync(folder, { recursive: true })
  }
}
