/** What the kernel promises of every boot, by the numbers of the design (3.4), and how a broken promise is told. */

/** What is promised, by number. */
export const titles = {
  0: "the events of a boot tell one story",
  1: "nothing starts before its needs are ready",
  2: "there are never two live instances of one component",
  3: "attempts and delays stay inside the policy",
  4: "no more attempts run than there are slots",
  5: "nothing starts after a critical failure",
  6: "everything is released exactly once, dependents before what they need",
  7: "a rollback goes on past failing and hanging finalizers, within its budget",
  8: "a degraded failure never fails the boot",
  9: "a warning changes the state of no other component",
  10: "READY comes once at most, with everything critical up, after the last checkpoint",
  14: "time never runs backwards",
  15: "whatever is not ready has a reason that ends in a root cause",
  18: "every boot ends within its worst case",
  19: "what goes down by hand was asked for or holds that, and comes back in order"
} as const

/** A broken promise: which one, who broke it, and how. */
export interface Violation {
  readonly invariant: number
  readonly title: string
  readonly component?: string
  readonly message: string
  readonly atMs: number
}

/** A broken invariant: a bug in the kernel, never in a component. */
export class InvariantBroken extends Error {
  override readonly name = "InvariantBroken"
}
