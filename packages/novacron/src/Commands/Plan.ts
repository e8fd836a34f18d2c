/** `novacron plan` and `novacron graph`: what a boot would do with these settings, and nothing is started. */
import { PlanView } from "@novacron/boot/model"
import { Effect } from "effect"
import * as Configuration from "../Configuration.ts"
import * as Program from "../Program.ts"
import * as Node from "../Node.ts"
import { Surroundings } from "../Surroundings.ts"

/** What both may be told. */
export interface Flags extends Configuration.Asked {
  readonly json: boolean
}

const planned = Effect.fnUntraced(function* (flags: Flags) {
  const { detection, loaded } = yield* Configuration.load(flags, { resources: "skip" })
  const { settings } = loaded
  const slots = Node.concurrency(settings, detection.kind)
  return { plan: yield* Effect.fromResult(Node.plan(settings, yield* Node.factsOf(settings, detection))), slots }
})

/** The plan as text or JSON: order, levels, critical path, worst case, impact. */
export const plan = Program.make(
  Effect.fnUntraced(function* (flags: Flags) {
    const { plan, slots } = yield* planned(flags)
    const { stdout } = yield* Surroundings
    stdout.write(
      flags.json ? `${JSON.stringify(PlanView.toJson(plan, { slots }))}\n` : `${PlanView.toText(plan, { slots })}\n`
    )
  })
)

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
