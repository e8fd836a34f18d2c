/**
 * What a boot says before anything else: which boot it is, and what it is going to do. A report, a status and a dashboard
 * know the components from here.
 */
import type { BootEvent } from "./BootEvent.ts"
import * as Phase from "./Phase.ts"
import { type Plan, worstCaseMs } from "./Plan.ts"
import type { Limits } from "./ProgressState.ts"

/** What the first event is made of. */
export interface Opening {
  readonly plan: Plan
  readonly limits: Limits
  readonly bootId: string
  readonly nodeId: string
  readonly configVersion: string
}

/** The first event of a boot: who, where, when, and everything that is going to be started. */
export const started = (settings: Opening, startedAt: number): BootEvent => ({
  _tag: "BootStarted",
  atMs: 0,
  version: 1,
  bootId: settings.bootId,
  nodeId: settings.nodeId,
  environment: settings.plan.environment,
  configVersion: settings.configVersion,
  startedAt,
  concurrency: settings.limits.slots,
  worstCaseMs: worstCase(settings),
  components: members(settings.plan, "")
})

/** A boot is over when its deadline is, and a rollback when its budget is. */
const worstCase = ({ limits, plan }: Opening): number => {
  const stopMs = plan.components.reduce((most, c) => Math.max(most, c.stopMs), 0)
  return Math.min(worstCaseMs(plan, limits), limits.bootMs + stopMs) + limits.rollbackMs
}

const members = (
  plan: Plan,
  prefix: string
): Array<Extract<BootEvent, { _tag: "BootStarted" }>["components"][number]> =>
  plan.components.flatMap((component, i) => {
    const inside = plan.groups.get(component.name)
    return [
      {
        name: `${prefix}${component.name}`,
        phase: Phase.all[plan.phase[i]!]!,
        severity: component.severity,
        needs: plan.needs[i]!.map((need) => `${prefix}${plan.components[need]!.name}`),
        fallbacks: component.variants.slice(1).map((variant) => variant.name)
      },
      ...(inside === undefined ? [] : members(inside, `${prefix}${component.name}/`))
    ]
  })
