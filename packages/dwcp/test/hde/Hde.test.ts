import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import * as fc from "fast-check"
import { BaselineMismatch, HdeCorrupt, TooLarge } from "../../src/hde/Failures.ts"
import { inspect, make, type Options } from "../../src/hde/Hde.ts"
import {
  anyContent,
  anyPair,
  chance,
  haveData,
  inserted,
  later,
  memory,
  noise,
  realPairs,
  text
} from "./fixtures/contents.ts"
import { settingsOf, withHde } from "./fixtures/service.ts"

const bytesOf = (bytes: Uint8Array) => ({ _tag: "Bytes", bytes }) as const
const sha = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** The longest frame that content of a size may have. */
const most = (size: number): number => Math.floor(size * 1.001) + 132

describe("a message", () => {
  it.live("comes back as it was, whatever it is, and is never larger than it may be", () =>
    withHde((hde) =>
      Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(anyContent(300_000), async (bytes) => {
            const { frame, report } = await Effect.runPromise(hde.encode(bytes))
            assert.isAtMost(frame.length, most(bytes.length))
            assert.strictEqual(report.stored, frame.length)
            const { content, hash } = await Effect.runPromise(hde.decode(frame))
            assert.isTrue(bytes.equals(content))
            assert.strictEqual(hash, sha(bytes))
          }),
          { numRuns: 60 }
        )
      )
    )
  )

  it.live("comes back from a difference too, whatever was edited", () =>
    withHde((hde) =>
      Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(anyPair(150_000), async ([base, target]) => {
            const { frame } = await Effect.runPromise(hde.encode(target, { base: bytesOf(base) }))
            assert.isAtMost(frame.length, most(target.length))
            const { content } = await Effect.runPromise(hde.decode(frame, bytesOf(base)))
            assert.isTrue(target.equals(content))
          }),
          { numRuns: 60 }
        )
      )
    )
  )

  it.live("comes back through each codec, from nothing to several blocks", () =>
    withHde((hde) =>
      Effect.gen(function* () {
        const choices: ReadonlyArray<Options> = [
          { choice: { algorithm: "none", level: 0 } },
          { choice: { algorithm: "lz4", level: 0 } },
          { choice: { algorithm: "zstd", level: -5 } },
          { choice: { algorithm: "zstd", level: 3 } }
        ]
        for (const size of [0, 1, 5000, 20_000_001]) {
          const bytes = memory(size, size)
          for (const options of choices) {
            const { frame, report } = yield* hde.encode(bytes, options)
            assert.isAtMost(frame.length, most(size))
            if (size > 5000 && options.choice?.algorithm !== "none") assert.isAbove(report.ratio, 2)
            const { content } = yield* hde.decode(frame)
            assert.isTrue(bytes.equals(content))
          }
        }
      })
    )
  )

  it.live("is 10 times smaller as a difference when 1 % of its pages changed", () =>
    withHde((hde) =>
      Effect.gen(function* () {
        const before = noise(8_000_000, 1)
        const after = later(before, 100, 2)
        const whole = yield* hde.encode(after)
        const { frame, report } = yield* hde.encode(after, { base: bytesOf(before) })
        assert.isAbove(whole.frame.length, 10 * frame.length)
        assert.strictEqual(report.base, sha(before))
        assert.notStrictEqual(report.mode, "plain")
      })
    )
  )

  it.live("that has nothing of its baseline is not sent as a difference", () =>
    withHde((hde) =>
      Effect.gen(function* () {
        const { frame, report } = yield* hde.encode(text(500_000, 1), { base: bytesOf(noise(500_000, 2)) })
        assert.strictEqual(report.mode, "plain")
        assert.isAbove(report.ratio, 3)
        const { content } = yield* hde.decode(frame, bytesOf(noise(500_000, 2)))
        assert.isTrue(text(500_000, 1).equals(content))
      })
    )
  )

  it.live("needs the baseline that it names, and no other one", () =>
    withHde((hde) =>
      Effect.gen(function* () {
        const before = memory(300_000, 1)
        const { frame } = yield* hde.encode(later(before, 9, 2), { base: bytesOf(before) })
        const without = yield* Effect.flip(hde.decode(frame))
        assert.instanceOf(without, BaselineMismatch)
        for (const other of [Buffer.alloc(0), noise(300_000, 3), before.subarray(1)]) {
          const failure = yield* Effect.flip(hde.decode(frame, bytesOf(other)))
          assert.instanceOf(failure, BaselineMismatch)
          assert.include(failure.message, sha(before).slice(0, 16))
        }
      })
    )
  )

  it.live("is refused wherever it is cut and with sampled bits flipped, never taken for another", () =>
    withHde((hde) =>
      Effect.gen(function* () {
        const before = memory(20_000, 1)
        const after = later(before, 3, 2)
        const frames = [
          { frame: (yield* hde.encode(text(3000, 1))).frame, base: undefined },
          { frame: (yield* hde.encode(after, { base: bytesOf(before) })).frame, base: bytesOf(before) }
        ]
        const next = chance(5)
        for (const { base, frame } of frames) {
          const hostile = [
            ...Array.from({ length: frame.length }, (_, length) => frame.subarray(0, length)),
            ...Array.from({ length: 1500 }, () => {
              const changed = Buffer.from(frame)
              changed[next() % changed.length]! ^= 1 << (next() % 8)
              return changed
            })
          ]
          for (const bytes of hostile) {
            const failure = yield* Effect.flip(hde.decode(bytes, base))
            assert.include(["HdeCorrupt", "TooLarge", "BaselineMismatch"], failure._tag)
          }
        }
      })
    )
  )

  it.live("whose blocks changed places is refused by its hash", () =>
    withHde((hde) =>
      Effect.gen(function* () {
        const bytes = noise(8_388_608 * 2 + 10, 1)
        const { frame } = yield* hde.encode(bytes, { choice: { algorithm: "none", level: 0 } })
        const block = 16 + 8_388_608
        const swapped = Buffer.concat([
          frame.subarray(0, 28),
          frame.subarray(28 + block, 28 + 2 * block),
          frame.subarray(28, 28 + block),
          frame.subarray(28 + 2 * block)
        ])
        assert.isTrue(bytes.equals((yield* hde.decode(frame)).content))
        assert.instanceOf(yield* Effect.flip(hde.decode(swapped)), HdeCorrupt)
      })
    )
  )

  it.live("above the limit is refused", () =>
    withHde(
      (hde) =>
        Effect.gen(function* () {
          const { frame } = yield* hde.encode(Buffer.alloc(2_000_000))
          assert.isBelow(frame.length, 1000)
          assert.instanceOf(yield* Effect.flip(hde.decode(frame)), TooLarge)
        }),
      { maxMessage: "1 MB" }
    )
  )

  it.live("is encoded while the event loop goes on", () =>
    withHde((hde) =>
      Effect.gen(function* () {
        const before = memory(24_000_000, 1)
        const after = inserted(before, 1000, noise(10_000, 2))
        let turns = 0
        let isOver = false
        const turn = (): void => {
          turns++
          if (!isOver) setImmediate(turn)
        }
        setImmediate(turn)
        const { report } = yield* hde.encode(after, { base: bytesOf(before) })
        const during = turns
        yield* hde.encode(after, { choice: { algorithm: "zstd", level: 9 } })
        isOver = true
        assert.isAbove(report.ratio, 50)
        assert.isAbove(during, 20)
        assert.isAbove(turns, during + 20)
      })
    )
  )

  it.live("does not hold up others when its encoding is interrupted", () =>
    withHde((hde) =>
      Effect.gen(function* () {
        const before = memory(8_000_000, 1)
        const fiber = yield* Effect.forkChild(hde.encode(later(before, 2, 1), { base: bytesOf(before) }))
        yield* Effect.sleep("30 millis")
        yield* Fiber.interrupt(fiber)
        const { frame } = yield* hde.encode(later(before, 50, 1), { base: bytesOf(before) })
        assert.isTrue(later(before, 50, 1).equals((yield* hde.decode(frame, bytesOf(before))).content))
      })
    )
  )
})

describe("a frame in another process", () => {
  const decoder = join(import.meta.dirname, "fixtures/decode.ts")

  it.live("is decoded with the wire bytes alone, or with the named baseline", () =>
    withHde((hde) =>
      Effect.gen(function* () {
        const folder = mkdtempSync(join(tmpdir(), "hde-wire-"))
        yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
        const before = memory(400_000, 1)
        const after = later(before, 8, 2)
        writeFileSync(join(folder, "base"), before)
        const frames = [
          [(yield* hde.encode(after)).frame],
          [(yield* hde.encode(after, { choice: { algorithm: "lz4", level: 0 } })).frame],
          [(yield* hde.encode(after, { base: bytesOf(before) })).frame, join(folder, "base")]
        ] as const
        for (const [frame, ...base] of frames) {
          writeFileSync(join(folder, "frame"), frame)
          const said = execFileSync(process.execPath, [decoder, join(folder, "frame"), join(folder, "out"), ...base])
          assert.strictEqual(said.toString().trim(), sha(after))
          assert.isTrue(after.equals(readFileSync(join(folder, "out"))))
        }
      })
    )
  )
})

describe("a file", () => {
  it.live("comes back as it was, of mode 0600, by itself and as a difference", () =>
    withHde((hde, folder) =>
      Effect.gen(function* () {
        const [input, base, wire, output] = ["input", "base", "wire", "output"].map((name) => join(folder, name)) as [
          string,
          string,
          string,
          string
        ]
        const before = memory(40_000_000, 1)
        const after = later(inserted(before, 11_000_003, noise(700_001, 2)), 100, 3)
        writeFileSync(base, before)
        for (const content of [Buffer.alloc(0), after.subarray(0, 100), after]) {
          writeFileSync(input, content)
          for (const options of [{}, { base: { _tag: "File", path: base } as const }]) {
            const report = yield* hde.encodeFile(input, wire, options)
            assert.strictEqual(report.hash, sha(content))
            assert.strictEqual(report.stored, statSync(wire).size)
            assert.isAtMost(report.stored, most(content.length))
            if (content === after && options.base !== undefined) assert.isAbove(report.ratio, 30)
            const received = yield* hde.decodeFile(wire, output, options.base)
            assert.strictEqual(received.hash, sha(content))
            assert.isTrue(content.equals(readFileSync(output)))
            assert.strictEqual(statSync(output).mode & 0o777, 0o600)
            assert.strictEqual(statSync(wire).mode & 0o777, 0o600)
          }
        }
      })
    )
  )

  it.live("that arrives broken leaves nothing behind, and what was there stays", () =>
    withHde((hde, folder) =>
      Effect.gen(function* () {
        const [input, wire, output] = ["input", "wire", "output"].map((name) => join(folder, name)) as [
          string,
          string,
          string
        ]
        writeFileSync(input, memory(20_000_000, 1))
        writeFileSync(output, "before")
        yield* hde.encodeFile(input, wire)
        const frame = readFileSync(wire)
        frame[frame.length >> 1]! ^= 1
        writeFileSync(wire, frame)
        assert.instanceOf(yield* Effect.flip(hde.decodeFile(wire, output)), HdeCorrupt)
        writeFileSync(wire, frame.subarray(0, 1000))
        assert.instanceOf(yield* Effect.flip(hde.decodeFile(wire, output)), HdeCorrupt)
        assert.strictEqual(readFileSync(output, "utf8"), "before")
        assert.isFalse(existsSync(`${output}.part`))
      })
    )
  )

  it.live("can be sent while it is encoded, and says then what became of it", () =>
    withHde((hde, folder) =>
      Effect.scoped(
        Effect.gen(function* () {
          const content = memory(20_000_000, 4)
          writeFileSync(join(folder, "input"), content)
          const { frame, report } = yield* hde.stream(join(folder, "input"))
          assert.isTrue(Option.isNone(yield* report))
          const received = yield* hde.receive(frame, join(folder, "output"))
          assert.strictEqual(received.hash, sha(content))
          assert.strictEqual(Option.getOrThrow(yield* report).size, content.length)
        })
      )
    )
  )

  it.live("that is not there is a failure that names it", () =>
    withHde((hde, folder) =>
      Effect.gen(function* () {
        const failure = yield* Effect.flip(hde.encodeFile(join(folder, "nothing"), join(folder, "wire")))
        assert.strictEqual(failure._tag, "HdeUnavailable")
        assert.include(failure.message, "nothing")
        assert.isFalse(existsSync(join(folder, "wire")))
      })
    )
  )

  it.live("is refused where it is none, or says that it is empty and is not", () =>
    withHde((hde, folder) =>
      Effect.gen(function* () {
        execFileSync("mkfifo", [join(folder, "pipe")])
        const options: Options = { base: { _tag: "File", path: join(folder, "pipe") } }
        writeFileSync(join(folder, "some"), "some")
        const wire = join(folder, "wire")
        const refused = yield* Effect.all([
          Effect.flip(hde.encodeFile(join(folder, "pipe"), wire)),
          Effect.flip(hde.encodeFile(join(folder, "some"), wire, options)),
          Effect.flip(hde.encodeFile("/proc/self/status", wire))
        ])
        assert.deepStrictEqual(
          refused.map(({ message }) => /is not a file|is empty and is not/.exec(message)?.[0]),
          ["is not a file", "is not a file", "is empty and is not"]
        )
        assert.isFalse(existsSync(wire))
      })
    )
  )

  it.live("makes no frame when it was written to in between", () =>
    withHde((hde, folder) =>
      Effect.gen(function* () {
        const [input, wire] = [join(folder, "log"), join(folder, "wire")]
        writeFileSync(input, noise(30_000_000, 1))
        const write = Effect.delay(
          Effect.sync(() => appendFileSync(input, "one more line\n")),
          1
        )
        const changed = yield* Effect.raceFirst(Effect.flip(hde.encodeFile(input, wire)), Effect.forever(write))
        assert.include(changed.message, "written to while it was encoded")
        assert.isFalse(existsSync(wire) || existsSync(`${wire}.part`))
        assert.strictEqual((yield* hde.encodeFile(input, wire)).size, statSync(input).size)
      })
    )
  )
})

describe("the service", () => {
  it.live("decodes a difference with a baseline that it keeps", () =>
    withHde((hde) =>
      Effect.gen(function* () {
        const before = memory(500_000, 1)
        const { hash } = yield* hde.baselines.keep(before)
        const after = later(before, 20, 2)
        const { frame } = yield* hde.encode(after, { base: { _tag: "Kept", hash } })
        assert.isTrue(after.equals((yield* hde.decode(frame)).content))
        yield* hde.baselines.remove(hash)
        assert.instanceOf(yield* Effect.flip(hde.decode(frame)), BaselineMismatch)
      })
    )
  )

  it.live("is light in a datacenter and thorough on the internet, and leaves noise alone", () =>
    withHde((hde) =>
      Effect.gen(function* () {
        const corpus = Buffer.concat([memory(1_000_000, 1), text(1_000_000, 2)])
        const of = (bytes: Buffer, goal: "datacenter" | "internet", bandwidth: number) =>
          Effect.map(hde.encode(bytes, { goal, bandwidth }), ({ report }) => report)
        assert.include(["none", "lz4", "zstd--5"], (yield* of(corpus, "datacenter", 1.25e9)).codec)
        const far = yield* of(text(2_000_000, 3), "internet", 1e5)
        assert.include(["zstd-12", "zstd-19"], far.codec)
        assert.isBelow(far.stored, 0.3 * far.size)
        assert.strictEqual((yield* of(noise(1_000_000, 1), "internet", 1e6)).codec, "none")
        // A head of zeros does not make noise look like zeros.
        const masked = Buffer.concat([Buffer.alloc(8192), noise(2_000_000, 1)])
        assert.strictEqual((yield* of(masked, "datacenter", 1.25e8)).codec, "none")
      })
    )
  )

  it.live("keeps what it learned", () =>
    Effect.gen(function* () {
      const folder = mkdtempSync(join(tmpdir(), "hde-learned-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
      const seen = Effect.scoped(
        Effect.gen(function* () {
          const hde = yield* make(settingsOf(), folder)
          yield* hde.encode(text(200_000, 1))
          const known = Object.values((yield* hde.learned).classes["text"] ?? {})
          return known.reduce((sum, { seen }) => sum + seen, 0)
        })
      )
      // Now and then something is tried besides.
      const [first, second, third] = [yield* seen, yield* seen, yield* seen]
      assert.isAtLeast(first, 1)
      assert.isAbove(second, first)
      assert.isAbove(third, second)
      assert.strictEqual(statSync(join(folder, "learned.json")).mode & 0o777, 0o600)
      writeFileSync(join(folder, "learned.json"), `{"version":1,"classes":{"text":{"zstd-3":{"seen":-1}}}}`)
      assert.isBelow(yield* seen, third)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("tells what the head of a frame says", () =>
    withHde((hde) =>
      Effect.gen(function* () {
        const { frame } = yield* hde.encode(text(5000, 1))
        assert.strictEqual(Option.getOrThrow(yield* inspect(frame)).size, 5000)
        assert.isTrue(Option.isNone(yield* inspect(frame.subarray(0, 10))))
        assert.instanceOf(yield* Effect.flip(inspect(noise(100, 1))), HdeCorrupt)
      })
    )
  )
})

describe.runIf(haveData)("real contents, where they lie beside the repository", () => {
  it.live("become differences at least as small as those of zstd --patch-from would be, and come back", () =>
    withHde((hde) =>
      Effect.gen(function* () {
        // What `zstd -1 --patch-from --long=27` 1.5.4 makes of them, in bytes.
        const cli: { readonly [name: string]: number } = {
          "mem v2": 21_249,
          "mem v3": 43_447,
          "mem v4": 207_902,
          "disk v1run": 94_967,
          "disk v2": 1_378_121,
          "disk v1run to v2": 1_385_946,
          "deb libssl3": 1_616_451
        }
        for (const { base, name, target } of realPairs()) {
          const { frame } = yield* hde.encode(target, { base: bytesOf(base) })
          assert.isAtMost(frame.length, cli[name]!, name)
          assert.isTrue(target.equals((yield* hde.decode(frame, bytesOf(base))).content))
        }
      })
    )
  )
})
