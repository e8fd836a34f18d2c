/** The nine parts of the architecture review as components, under names that no part of the node has. */
import { Component } from "@novacron/boot"
import { Context, Data, Effect } from "effect"
import { nine } from "../kernel/graphs.ts"

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
