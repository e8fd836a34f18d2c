/**
 * The four phases of a boot. They are for people, for budgets and for checkpoints; the graph decides what starts when.
 *
 * **Details**
 *
 * Only two edges of phases are real under dataflow scheduling: nothing starts before `pre` is complete, and `post`
 * begins when every critical component before it has settled. A component never needs one of a later phase.
 */

/** Which part of the boot a component belongs to. The default is `core`. */
export type Phase = "pre" | "core" | "service" | "post"

/** All phases, first to last. */
export const all: readonly [Phase, Phase, Phase, Phase] = ["pre", "core", "service", "post"]

/** Position of a phase in {@link all}: a phase is earlier when its rank is smaller. */
export const rank: { readonly [P in Phase]: number } = { pre: 0, core: 1, service: 2, post: 3 }

/** The long names that operators, metrics and checkpoints use. */
export const title: { readonly [P in Phase]: `${Phase}_init` } = {
  pre: "pre_init",
  core: "core_init",
  service: "service_init",
  post: "post_init"
}

/** The five durable marks of a boot, in the order in which they are reached. */
export type Checkpoint =
  | "init_start"
  | "pre_init_complete"
  | "core_init_complete"
  | "service_init_complete"
  | "init_complete"

/** All checkpoints, first to last. */
export const checkpoints: readonly [Checkpoint, Checkpoint, Checkpoint, Checkpoint, Checkpoint] = [
  "init_start",
  "pre_init_complete",
  "core_init_complete",
  "service_init_complete",
  "init_complete"
]

/**
 * How long each phase should take and may take, in milliseconds (architecture review 5.1, design summary "Boot time
 * budget"). A phase's time runs from the completion of the phases before it, so that parallel phases share no budget.
 */
export const budget: { readonly [P in Phase]: { readonly targetMs: number; readonly maxMs: number } } = {
  pre: { targetMs: 5_000, maxMs: 10_000 },
  core: { targetMs: 10_000, maxMs: 20_000 },
  service: { targetMs: 10_000, maxMs: 20_000 },
  post: { targetMs: 5_000, maxMs: 10_000 }
}
