import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Redacted, Schema } from "effect"
import { LogLine } from "../../src/logger/LogLine.ts"
import { Logging } from "../../src/logger/Logging.ts"
import { Settings } from "../../src/logger/Settings.ts"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-log-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const toFile = (file: string, more: typeof Settings.Encoded = {}) =>
  Schema.decodeUnknownSync(Settings)({ output: "none", file, ...more })

const linesOf = (file: string): ReadonlyArray<LogLine> =>
  readFileSync(file, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => Schema.decodeUnknownSync(LogLine, { onExcessProperty: "error" })(JSON.parse(line)))
const messagesOf = (file: string) => linesOf(file).map(({ message }) => message)

/** What a process of its own is given to run a program. */
const argumentsFor = (program: string): Array<string> => {
  const source = (path: string) => JSON.stringify(join(import.meta.dirname, "../../src/logger", path))
  const script = `
    import { Effect, Fiber, Schema } from "effect"
    import { Logging } from ${source("Logging.ts")}
    import { Settings } from ${source("Settings.ts")}
    const settings = (all) => Schema.decodeUnknownSync(Settings)(all)
    ${program}
  `
  return ["--input-type=module", "-e", script]
}

/** Runs a program in a process of its own, and gives back how it ended and what it wrote. */
const run = (program: string) =>
  spawnSync(process.execPath, argumentsFor(program), { encoding: "utf8", cwd: import.meta.dirname })

/** Starts one, whose output is read when somebody reads it. */
const start = (program: string, flags: ReadonlyArray<string>) =>
  spawn(process.execPath, [...flags, ...argumentsFor(program)], { cwd: import.meta.dirname })

describe("Logging", () => {
  it.live("replays in order what was said before it was configured, as far as the level lets it through", () =>
    Effect.gen(function* () {
      const file = join(yield* directory, "node.log")
      yield* Effect.gen(function* () {
        yield* Effect.logInfo("one")
        yield* Effect.logDebug("two")
        yield* Effect.logWarning("three")
        const logging = yield* Logging
        yield* logging.configure(toFile(file))
        yield* Effect.logInfo("four")
        yield* Effect.logDebug("five")
      }).pipe(Effect.provide(Logging.layer()))
      assert.deepStrictEqual(messagesOf(file), ["one", "three", "four"])
      const times = linesOf(file).map(({ timestamp }) => timestamp)
      assert.deepStrictEqual(times, times.toSorted())
    }).pipe(Effect.scoped)
  )

  it.live("keeps the latest of too many early lines, and says how many are missing", () =>
    Effect.gen(function* () {
      const file = join(yield* directory, "node.log")
      yield* Effect.gen(function* () {
        for (let i = 0; i < 25; i++) yield* Effect.logInfo(`early ${i}`)
        const logging = yield* Logging
        yield* logging.configure(toFile(file))
      }).pipe(Effect.provide(Logging.layer({ early: 10 })))
      const messages = messagesOf(file)
      assert.deepStrictEqual(
        messages.slice(0, 10),
        Array.from({ length: 10 }, (_, i) => `early ${i + 15}`)
      )
      assert.deepStrictEqual(messages.slice(10), ["15 early log lines were dropped: more than can be kept."])
    }).pipe(Effect.scoped)
  )

  it.live("changes its level while it runs, also for fibers that were there before", () =>
    Effect.gen(function* () {
      const file = join(yield* directory, "node.log")
      yield* Effect.gen(function* () {
        const logging = yield* Logging
        yield* logging.configure(toFile(file))
        yield* Effect.logDebug("not yet")
        yield* logging.setLevel("debug")
        yield* Effect.logDebug("now")
        yield* logging.setLevel("error")
        yield* Effect.logWarning("no more")
        assert.strictEqual(yield* logging.level, "error")
      }).pipe(Effect.provide(Logging.layer()))
      assert.deepStrictEqual(messagesOf(file), ["now"])
    }).pipe(Effect.scoped)
  )

  it.live("takes lines of others in their turn, with the same level and without secrets", () =>
    Effect.gen(function* () {
      const file = join(yield* directory, "node.log")
      const line = (message: string, level: LogLine["level"] = "info"): LogLine => ({
        timestamp: "2026-11-22T18:00:00.000Z",
        level,
        event: "ComponentReady",
        component: "database",
        message,
        data: { password: "hunter2hunter2" }
      })
      yield* Effect.gen(function* () {
        const logging = yield* Logging
        logging.tell(line("early"))
        yield* Effect.logInfo("between")
        yield* logging.configure(toFile(file))
        logging.tell(line("too small", "debug"))
        logging.tell(line("late"))
      }).pipe(Effect.provide(Logging.layer()))
      assert.deepStrictEqual(messagesOf(file), ["early", "between", "late"])
      assert.notInclude(readFileSync(file, "utf8"), "hunter2")
    }).pipe(Effect.scoped)
  )

  it.live("takes out a secret that it learns of late from the lines that wait, and from dumps", () =>
    Effect.gen(function* () {
      const file = join(yield* directory, "node.log")
      yield* Effect.gen(function* () {
        const logging = yield* Logging
        yield* Effect.logInfo("the canary is planted-canary-1")
        logging.hide("planted-canary-1")
        yield* logging.configure(toFile(file))
        yield* Effect.logInfo("another one is planted-canary-2")
        logging.hide(Redacted.make("planted-canary-2"))
        yield* Effect.logInfo("again planted-canary-2")
        const dump = (yield* logging.recent).join("\n")
        assert.notInclude(dump, "planted-canary")
        assert.include(dump, "another one is <redacted>")
      }).pipe(Effect.provide(Logging.layer()))
      const text = readFileSync(file, "utf8")
      assert.notInclude(text, "planted-canary-1")
      assert.include(text, "again <redacted>")
    }).pipe(Effect.scoped)
  )

  it.live("keeps the last lines for dumps, and no more", () =>
    Effect.gen(function* () {
      const dump = yield* Effect.gen(function* () {
        const logging = yield* Logging
        yield* logging.configure(Schema.decodeUnknownSync(Settings)({ output: "none", recent: 5 }))
        for (let i = 0; i < 50; i++) yield* Effect.logInfo(`line ${i}`)
        return yield* logging.recent
      }).pipe(Effect.provide(Logging.layer()))
      assert.deepStrictEqual(
        dump.map((line) => (JSON.parse(line) as LogLine).message),
        [45, 46, 47, 48, 49].map((i) => `line ${i}`)
      )
    })
  )

  it.live("goes on as it was when new settings cannot be had, and closes the old file when they can", () =>
    Effect.gen(function* () {
      const at = yield* directory
      const [a, b] = [join(at, "a.log"), join(at, "b.log")] as const
      yield* Effect.gen(function* () {
        const logging = yield* Logging
        yield* logging.configure(toFile(a))
        yield* Effect.logInfo("one")
        const exit = yield* Effect.exit(logging.configure(toFile(join(at, "missing/c.log"))))
        assert.isTrue(Exit.isFailure(exit))
        yield* Effect.logInfo("two")
        yield* logging.configure(toFile(b))
        assert.deepStrictEqual(messagesOf(a), ["one", "two"])
        yield* Effect.logInfo("three")
      }).pipe(Effect.provide(Logging.layer()))
      assert.deepStrictEqual(messagesOf(a), ["one", "two"])
      assert.deepStrictEqual(messagesOf(b), ["three"])
    }).pipe(Effect.scoped)
  )

  it("holds up nobody with a hundred thousand lines, keeps as many as it may, and counts the rest", async () => {
    const child = start(
      `
      import { createInterface } from "node:readline"
      const heap = () => (gc(), process.memoryUsage().heapUsed)
      const told = createInterface(process.stdin)[Symbol.asyncIterator]()
      const turn = Effect.promise(() => new Promise(setImmediate))
      const program = Effect.gen(function* () {
        const logging = yield* Logging
        yield* logging.configure(settings({ output: "stderr", format: "json", capacity: 4096 }))
        const before = heap()
        let logged = 0
        const burst = Effect.gen(function* () {
          for (; logged < 100_000; logged++) yield* Effect.logInfo("line " + logged + " " + "x".repeat(100))
        })
        const burning = yield* Effect.forkChild(burst)
        yield* turn
        const begun = logged
        // What starts meanwhile: twenty steps, each of which waits for its turn.
        yield* Effect.repeat(turn, { times: 20 })
        const whenUp = logged
        yield* Fiber.join(burning)
        const grown = heap() - before
        console.log(JSON.stringify({ begun, whenUp, grown, dropped: yield* logging.dropped }))
        yield* Effect.promise(() => told.next())
        yield* logging.flush
        yield* Effect.logInfo("last")
      })
      await Effect.runPromise(Effect.provide(program, Logging.layer()))
      process.exit(0)
    `,
      ["--expose-gc"]
    )
    const [text] = await once(child.stdout, "data")
    const { begun, dropped, grown, whenUp } = JSON.parse(String(text))
    // Others had their turns while it went on.
    assert.isAbove(begun, 0)
    assert.isBelow(whenUp, 100_000)
    // A line has 250 bytes: all of them would be 25 MB and more.
    assert.isAbove(dropped, 90_000)
    assert.isBelow(grown, 8_000_000)
    // Somebody begins to read.
    let written = ""
    child.stderr.on("data", (chunk: Buffer) => (written += chunk.toString()))
    child.stdin.write("read\n")
    const [code] = await once(child, "close")
    assert.strictEqual(code, 0, written.slice(-1_000))
    const lines = written.split("\n").slice(0, -1)
    const messages = lines.map((line) => (JSON.parse(line) as LogLine).message)
    const numbers = messages.flatMap((message) => /^line (\d+) /.exec(message)?.[1] ?? []).map(Number)
    const said = messages.flatMap((message) => /^(\d+) log lines were dropped/.exec(message)?.[1] ?? []).map(Number)
    assert.strictEqual(messages.at(-1), "last")
    assert.deepStrictEqual(
      numbers,
      numbers.toSorted((a, b) => a - b)
    )
    const lost = said.reduce((all, one) => all + one, 0)
    assert.strictEqual(numbers.length + lost, 100_000)
  }, 60_000)

  it("writes what it has kept to stderr when the program fails before it was configured", () => {
    const { status, stderr, stdout } = run(`
      const program = Effect.andThen(Effect.logInfo("first words"), Effect.die("early death"))
      Effect.runPromise(program.pipe(Effect.provide(Logging.layer()))).catch(() => process.exit(70))
    `)
    assert.strictEqual(status, 70)
    assert.strictEqual(stdout, "")
    assert.strictEqual((JSON.parse(stderr) as LogLine).message, "first words")
  })

  it("writes JSON off a terminal and text on it, and everything on each way to end", () => {
    const endings = {
      returns: "Effect.void",
      fails: `Effect.fail("no")`,
      dies: `Effect.die("no")`,
      exits: "Effect.sync(() => process.exit(3))"
    }
    for (const [name, ending] of Object.entries(endings)) {
      for (const isTerminal of [true, false]) {
        const { stderr } = run(`
          const program = Effect.gen(function* () {
            const logging = yield* Logging
            process.on("exit", logging.flushNow)
            yield* logging.configure(settings({}))
            for (let i = 0; i < 100; i++) yield* Effect.logInfo("line " + i)
            yield* ${ending}
          })
          const layer = Logging.layer({ isTerminal: () => ${isTerminal} })
          Effect.runPromise(Effect.exit(program.pipe(Effect.provide(layer))))
        `)
        const lines = stderr.split("\n").slice(0, -1)
        assert.strictEqual(lines.length, 100, `${name}: ${stderr.slice(0, 500)}`)
        assert.strictEqual(lines[99]?.startsWith("{"), !isTerminal)
        assert.include(lines[99], "line 99")
      }
    }
  }, 30_000)
})
