/**
 * What a component declares, as plain data: everything that planning, deciding and reporting need to know about it, and
 * nothing that can run. `Component.make` derives it, a plan is made of it, and a test may write one by hand.
 */
import type { Phase } from "./Phase.ts"
import type { Word } from "./Severity.ts"

/**
 * An edge of the graph. A `hard` need must be up before the component starts. An `optional` one must have settled, up or
 * not. A `late` one does not delay the start: the component looks it up while running.
 */
export interface Need {
  readonly key: string
  readonly kind: "hard" | "optional" | "late"
}

/**
 * One way of building the component: the first variant is the component itself, the others are its fallbacks, in the
 * order in which they are tried.
 */
export interface Variant {
  readonly name: string
  /** Attempts in total, the first one included; `Infinity` is not allowed during a boot. */
  readonly attempts: number
  /** The most that all delays between attempts can add up to, in milliseconds. */
  readonly retryMs: number
  /** Deadline of one attempt, its probe included, in milliseconds. */
  readonly timeoutMs: number
  /** Deadline of all attempts together with the delays between them, in milliseconds; `Infinity` for none. */
  readonly deadlineMs: number
  /** What a missed deadline counts as, when that is not the severity of the component. */
  readonly lateness?: Word
}

/** A component as data. Times are milliseconds. */
export interface Manifest {
  readonly name: string
  /** Keys of the services it provides. */
  readonly provides: ReadonlyArray<string>
  readonly needs: ReadonlyArray<Need>
  readonly phase: Phase
  /** The mildest severity its failures can have: how operators know it. */
  readonly severity: Word
  /** Whether the boot goes on without it. */
  readonly optional: boolean
  /** Among components that may start now and compete for a slot, the higher one goes first. */
  readonly priority: number
  /** The environments in which it exists; `undefined` means all. */
  readonly environments: ReadonlyArray<string> | undefined
  readonly variants: readonly [Variant, ...ReadonlyArray<Variant>]
  /** After this long in one attempt the boot says that it is slow and what it waits for. */
  readonly slowMs: number
  /** How long its finalizers may take before they are abandoned. */
  readonly stopMs: number
  /** The components inside, when it is a group. */
  readonly group: ReadonlyArray<Manifest> | undefined
}

/** What a manifest is when nothing else is said. Sources: design summary, "Retry" and "Boot time budget". */
export const defaults = {
  timeoutMs: 10_000,
  slowMs: 3_000,
  stopMs: 5_000
} as const

/**
 * A manifest from the few fields that matter, for tests and tools.
 *
 * ```ts
 * Manifest.make({ name: "api", needs: ["database"] })
 * ```
 */
export const make = (
  fields: Partial<Omit<Manifest, "name" | "needs">> & {
    readonly name: string
    /** Hard needs by key, or needs in full. */
    readonly needs?: ReadonlyArray<string | Need>
  }
): Manifest => ({
  provides: [fields.name],
  phase: "core",
  severity: "critical",
  optional: false,
  priority: 0,
  environments: undefined,
  variants: [{ name: fields.name, attempts: 1, retryMs: 0, timeoutMs: defaults.timeoutMs, deadlineMs: Infinity }],
  slowMs: defaults.slowMs,
  stopMs: defaults.stopMs,
  group: undefined,
  ...fields,
  needs: (fields.needs ?? []).map((need) => (typeof need === "string" ? { key: need, kind: "hard" } : need))
})

/** The longest a component can take to settle under its policies and deadlines, all fallbacks included. */
export const worstCaseMs = (manifest: Manifest): number =>
  manifest.variants.reduce(
    (sum, v) =>
      sum + Math.min(v.deadlineMs, v.attempts * (v.timeoutMs + manifest.stopMs) + v.retryMs) + manifest.stopMs,
    0
  )
