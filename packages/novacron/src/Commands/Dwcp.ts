/**
 * `novacron dwcp`: the parts of the protocol between nodes that are of use without a node. Files over many streams; a file
 * into fewer bytes, against a base that the other side has; items into bins, machines onto hosts.
 */
import { createReadStream } from "node:fs"
import { createSecureContext } from "node:tls"
import { Acp, Amst, Hde, Itp, Pba } from "@novacron/dwcp"
import {
  Data,
  Deferred,
  Duration,
  Effect,
  FileSystem,
  Layer,
  Option,
  type PlatformError,
  Result,
  Schema,
  Stream
} from "effect"
import { isDenied } from "../Errors.ts"
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
    yield* areReadable(input, base)
    const hde = yield* engine
    const options = base === undefined ? {} : { base: { _tag: "File", path: base } as const }
    const { took, ...report } = yield* hde.encodeFile(input, output, options)
    const ms = Duration.toMillis(took)
    const { mode, codec, ratio, size, stored } = report
    const { stdout } = yield* Surroundings
    if (json) stdout.write(`${JSON.stringify({ ...report, ms })}\n`)
    else stdout.write(`${size} B → ${stored} B, ${smaller(ratio)} · ${codec}, ${mode} · ${words(size, ms)}\n`)
  }, Effect.scoped)
)

/** Writes the file of a frame; the hash in the frame has been checked when it is there. */
export const decode = Program.make(
  Effect.fnUntraced(function* ({ base, input, json, output }: Coding) {
    yield* areReadable(input, base)
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
    yield* fromZeroOn("--budget", budgetMs)
    yield* areReadable(input)
    const answers = Itp.Commands.pack(createReadStream(input), { budgetMs, online, seed, now })
    yield* Stream.runForEachWhile(Stream.fromAsyncIterable(answers, problemOf), told)
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
    yield* fromZeroOn("--migrations", migrations)
    yield* areReadable(input)
    const summary = yield* Effect.tryPromise({
      try: () => Itp.Commands.place(createReadStream(input), { hosts, unlimited, migrations, now }),
      catch: problemOf
    })
    stdout.write(yield* Effect.fromResult(Result.mapError(summary, (problem) => problem)))
  })
)

/** Recorded series, one a line. */
export interface Forecasting {
  readonly input: string
  readonly model: string | undefined
  readonly classical: boolean
  readonly json: boolean
}

/** Answers each value from the 33rd on with `{id, i, h1, h5, p10h1, p10h5}`; without a model, by classical means. */
export const forecast = Program.make(
  Effect.fnUntraced(function* ({ classical, input, model }: Forecasting) {
    const { stderr } = yield* Surroundings
    yield* areReadable(input, model)
    const read = classical ? undefined : Pba.Model.read(model ?? Pba.Model.shipped())
    // A model that was asked for by name must be the one that answers; without the one that is shipped we do what we can.
    if (read !== undefined && Result.isFailure(read)) {
      if (model !== undefined) return yield* read.failure
      stderr.write(`${read.failure.message}\n`)
    }
    const answers = Pba.Commands.forecast(
      createReadStream(input),
      read === undefined ? undefined : Option.getOrUndefined(Result.getSuccess(read))
    )
    const broken = (cause: unknown) =>
      cause instanceof Pba.Commands.BadSeries
        ? cause
        : new Pba.Commands.BadSeries({ problem: "it cannot be read", cause })
    yield* Stream.runForEachWhile(Stream.fromAsyncIterable(answers, broken), told)
  })
)

/** No more is worked out than is read: answers can be far larger than the memory, and `head` wants only a few. */
const told = (text: string) =>
  Effect.flatMap(Surroundings, ({ flushed, stdout }) => {
    stdout.write(text)
    return Effect.promise(flushed)
  })

/** A file that was named: it is not there (65), or is for others (77). */
export class InputUnreadable extends Data.TaggedError("InputUnreadable")<{
  readonly path: string
  readonly cause: PlatformError.PlatformError
}> {
  get exitCode(): 65 | 77 {
    return isDenied(this.cause) ? 77 : 65
  }
  override get message(): string {
    const why = isDenied(this.cause) ? "may not be read by this user" : "is not there, or cannot be read"
    return `${this.path} ${why}. Nothing was done with it.`
  }
}

const unreadable = (path: string) => (cause: PlatformError.PlatformError) => new InputUnreadable({ path, cause })

/** Seen before anything is begun: whoever reads them later cannot say whether it was to read or to write. */
const areReadable = Effect.fnUntraced(function* (...paths: ReadonlyArray<string | undefined>) {
  const files = yield* FileSystem.FileSystem
  for (const path of paths) {
    if (path !== undefined) yield* Effect.mapError(files.access(path, { readable: true }), unreadable(path))
  }
})

/** Read in the middle of decisions that take a microsecond: no effect of a clock could. */
// oxlint-disable-next-line no-restricted-globals -- the time of the machine is what is measured
const now = (): number => performance.now()

const problemOf = (cause: unknown): Itp.Commands.BadInput =>
  cause instanceof Itp.Commands.BadInput ? cause : new Itp.Commands.BadInput({ problem: "it cannot be read", cause })

// ------------------------------------------------------------------------------------------------------- over a link

/** A command line that is understood, and cannot be meant. */
export class Misused extends Data.TaggedError("Misused")<{ readonly problem: string; readonly cause?: unknown }> {
  readonly code = "NVC-4107"
  override get message(): string {
    return `${this.problem}. Nothing was opened and nothing was sent.`
  }
}

const fromZeroOn = (flag: string, given: number): Effect.Effect<void, Misused> =>
  given >= 0 ? Effect.void : Effect.fail(new Misused({ problem: `${flag} ${given} cannot be: say 0, or more` }))

const addressOf = (given: string): Effect.Effect<{ readonly host: string; readonly port: number }, Misused> => {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(given) ?? []
  const [host, port] = [bracketed ?? plain, Number(digits)]
  return host === undefined || port > 65_535
    ? Effect.fail(new Misused({ problem: `"${given}" is no address: say HOST:PORT, and an IPv6 address in brackets` }))
    : Effect.succeed({ host, port })
}

const streamsOf = (given: string): Effect.Effect<number | "auto", Misused> =>
  given === "auto" || /^[1-9]\d{0,3}$/.test(given)
    ? Effect.succeed(given === "auto" ? given : Number(given))
    : Effect.fail(new Misused({ problem: `"${given}" is no number of streams: say auto, or a number from 1 to 9999` }))

const pem = (path: string | undefined) =>
  path === undefined
    ? Effect.succeed(undefined)
    : Effect.flatMap(FileSystem.FileSystem, (fileSystem) =>
        Effect.mapError(fileSystem.readFileString(path), unreadable(path))
      )

const warnPlain = (given: string | undefined) =>
  Effect.flatMap(Surroundings, ({ stderr }) =>
    Effect.sync(() => {
      if (given === undefined) stderr.write("Not encrypted: give --cert and --key to serve, --ca to send.\n")
    })
  )

const transport = Amst.Amst.layerStandard.pipe(Layer.provide(Acp.Acp.layer))

/** Where files are taken, into which folder, and one more file that differences may be to. */
export interface Serving {
  readonly listen: string
  readonly dir: string
  readonly base: string | undefined
  /** With both of them it speaks TLS. */
  readonly cert: string | undefined
  readonly key: string | undefined
  readonly json: boolean
}

/** Takes files until a signal ends it. */
export const serve = Program.make(
  Effect.fnUntraced(
    function* (flags: Serving) {
      const { onSignal, stdout } = yield* Surroundings
      const over = yield* Deferred.make<void>()
      yield* onSignal((signal) => {
        if (signal !== "SIGHUP" && signal !== "SIGUSR2") Deferred.doneUnsafe(over, Effect.void)
      })
      const listen = yield* addressOf(flags.listen)
      const [cert, key] = [yield* pem(flags.cert), yield* pem(flags.key)]
      // Half of what TLS takes must not come to be no TLS.
      if ((cert === undefined) !== (key === undefined)) {
        return yield* new Misused({ problem: "To serve with TLS takes --cert and --key, both of them" })
      }
      yield* warnPlain(cert)
      const tls = cert === undefined || key === undefined ? {} : { tls: { cert, key } }
      yield* Effect.try({
        try: () => createSecureContext({ cert, key }),
        catch: (cause) => new Misused({ problem: "--cert and --key are no certificate in PEM and its key", cause })
      })
      const fileSystem = yield* FileSystem.FileSystem
      yield* fileSystem.makeDirectory(flags.dir, { recursive: true, mode: 0o700 })
      yield* areReadable(flags.base)
      const differences = yield* Amst.Difference.taker(
        yield* engine,
        flags.dir,
        flags.base === undefined ? [] : [flags.base]
      )
      const listener = yield* Amst.Command.serve({ listen, dir: flags.dir, differences, ...tls })
      stdout.write(
        flags.json ? `${JSON.stringify({ port: listener.port })}\n` : `listening on ${listen.host}:${listener.port}\n`
      )
      const take = Effect.tap(listener.takeFile, (file) =>
        Effect.sync(() =>
          stdout.write(flags.json ? `${JSON.stringify(file)}\n` : `${file.name} ${file.size} B sha256 ${file.hash}\n`)
        )
      )
      yield* Effect.raceFirst(Effect.forever(take), Deferred.await(over))
    },
    Effect.scoped,
    Effect.provide(transport)
  )
)

/** What is sent, to whom, and how. */
export interface Sending {
  readonly input: string
  readonly to: string
  /** A file that the other side has too. */
  readonly base: string | undefined
  readonly streams: string
  readonly congestion: string
  /** Whom to trust: with it, it speaks TLS. */
  readonly ca: string | undefined
  readonly json: boolean
}

/** Sends a file, and is done when the other side has verified it. */
export const send = Program.make(
  Effect.fnUntraced(
    function* (flags: Sending) {
      const { stderr, stdout } = yield* Surroundings
      const { host, port } = yield* addressOf(flags.to)
      const ca = yield* pem(flags.ca)
      yield* areReadable(flags.input, flags.base)
      yield* warnPlain(ca)
      const streams = yield* streamsOf(flags.streams)
      const sent = yield* Amst.Command.send(flags.input, host, port, {
        streams,
        congestion: flags.congestion,
        ...(ca === undefined ? {} : { tls: { ca } }),
        ...(flags.base === undefined ? {} : { base: { path: flags.base, hde: yield* engine } }),
        onFallback: ({ code, message }) => stderr.write(`${code} ${message} All of the file is sent instead.\n`),
        onProgress: ({ arrivedBytes, bytesPerSecond, size, streams }) => {
          if (!stderr.isTerminal || flags.json) return
          const share = size === 0 ? 100 : Math.floor((100 * arrivedBytes) / size)
          stderr.write(`\r${share} %  ${((bytesPerSecond * 8) / 1e6).toFixed(0)} Mbit/s  ${streams} streams `)
        }
      })
      if (stderr.isTerminal && !flags.json) stderr.write("\n")
      const { bytes, congestion, mbitPerSecond, resumedBytes, retransmits, seconds, sha256 } = sent
      const resumed = resumedBytes === 0 ? "" : ` · ${resumedBytes} B were there from before`
      if (flags.json) stdout.write(`${JSON.stringify(sent)}\n`)
      else
        stdout.write(
          `${bytes} B in ${seconds.toFixed(2)} s, ${mbitPerSecond.toFixed(0)} Mbit/s${resumed} · ` +
            `${smaller(sent.ratio)} on the way · ${sent.streams} streams of ` +
            `${congestion.effective ?? "unknown control"} · ${retransmits} retransmits · sha256 ${sha256}\n`
        )
    },
    Effect.scoped,
    Effect.provide(transport)
  )
)

/** Says what kind of link leads there, and how that is known. */
export const probe = Program.make(
  Effect.fnUntraced(function* (flags: Pick<Sending, "to" | "ca" | "json">) {
    const { stdout } = yield* Surroundings
    const { host, port } = yield* addressOf(flags.to)
    const ca = yield* pem(flags.ca)
    const probed = yield* Amst.Command.probe(host, port, ca === undefined ? undefined : { ca })
    stdout.write(
      flags.json
        ? `${JSON.stringify(probed)}\n`
        : `${probed.mode} · connected in ${probed.connectMillis.toFixed(1)} ms\n`
    )
  }, Effect.provide(transport))
)

/** What a small or a random file becomes has a head, and is larger than it was. */
const smaller = (ratio: number): string => (ratio > 1 ? `${ratio.toFixed(2)} times smaller` : "not smaller")
