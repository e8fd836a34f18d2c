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
  let stopMs = 0
  for (const component of plan.components) stopMs = Math.max(stopMs, component.stopMs)
  return Math.min(worstCaseMs(plan, limits), limits.bootMs + stopMs) + limits.rollbackMs
}

type Member = Extract<BootEvent, { _tag: "BootStarted" }>["components"][number]

/** Each component, and behind a group its members. */
const members = (plan: Plan, prefix: string, found: Array<Member> = []): Array<Member> => {
  const { components } = plan
  for (let i = 0; i < components.length; i++) {
    const component = components[i]!
    const { name, severity, variants } = component
    found.push({
      name: prefix + name,
      phase: Phase.all[plan.phase[i]!]!,
      severity,
      needs: plan.needs[i]!.map((need) => prefix + components[need]!.name),
      fallbacks: variants.length === 1 ? none : variants.slice(1).map((variant) => variant.name)
    })
    const inside = plan.groups.get(name)
    if (inside !== undefined) members(inside, `${prefix}${name}/`, found)
  }
  return found
}

const none: ReadonlyArray<string> = []
