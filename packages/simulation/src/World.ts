/**
 * A world for `Progress` alone: it answers commands as components, clocks and operators would, in virtual time, with
 * chance from a seed, and lets the auditor read every event. Nothing is forked and nothing waits, so a boot of nineteen
 * components takes some twenty microseconds.
 *
 * **Details**
 *
 * The driver of the kernel is left out; what it may say, and in which order, is imitated here: answers that cross a
 * command, attempts that do not answer to an interruption, finalizers that fail or hang. Three things are judged beside
 * the events: that commands can be carried out (one instance of a component, nothing released that others hold), that a
 * boot never waits for nothing, and that once the faults stop, everything with a restoration to come is up again.
 *
 * Chance is drawn by seed, component and occasion: a component that is left out, or spared, changes nothing for others.
 *
 * **Example**
 *
 * ```ts
 * const world = World.make(plan, Progress.defaultLimits, World.usual)
 * for (let seed = 0; seed < 100_000; seed++) assert.isUndefined(World.boot(world, seed).violation)
 * ```
 */
// `!` after an index: positions come from the plan, and every list has one entry for each.
import { type BootEvent, Invariants, Plan, Progress } from "@novacron/boot/model"
import * as Agenda from "./Agenda.ts"
import { type Faults, none } from "./Faults.ts"
import * as Random from "./Random.ts"

export { type Faults, none, swarm, usual } from "./Faults.ts"

/** How a boot went. */
export interface Run {
  readonly outcome: "ready" | "degraded" | "failed" | "cancelled" | "stopped"
  /** Virtual milliseconds from the begin until nothing was left to happen. */
  readonly timeMs: number
  /** The first promise that was broken. */
  readonly violation: Invariants.Violation | undefined
}
