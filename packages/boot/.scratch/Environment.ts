/**
 * Where the application runs, as one word: `datacenter`, `internet`, `hybrid`, `development`, or any other that its
 * components know. It chooses components at the edge, once, by `Component.when`.
 */
import { Context } from "effect"

/** The environment; `development` when nobody says otherwise. */
export const Environment = Context.Reference<string>("@novacron/boot/Environment", {
  defaultValue: () => "development"
})
