/** The environment as a component: what was decided before the boot, or is found out as its first act, with its evidence. */
import { Component } from "@novacron/boot"
import { Context, Effect } from "effect"
import * as Decision from "./Decision.ts"
import * as Detection from "./Detection.ts"
import type { Settings } from "./Settings.ts"

export * as Decision from "./Decision.ts"
export * from "./Detection.ts"
export { Host, type Space } from "./Host.ts"
export { Kind, Settings } from "./Settings.ts"

/** Where the node is. */
export class Environment extends Context.Service<Environment, Detection.Detection>()("novacron/environment") {}

/** Shows where the node is. `detected` is what was found before the plan was made; without it, it is found out now. */
export const component = (settings: typeof Settings.Type, detected?: Detection.Detection) =>
  Component.make(Environment, {
    phase: "pre",
    start: Effect.gen(function* () {
      const detection = detected ?? (yield* Detection.detect(settings))
      yield* Effect.annotateLogs(Effect.logInfo(describe(detection)), { scores: detection.verdict.scores })
      return detection
    }),
    health: (detection) => Effect.succeed({ detail: describe(detection) })
  })

/** A detection as one sentence. */
export const describe = ({ isForced, kind, machine, verdict }: Detection.Detection): string => {
  if (isForced) return `${kind}, because the settings say so; nothing was measured`
  const virtual = machine.virtualisation.length === 0 ? "" : `; virtual: ${machine.virtualisation.join(", ")}`
  return `${Decision.describe(verdict)}${virtual}`
}
