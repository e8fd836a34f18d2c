/** `novacron plan` and `novacron graph`: what a boot would do with these settings, and nothing is started. */
import { Durations, PlanView, TimelineView } from "@novacron/boot/model"
import { Effect } from "effect"
import * as Configuration from "../Configuration.ts"
import * as Expected from "../Expected.ts"
import * as Program from "../Program.ts"
import * as Node from "../Node.ts"
import { Surroundings } from "../Surroundings.ts"
import { duration } from "../Terminal.ts"

/** What both may be told. */
export interface Flags extends Configuration.Asked {
  readonly json: boolean
}

const planned = Effect.fnUntraced(function* (flags: Flags) {
  const { detection, loaded } = yield* Configuration.load(flags, { resources: "skip" })
  const { settings } = loaded
  const slots = Node.concurrency(settings, detection.kind)
  const plan = yield* Effect.fromResult(Node.plan(settings, yield* Node.factsOf(settings, detection)))
  return { plan, slots, dataDir: Configuration.dataDirOf(settings, yield* Surroundings) }
})

/** The plan as text or JSON: order, levels, critical path, worst case, impact; and what earlier boots say of its time. */
export const plan = Program.make(
  Effect.fnUntraced(function* (flags: Flags) {
    const { dataDir, plan, slots } = yield* planned(flags)
    const { stdout } = yield* Surroundings
    const durations = yield* Expected.learn(`${dataDir}/journal`)
    const expected = durations.size === 0 ? undefined : Durations.predict(plan, durations, slots)
    const learned = plan.components.flatMap(({ name }) => {
      const known = durations.get(name)
      return known === undefined ? [] : [{ name, ...known }]
    })
    if (flags.json) {
      const forecast = expected === undefined ? {} : { expected: { ...expected, components: learned } }
      stdout.write(`${JSON.stringify({ ...PlanView.toJson(plan, { slots }), ...forecast })}\n`)
    } else {
      const forecast =
        expected === undefined ? "" : `\n${TimelineView.predictionText(expected)}\n${learnedText(learned)}`
      stdout.write(`${PlanView.toText(plan, { slots })}\n${forecast}`)
    }
  })
)

/** A line for each component of which something is known: half of its boots took no longer, nineteen of twenty. */
const learnedText = (all: ReadonlyArray<Durations.Learned & { readonly name: string }>): string => {
  const width = Math.max(9, ...all.map(({ name }) => name.length))
  const line = (name: string, ...columns: ReadonlyArray<string>) =>
    `  ${name.padEnd(width)}${columns.map((text) => text.padStart(10)).join("")}\n`
  const rows = all.map(({ name, p50Ms, p95Ms, samples }) => line(name, duration(p50Ms), duration(p95Ms), `${samples}`))
  return [line("component", "p50", "p95", "boots"), ...rows].join("")
}

/** The graph as Mermaid, DOT or JSON. */
export const graph = Program.make(
  Effect.fnUntraced(function* (flags: Flags & { readonly format: "mermaid" | "dot" | "json" }) {
    const { plan } = yield* planned(flags)
    const { stdout } = yield* Surroundings
    const write = {
      mermaid: () => PlanView.toMermaid(plan),
      dot: () => PlanView.toDot(plan),
      json: () => JSON.stringify(PlanView.toJson(plan))
    }[flags.json ? "json" : flags.format]
    stdout.write(`${write().trimEnd()}\n`)
  })
)
