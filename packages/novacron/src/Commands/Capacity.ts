/** `novacron capacity`: what the settings would need, and whether this machine has it; nothing is started. */
import { Environment, Resources } from "@novacron/components"
import { Effect } from "effect"
import * as Configuration from "../Configuration.ts"
import * as Leave from "../Leave.ts"
import * as Needs from "../Needs.ts"
import * as Node from "../Node.ts"
import * as Program from "../Program.ts"
import { Surroundings } from "../Surroundings.ts"

/** What it may be told. */
export interface Flags extends Configuration.Asked {
  readonly json: boolean
}

/** Writes it as a table or as JSON; leaves with 78 when a boot under `resources.policy: enforce` would end here. */
export const capacity = Program.make(
  Effect.fnUntraced(function* (flags: Flags) {
    const surroundings = yield* Surroundings
    const { loaded } = yield* Configuration.load(flags, { resources: "skip" })
    const { settings } = loaded
    const dataDir = Configuration.dataDirOf(settings, surroundings)
    const machine = yield* Effect.provide(Resources.measure(dataDir), Environment.Host.layer)
    const assessment = Resources.assess(settings.resources, machine, Node.plansOf(settings))
    const needs = Needs.of(settings)
    const isEnough = !Resources.isShort(assessment)
    const all: All = { ...assessment, needs, sum: Needs.sum(needs), isEnough, policy: settings.resources.policy }
    surroundings.stdout.write(flags.json ? `${JSON.stringify(all)}\n` : text(all))
    if (!isEnough) return yield* Leave.quietly(78)
  })
)

/** Everything that is told. */
interface All extends Resources.Assessment {
  readonly needs: ReadonlyArray<Needs.Need>
  readonly sum: Needs.Sum
  readonly isEnough: boolean
  readonly policy: "warn" | "enforce"
}

const text = ({ demand, findings, isEnough, machine, needs, policy, shortfalls, sum, tier }: All): string => {
  const width = Math.max(...needs.map(({ what }) => what.length))
  const row = (what: string, ...columns: ReadonlyArray<string>) =>
    `  ${what.padEnd(width)}${columns.map((column) => column.padStart(12)).join("")}`
  const amount = (bytes: number) => (bytes === 0 ? "–" : Resources.bytes(bytes))
  const number = (count: number) => (count === 0 ? "–" : `${count}`)
  const rows = needs
    .filter(({ count, disk, limit }) => count > 0 && limit + disk > 0)
    .map(({ count, descriptors, disk, limit, usual, what }) =>
      row(what, `${count}`, amount(usual), amount(limit), number(descriptors), amount(disk))
    )
  const { descriptors, diskAvailableBytes, memoryAvailableBytes } = machine
  const has = (bytes: number | undefined) => (bytes === undefined ? "unknown" : Resources.bytes(bytes))
  const lacking = [
    ...findings.filter(({ verdict }) => verdict !== "enough").map(Resources.describeFinding),
    ...shortfalls.map(Resources.describeShortfall)
  ]
  const boot = `memory ${Resources.bytes(demand.memoryBytes)}, ${demand.descriptors} descriptors`
  return [
    row("allowed by the settings", "count", "usual", "at most", "descriptors", "disk"),
    ...rows,
    row("together", "", amount(sum.usual), amount(sum.limit), number(sum.descriptors), amount(sum.disk)),
    row("this machine has", "", "", has(memoryAvailableBytes), `${descriptors ?? "no limit"}`, has(diskAvailableBytes)),
    "",
    `A boot counts with ${boot}, on a machine of the tier "${tier}"; resources.policy is ${policy}.`,
    ...lacking.map((line) => `  ${line}`),
    isEnough ? "That is there." : "That is not there: under resources.policy enforce a boot ends.",
    ""
  ].join("\n")
}
