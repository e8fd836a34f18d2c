import { Data, Effect } from "effect"
import { assert, describe, it } from "vitest"
import * as Leave from "../src/Leave.ts"
import * as Program from "../src/Program.ts"
import { Surroundings } from "../src/Surroundings.ts"
import { stage } from "./fixtures/Stage.ts"

class FileUnavailable extends Data.TaggedError("FileUnavailable")<{
  readonly message: string
  readonly cause: unknown
}> {}
class NoNode extends Data.TaggedError("NoNode")<{ readonly message: string }> {}

const run = async (work: Effect.Effect<void, unknown, Program.Platform>, json = false) => {
  const it = stage()
  return { ...it, code: await Program.make(() => work)({ json }, it.surroundings) }
}

describe("a program", () => {
  it("that does its work exits 0, and has written where it was told to", async () => {
    const { code, out } = await run(Effect.map(Surroundings, ({ stdout }) => stdout.write("done\n")))
    assert.deepStrictEqual([code, out()], [0, "done\n"])
  })

  it("leaves with the code that it says, and says nothing more", async () => {
    const { code, err, out } = await run(Leave.quietly(75))
    assert.deepStrictEqual([code, err(), out()], [75, "", ""])
    assert.strictEqual((await run(Leave.quietly(3))).code, 70)
  })

  it("tells an error with its code and remedy on stderr, and as JSON on stdout when asked to", async () => {
    const work = Effect.fail(new NoNode({ message: "nobody answers" }))
    const plain = await run(work)
    assert.strictEqual(plain.code, 69)
    assert.strictEqual(plain.out(), "")
    assert.match(plain.err(), /^NOT DONE +NVC-3007 {2}exit 69\n {2}cause {5}nobody answers\n {2}do /)
    const json = await run(work, true)
    assert.deepStrictEqual(JSON.parse(json.out()), { error: { code: "NVC-3007", message: "nobody answers", exit: 69 } })
  })

  it("tells programs, too, what is behind an error that does not say it itself", async () => {
    const behind = new Error("EACCES: permission denied, open 'x.img'")
    const { err, out } = await run(
      Effect.fail(new FileUnavailable({ message: "x.img could not be read", cause: behind })),
      true
    )
    assert.include(JSON.parse(out()).error, { message: "x.img could not be read", reason: behind.message })
    assert.include(err(), `reason    ${behind.message}`)
  })

  it("with a bug exits 70 and keeps the stack on stderr alone", async () => {
    const { code, err, out } = await run(Effect.die(new Error("unforeseen")), true)
    assert.strictEqual(code, 70)
    assert.include(err(), "unforeseen")
    assert.notInclude(out(), "unforeseen")
  })
})
