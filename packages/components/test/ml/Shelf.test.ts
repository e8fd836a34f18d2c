import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as Shelf from "../../src/ml/Shelf.ts"

/** Models that are a text, and say it. */
const echo = (
  opened: Array<string>,
  test: (model: string) => string | undefined
): Shelf.Kind<string, string, string> => ({
  name: "placement",
  extension: ".json",
  decode: (bytes, file) => {
    opened.push(file)
    const text = Buffer.from(bytes).toString()
    if (text === "throws") throw new TypeError("no")
    return Result.succeed(text)
  },
  test,
  infer: (model, input) => {
    if (input === "burst") throw new RangeError("burst")
    return `${model} ${input}`
  },
  without: (input) => `nobody ${input}`
})

const shelf = (test: (model: string) => string | undefined = () => undefined) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const path = mkdtempSync(join(tmpdir(), "novacron-shelf-"))
      mkdirSync(join(path, "placement"))
      return path
    }),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  ).pipe(
    Effect.map((path) => {
      const opened: Array<string> = []
      const put = (version: string, text: string) => writeFileSync(join(path, "placement", `${version}.json`), text)
      return { opened, put, it: Shelf.make(echo(opened, test), { directory: path }) }
    })
  )

describe("Shelf", () => {
  it.live("loads once for all who ask at the same time, and not again", () =>
    Effect.gen(function* () {
      const { it, opened, put } = yield* shelf()
      put("v1", "one")
      const asked = Array.from({ length: 20 }, () => it.infer("x"))
      const answers = yield* Effect.all(asked, { concurrency: "unbounded" })
      assert.isTrue(answers.every(({ answer, by }) => answer === "one x" && by === "v1"))
      yield* it.renew
      assert.lengthOf(opened, 1)
    }).pipe(Effect.scoped)
  )

  it.live("answers by the fallback what the model cannot, and goes on with it", () =>
    Effect.gen(function* () {
      const { it, put } = yield* shelf()
      put("v1", "one")
      assert.deepStrictEqual(yield* it.infer("burst"), { answer: "nobody burst", by: undefined })
      assert.deepStrictEqual(yield* it.infer("x"), { answer: "one x", by: "v1" })
    }).pipe(Effect.scoped)
  )

  it.live("uses nothing before its test, whatever that or the reading does", () =>
    Effect.gen(function* () {
      const { it, put } = yield* shelf((model) => {
        if (model === "bursts") throw new Error("in the test")
        return model === "wrong" ? "it is wrong" : undefined
      })
      for (const [version, text] of Object.entries({ v4: "throws", v3: "bursts", v2: "wrong", v1: "right" }))
        put(version, text)
      assert.deepStrictEqual(yield* it.infer("x"), { answer: "right x", by: "v1" })
      for (const version of ["v2", "v3", "v4"]) {
        assert.include((yield* Effect.flip(it.use(version))).message, `Version ${version} of the placement model`)
      }
      assert.deepStrictEqual(yield* it.state, { _tag: "Serving", version: "v1" })
    }).pipe(Effect.scoped)
  )
})
