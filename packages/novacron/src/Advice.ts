/**
 * What should be set differently, from how earlier boots went, and how many nodes a cluster should have, from what its
 * tasks ask of them. Pure: it says what it has seen, so that whoever reads it can judge.
 *
 * **Details**
 *
 * Advice about boots takes three of them at the least, and what was so in most of them: one bad day is no reason to change
 * anything. Nothing is advised that would be taken back after the next boot of the same kind.
 */
import type { Tasks } from "@novacron/api"
import { type Report, Words } from "@novacron/boot/model"

/** One thing to do. */
export interface Advice {
  /** A setting, or a component. */
  readonly subject: string
  /** What the setting is now; null where it is none. */
  readonly now: string | null
  readonly instead: string
  readonly because: string
}

/** What is set, as far as boots depend on it. */
export interface Limits {
  readonly bootTimeoutMs: number
  readonly shutdownTimeoutMs: number
  readonly maxConcurrency: number
  /** How many slots the machine has in the environment of these boots: more of the setting give no more. */
  readonly slotsOfMachine: number
}

/** How many boots it takes to advise anything. */
export const fewest = 3

/** What earlier boots advise, the most pressing first. */
export const ofBoots = (boots: ReadonlyArray<Report.Report>, limits: Limits): ReadonlyArray<Advice> => {
  const up = boots.filter(({ readyAtMs }) => readyAtMs !== null)
  if (up.length < fewest) return []
  return [...deadlines(boots, up, limits), ...slots(up, limits), ...components(up)]
}

/** A deadline has room for a boot of twice the length of the slow ones; if not, for three times. */
const deadlines = (
  boots: ReadonlyArray<Report.Report>,
  up: ReadonlyArray<Report.Report>,
  { bootTimeoutMs, shutdownTimeoutMs }: Limits
): ReadonlyArray<Advice> => {
  const stops = boots.flatMap(({ rollback }) => (rollback === null ? [] : [rollback.durationMs]))
  return [
    ...deadline(
      "system.boot_timeout",
      bootTimeoutMs,
      "were ready",
      up.map(({ readyAtMs }) => readyAtMs ?? 0)
    ),
    ...(stops.length < fewest ? [] : deadline("system.shutdown_timeout", shutdownTimeoutMs, "were down", stops))
  ]
}

const deadline = (
  subject: string,
  nowMs: number,
  what: string,
  samples: ReadonlyArray<number>
): ReadonlyArray<Advice> => {
  const p95 = quantile(samples, 0.95)
  if (2 * p95 <= nowMs) return []
  const because = `95 % of ${samples.length} boots ${what} within ${Words.duration(p95)}: there is no room for a bad day`
  return [{ subject, now: Words.duration(nowMs), instead: `${Math.ceil((3 * p95) / 1_000)}s`, because }]
}

/** Components that wait for a slot, when it is the setting that keeps the slots scarce. */
const slots = (up: ReadonlyArray<Report.Report>, { maxConcurrency, slotsOfMachine }: Limits): ReadonlyArray<Advice> => {
  const shares = up.map(({ components, criticalPath, durationMs }) => {
    const path = new Set(criticalPath)
    const queuedMs = components.reduce((sum, one) => (path.has(one.name) ? sum + one.queuedMs : sum), 0)
    return durationMs === 0 ? 0 : queuedMs / durationMs
  })
  const share = quantile(shares, 0.5)
  const isBound = maxConcurrency < slotsOfMachine && up.every(({ concurrency }) => concurrency === maxConcurrency)
  if (share <= 0.1 || !isBound) return []
  const percent = Math.round(100 * share)
  const because = `in half of ${up.length} boots the critical path waits for a slot, ${percent} % of the time and more`
  const instead = `${Math.min(2 * maxConcurrency, slotsOfMachine)}`
  return [{ subject: "system.max_concurrency", now: `${maxConcurrency}`, instead, because }]
}

/** Components that never come up by themselves, and those that come up at a later attempt. */
const components = (up: ReadonlyArray<Report.Report>): ReadonlyArray<Advice> => {
  const names = new Set(up.flatMap((report) => report.components.map(({ name }) => name)))
  return [...names].flatMap((name): ReadonlyArray<Advice> => {
    const its = up.flatMap((report) => report.components.filter((one) => one.name === name))
    if (its.length < fewest || name.includes("/")) return []
    const fallen = its.filter((one) => one.fallback !== null && one.attempts.some(({ error }) => error !== null))
    const late = its.filter(
      (one) => one.fallback === null && one.readyAtMs !== null && one.attempts.some(({ error }) => error !== null)
    )
    const last = (of: typeof its) => of.at(-1)?.attempts.findLast(({ error }) => error !== null)?.error?.message ?? ""
    if (2 * fallen.length > its.length) {
      const fallback = fallen.at(-1)?.fallback ?? ""
      return [
        {
          subject: name,
          now: null,
          instead: `mend what it stands on, or do without it: novacron why ${name}`,
          because: `${fallen.length} of ${its.length} boots came up with its fallback ${fallback}. Last: ${last(fallen)}`
        }
      ]
    }
    if (2 * late.length <= its.length) return []
    const lostMs = quantile(
      late.map(({ backoffMs }) => backoffMs),
      0.5
    )
    return [
      {
        subject: "preflight.endpoints",
        now: null,
        instead: `name what ${name} stands on, with a \`wait\`, so that the node waits for it`,
        because:
          `in ${late.length} of ${its.length} boots ${name} came up only at a later attempt, ` +
          `${Words.duration(lostMs)} of which it waited. Last: ${last(late)}`
      }
    ]
  })
}

const quantile = (samples: ReadonlyArray<number>, q: number): number =>
  samples.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(samples.length * q) - 1)] ?? 0

// ------------------------------------------------------------------------------------------------------------- nodes

/** How many nodes there should be. */
export interface Scale {
  /** Above zero: as many more. Below: as many fewer. */
  readonly change: number
  readonly because: string
}

type Node = Pick<Tasks.Node, "id" | "state" | "capacity" | "used">

/**
 * A cluster has as much left as its largest node has: then any of them may be lost, and nothing waits. When twice that is
 * left, one node may go, and the first of these still holds. One node alone is enough until it is used to four fifths.
 */
export const ofNodes = (nodes: ReadonlyArray<Node>): Scale => {
  const up = nodes.filter(({ state }) => state === "up")
  const [first] = up
  if (first === undefined) return { change: 1, because: "no node is up" }
  const worst = (["cpu", "memory"] as const).map((kind) => {
    const capacity = up.reduce((sum, one) => sum + one.capacity[kind], 0)
    const used = up.reduce((sum, one) => sum + one.used[kind], 0)
    const largest = Math.max(...up.map((one) => one.capacity[kind]))
    return { kind, free: capacity - used, largest, used, capacity }
  })
  if (up.length === 1) {
    const full = worst.find(({ capacity, used }) => used > 0.8 * capacity)
    return full === undefined
      ? { change: 0, because: "one node is enough for what is asked of it; when it is lost, work waits for it" }
      : { change: 1, because: `the one node is used to more than four fifths (${told(full)})` }
  }
  const short = worst.filter(({ free, largest }) => largest > 0 && free < largest)
  if (short.length > 0) {
    const change = Math.max(...short.map(({ free, largest }) => Math.ceil((largest - free) / largest)))
    return { change, because: `${short.map(told).join(", ")}: less than the largest node has, so none may be lost` }
  }
  const isAmple = up.length > 2 && worst.every(({ free, largest }) => free >= 2 * largest)
  return isAmple
    ? { change: -1, because: `${worst.map(told).join(", ")}: twice what the largest node has` }
    : { change: 0, because: `${worst.map(told).join(", ")}: any node may be lost` }
}

const told = ({ capacity, free, kind }: { readonly kind: string; readonly free: number; readonly capacity: number }) =>
  `${Math.round(10 * free) / 10} of ${Math.round(10 * capacity) / 10} ${kind} left`
