import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { Acp, Amst, Ass, Hde, Itp, Pba, type View } from "../../src/dwcp/Members.ts"
import { authority } from "../network/fixtures/authority.ts"
import { node, platform } from "./fixtures/nodes.ts"

describe("the parts of DWCP", () => {
  it.live(
    "can be looked at one by one, by whoever asks for one",
    () =>
      Effect.gen(function* () {
        const { issue } = yield* authority("the authority")
        const { services } = yield* node(yield* issue("node-a"))
        const views: ReadonlyArray<View> = [
          Context.get(services, Amst),
          Context.get(services, Hde),
          Context.get(services, Pba),
          Context.get(services, Ass),
          Context.get(services, Acp),
          Context.get(services, Itp)
        ]
        const seen = yield* Effect.forEach(views, ({ check }) => check)
        assert.deepStrictEqual(
          seen.map(({ name, serves, state }) => `${name} ${state} ${serves}`),
          ["amst up v3", "hde up v3", "pba up v3", "ass up v3", "acp up v3", "itp up v3"]
        )
        assert.isTrue(seen.every(({ detail }) => Object.keys(detail).length > 0))
      }).pipe(Effect.scoped, Effect.provide(platform)),
    60_000
  )
})
