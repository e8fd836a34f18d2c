import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Command from "effect/cli/Command"
import fc from "fast-check"
import * as BootCli from "../src/BootCli.ts"
import * as BootWords from "../src/BootWords.ts"

/** What the library reads from the same words; `undefined` when it understands none of it. */
const byLibrary = (words: ReadonlyArray<string>) => {
  let read: ReturnType<typeof BootCli.toFlags> | undefined
  const boot = Command.make("boot", BootCli.flags, (input) => Effect.sync(() => void (read = BootCli.toFlags(input))))
  const root = Command.make("novacron").pipe(Command.withSubcommands([boot]))
  // Our flags ask for no file system; whatever else it wants to say goes nowhere.
  const main = Command.runWith(root, { version: "0" })(words) as Effect.Effect<void, unknown>
  return Effect.runPromiseExit(main).then(() => read)
}

const value = fc.constantFrom(
  "a",
  "a.yaml",
  "a b",
  "true",
  "false",
  "./x=y",
  "k.l=1",
  "system.log_level=debug",
  "",
  "-",
  "-x",
  "é"
)
const word = fc.oneof(
  fc.constantFrom(
    "--json",
    "--strict",
    "--exit-when-ready",
    "--last-good",
    "--no-json",
    "--json=true",
    "--",
    "--wrong"
  ),
  fc.constantFrom("--config", "-c", "--data-dir", "-d", "--template", "--report", "--set", "-s"),
  value,
  fc
    .tuple(fc.constantFrom("--config", "--report", "--set", "-c", "-s", "--data-dir"), value)
    .map(([a, b]) => `${a}=${b}`)
)
/** Mostly right: a flag and something behind it. */
const words = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.tuple(fc.constantFrom("--config", "-d", "--set", "-s", "--report"), value) },
      { weight: 2, arbitrary: fc.tuple(word) }
    ),
    { maxLength: 4 }
  )
  .map((parts) => ["boot", ...parts.flat()])

describe("the words of a boot", () => {
  it.each([
    [["boot"], {}],
    [["boot", "--exit-when-ready", "--report", "r.json"], { exitWhenReady: true, report: "r.json" }],
    [
      ["boot", "-c", "n.yaml", "--data-dir=/data", "--last-good"],
      { config: "n.yaml", dataDir: "/data", lastGood: true }
    ],
    [["boot", "-s", "a.b=1", "--set", "c=x y", "--json"], { set: { "a.b": "1", c: "x y" }, json: true }]
  ])("that are plain are read: %o", async (args, said) => {
    const read = BootWords.read(args)
    assert.deepInclude(read, said)
    assert.deepStrictEqual(read, await byLibrary(args))
  })

  it.each([
    [["plan"]],
    [["boot", "--wrong"]],
    [["boot", "--config"]],
    [["boot", "--config", "-x"]],
    [["boot", "--json", "--json"]],
    [["boot", "--json=false"]],
    [["boot", "-s", "a"]],
    [["boot", "extra"]]
  ])("that are not are left to the library: %o", (args) => {
    assert.isUndefined(BootWords.read(args))
  })

  it("mean what they mean to the library, whatever they are", async () => {
    let both = 0
    await fc.assert(
      fc.asyncProperty(words, async (args) => {
        const read = BootWords.read(args)
        if (read === undefined) return
        both++
        assert.deepStrictEqual(read, await byLibrary(args))
      }),
      { numRuns: 1_000 }
    )
    assert.isAbove(both, 50)
  }, 60_000)
})
