/**
 * `novacron dwcp`: the parts of the protocol between nodes that are of use without a node. A file into fewer bytes, against
 * a base that the other side has; items into bins, machines onto hosts.
 */
import { createReadStream } from "node:fs"
import { Hde, Itp } from "@novacron/dwcp"
import { Duration, Effect, FileSystem, Result, Schema, Stream } from "effect"
import * as Program from "../Program.ts"
import { Surroundings } from "../Surroundings.ts"

/** Of a file, and of what it is a difference to. */
export interface Coding {
  readonly input: string
  readonly output: string
  readonly base: string | undefined
  readonly json: boolean
}

/** Writes the frame of a file. */
export const encode = Program.make(
  Effect.fnUntraced(function* ({ base, input, json, output }: Coding) {
    const hde = yield* engine
    const options = base === undefined ? {} : { base: { _tag: "File", path: base } as const }
    const { took, ...report } = yield* hde.encodeFile(input, output, options)
    const ms = Duration.toMillis(took)
    const { mode, codec, ratio, size, stored } = report
    const { stdout } = yield* Surroundings
    if (json) stdout.write(`${JSON.stringify({ ...report, ms })}\n`)
    else
      stdout.write(
        `${size} B → ${stored} B, ${ratio.toFixed(2)} times smaller · ${codec}, ${mode} · ${words(size, ms)}\n`
      )
  }, Effect.scoped)
)

/** Writes the file of a frame; the hash in the frame has been checked when it is there. */
export const decode = Program.make(
  Effect.fnUntraced(function* ({ base, input, json, output }: Coding) {
    const hde = yield* engine
    const fileSystem = yield* FileSystem.FileSystem
    const [took, { hash }] = yield* Effect.timed(
      hde.decodeFile(input, output, base === undefined ? undefined : { _tag: "File", path: base })
    )
    const size = Number((yield* fileSystem.stat(output)).size)
    const ms = Duration.toMillis(took)
    const { stdout } = yield* Surroundings
    if (json) stdout.write(`${JSON.stringify({ size, hash, ms })}\n`)
    else stdout.write(`${size} B · sha256 ${hash} · ${words(size, ms)}\n`)
  }, Effect.scoped)
)

/** Baselines are files that are named: nothing is kept from one command to the next. */
const engine = Effect.gen(function* () {
  const fileSystem = yield* FileSystem.FileSystem
  const directory = yield* fileSystem.makeTempDirectoryScoped({ prefix: "novacron-hde-" })
  return yield* Hde.make(Schema.decodeUnknownSync(Hde.Settings)({}), directory)
})

const words = (bytes: number, ms: number): string =>
  `${Math.round(ms)} ms, ${(bytes / 1e3 / Math.max(1, ms)).toFixed(0)} MB/s`

/** Items into bins, an instance a line. */
export interface Packing {
  readonly input: string
  readonly online: boolean
  readonly budgetMs: number
  readonly seed: number
  readonly json: boolean
}

/** Answers each instance with `{id, hosts, ms, assignment}`, or `{id, error}`. */
export const pack = Program.make(
  Effect.fnUntraced(function* ({ budgetMs, input, online, seed }: Packing) {
    const { stdout } = yield* Surroundings
    yield* isReadable(input)
    const answers = Itp.Commands.pack(createReadStream(input), { budgetMs, online, seed, now })
    yield* Stream.runForEach(Stream.fromAsyncIterable(answers, problemOf), (line) =>
      Effect.sync(() => stdout.write(line))
    )
  })
)

/** Machines that come and go, onto hosts. */
export interface Placing {
  readonly input: string
  readonly hosts: string
  readonly unlimited: boolean
  readonly migrations: number
  readonly json: boolean
}

/** Answers with a summary: hosts, what was refused, how long a decision took. */
export const place = Program.make(
  Effect.fnUntraced(function* ({ hosts, input, migrations, unlimited }: Placing) {
    const { stdout } = yield* Surroundings
    yield* isReadable(input)
    const summary = yield* Effect.tryPromise({
      try: () => Itp.Commands.place(createReadStream(input), { hosts, unlimited, migrations, now }),
      catch: problemOf
    })
    stdout.write(yield* Effect.fromResult(Result.mapError(summary, (problem) => problem)))
  })
)

const isReadable = (path: string) =>
  Effect.mapError(
    Effect.flatMap(FileSystem.FileSystem, (fileSystem) => fileSystem.access(path)),
    (cause) => new Itp.Commands.BadInput({ problem: `${path} is not there, or may not be read`, cause })
  )

/** Read in the middle of decisions that take a microsecond: no effect of a clock could. */
// oxlint-disable-next-line no-restricted-globals -- the time of the machine is what is measured
const now = (): number => performance.now()

const problemOf = (cause: unknown): Itp.Commands.BadInput =>
  cause instanceof Itp.Commands.BadInput ? cause : new Itp.Commands.BadInput({ problem: "it cannot be read", cause })
