/** The nine parts of the architecture review as components, under names that no part of the node has. */
import { Component } from "@novacron/boot"
import { Context, Data, Effect } from "effect"
import { nine, weighted } from "../kernel/graphs.ts"

interface Part {
  readonly name: string
}
const keys = nine.map(({ name }) => Context.Service<Part, Part>(`part-${name}`))

class Refused extends Data.TaggedError("Refused")<{ readonly message: string }> {}

/** With what each takes, so many times as fast; one of them may fail for good. */
export const parts = (options: { readonly speed?: number; readonly failing?: string } = {}) =>
  nine.map(({ ms, name, needs }, i) =>
    Component.make(keys[i]!, {
      needs: needs.map((need) => keys[need]!),
      start:
        name === options.failing
          ? Effect.fail(new Refused({ message: "no route to host" }))
          : Effect.as(Effect.sleep(ms / (options.speed ?? 1)), { name }),
      health: () => Effect.void
    })
  )

/** A thousand, with up to three needs each, that take 1 to 100 ms. */
export const thousand = () => {
  const graph = weighted(1_000, 1)
  const keys = graph.map(({ name }) => Context.Service<Part, Part>(`part-${name}`))
  return graph.map(({ ms, name, needs }, i) =>
    Component.make(keys[i]!, {
      needs: needs.map((need) => keys[need]!),
      start: Effect.as(Effect.sleep(ms), { name }),
      health: () => Effect.void
    })
  )
}
