/**
 * HDE v3, hybrid data encoding: content into fewer bytes for a link, and back, without holding up the event loop.
 *
 * **Details**
 *
 * A frame says of itself what it is; another process reads it with the frame alone, or with the frame and the baseline
 * that it names. Content is sampled, and the codec is the one with which compressing and sending are over first. Against a
 * baseline a frame is a difference, where that is smaller. A frame is never larger than its content by more than 0.1 % and
 * 132 bytes.
 *
 * **Example** (a difference, there and back)
 *
 * ```ts
 * const hde = yield* Hde
 * const { frame } = yield* hde.encode(after, { base: { _tag: "Bytes", bytes: before } })
 * const { content } = yield* hde.decode(frame, { _tag: "Bytes", bytes: before })
 * ```
 */
import {
  ByteSize,
  Clock,
  Context,
  Duration,
  Effect,
  Fiber,
  FileSystem,
  Layer,
  Option,
  Path,
  Random,
  Ref,
  Schema,
  Scope,
  Semaphore,
  Stream
} from "effect"
import * as Baselines from "./Baselines.ts"
import * as Codec from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import * as Encoder from "./Encoder.ts"
import { BaselineMismatch, type HdeError, HdeUnavailable, reading, waiting } from "./Failures.ts"
import * as Frame from "./Frame.ts"
import * as Pool from "./Pool.ts"
import * as Probe from "./Probe.ts"
import * as Selector from "./Selector.ts"
import type { Settings } from "./Settings.ts"
import * as Shelf from "./Shelf.ts"
import * as Source from "./Source.ts"

/** A baseline: bytes, a file, or one that is kept here. */
export type Base =
  | { readonly _tag: "Bytes"; readonly bytes: Uint8Array }
  | { readonly _tag: "File"; readonly path: string }
  | { readonly _tag: "Kept"; readonly hash: string }

export interface Options {
  /** What the other side has too. */
  readonly base?: Base
  /** Bytes per second of the link. Default: that of the settings. */
  readonly bandwidth?: number
  readonly goal?: Selector.Goal
  /** A codec that is not to be chosen but used. */
  readonly choice?: Codec.Choice
}

export interface Report {
  /** The codec, as `zstd-3`; of a difference, what blocks without likeness to the baseline are compressed with. */
  readonly codec: string
  readonly mode: "plain" | "aligned" | "longRange"
  /** What the content is like; not looked at when the codec was told. */
  readonly class: Probe.Class | undefined
  /** Bytes of content, and of the frame. */
  readonly size: number
  readonly stored: number
  readonly ratio: number
  /** SHA-256 of the content and of the baseline, in hex. */
  readonly hash: string
  readonly base: string | undefined
  readonly took: Duration.Duration
}

export interface Content {
  readonly content: Uint8Array
  readonly hash: string
}

export class Hde extends Context.Service<
  Hde,
  {
    readonly encode: (
      bytes: Uint8Array,
      options?: Options
    ) => Effect.Effect<{ readonly frame: Uint8Array; readonly report: Report }, HdeError>
    /** Without a base, a difference is read with the baseline that is kept here. */
    readonly decode: (frame: Uint8Array, base?: Base) => Effect.Effect<Content, HdeError>
    readonly encodeFile: (input: string, output: string, options?: Options) => Effect.Effect<Report, HdeError>
    readonly decodeFile: (input: string, output: string, base?: Base) => Effect.Effect<Decoder.Received, HdeError>
    /** The frame of a file while it is made, to be sent. The report is there when the stream has ended. */
    readonly stream: (
      input: string,
      options?: Options
    ) => Effect.Effect<
      { readonly frame: Stream.Stream<Uint8Array, HdeError>; readonly report: Effect.Effect<Option.Option<Report>> },
      HdeError,
      Scope.Scope
    >
    /** A frame that arrives, into a file. */
    readonly receive: <E>(
      frame: Stream.Stream<Uint8Array, E>,
      output: string,
      base?: Base
    ) => Effect.Effect<Decoder.Received, HdeError | E>
    readonly baselines: Baselines.Baselines
    /** What was learned about codecs so far. */
    readonly learned: Effect.Effect<Selector.State>
  }
>()("@novacron/dwcp/Hde") {
  /** Keeps its baselines and what it learned in a folder, which is its own. */
  static readonly layer = (settings: typeof Settings.Type, directory: string) =>
    Layer.effect(Hde, make(settings, directory))
}

/** The service in a scope: its threads end with it, and what was learned is written then. */
export const make = Effect.fn("Hde.make")(function* (settings: typeof Settings.Type, directory: string) {
  const fileSystem = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const scope = yield* Scope.Scope
  const lost = (what: string) => Effect.mapError((cause: unknown) => new HdeUnavailable({ what, cause }))
  yield* fileSystem
    .makeDirectory(directory, { recursive: true, mode: 0o700 })
    .pipe(lost(`The folder ${directory} cannot be made`))
  const pool = yield* Pool.make(settings.threads)
  const shelf = Shelf.make(2 ** 26)
  const baselines = yield* Baselines.open(
    pool,
    path.join(directory, "baselines"),
    { count: settings.baselines, bytes: ByteSize.toNumberUnsafe(settings.baselineBytes) },
    path
  )
  const limits: Frame.Limits = { ...Frame.limits, content: ByteSize.toNumberUnsafe(settings.maxContent) }
  const messageLimits: Frame.Limits = { ...limits, content: ByteSize.toNumberUnsafe(settings.maxMessage) }

  // -------------------------------------------------------------------------------------------------------- learning

  const learnedFile = path.join(directory, "learned.json")
  // What cannot be read is learned again.
  const before = yield* fileSystem.readFileString(learnedFile).pipe(
    Effect.flatMap(Schema.decodeUnknownEffect(Schema.fromJsonString(Selector.State))),
    Effect.orElseSucceed(() => Selector.empty)
  )
  const learned = yield* Ref.make<Selector.State>(before)
  yield* Effect.addFinalizer(() =>
    Effect.flatMap(Ref.get(learned), (state) =>
      Effect.ignore(fileSystem.writeFileString(learnedFile, JSON.stringify(state), { mode: 0o600 }))
    )
  )
  const learn = (seen: Selector.Seen) => Ref.update(learned, (state) => Selector.learn(state, seen))

  const spare = yield* Semaphore.make(1)
  const explore = (samples: Buffer, probe: Probe.Probe, goal: Selector.Goal) =>
    Effect.gen(function* () {
      const choice = Selector.explore(yield* Ref.get(learned), probe.class, goal, yield* Random.next)
      if (choice === undefined || samples.length < fewest) return
      const [took, packed] = yield* Effect.timed(
        waiting("Samples could not be compressed", () => Codec.compress(samples, choice))
      )
      const ratio = samples.length / Math.max(1, packed.length)
      yield* learn({ class: probe.class, choice, ratios: probe.ratios, ratio, speed: perSecond(samples.length, took) })
    }).pipe(Effect.ignore, spare.withPermitsIfAvailable(1), Effect.asVoid)

  // -------------------------------------------------------------------------------------------------------- encoding

  const decide = Effect.fnUntraced(function* (samples: Buffer, size: number, options: Options) {
    // What was told is done: there is nothing to look for, and nothing to learn.
    if (options.choice !== undefined) return { choice: options.choice, probe: undefined }
    const probe = Probe.look(samples)
    const goal = options.goal ?? settings.goal
    const bandwidth = Math.max(1, options.bandwidth ?? ByteSize.toNumberUnsafe(settings.bandwidth))
    const { choice } = Selector.choose(yield* Ref.get(learned), probe, goal, { bandwidth, size })
    yield* Effect.forkIn(explore(samples, probe, goal), scope)
    return { choice, probe }
  })

  const tell = Effect.fnUntraced(function* (
    parts: ReadonlyArray<Encoder.Part>,
    decided: { readonly choice: Codec.Choice; readonly probe: Probe.Probe | undefined },
    base: Encoder.Base | undefined,
    began: number
  ) {
    const { choice, probe } = decided
    const size = parts.reduce((sum, part) => sum + part.size, 0)
    const stored = parts.reduce((sum, part) => sum + part.stored, 0)
    const took = Duration.millis((yield* Clock.currentTimeMillis) - began)
    const found = new Set(parts.map((part) => part.found))
    const ratio = size / stored
    if (probe !== undefined && base === undefined && size >= fewest) {
      yield* learn({ class: probe.class, choice, ratios: probe.ratios, ratio, speed: perSecond(size, took) })
    }
    const report: Report = {
      codec: Codec.nameOf(choice),
      mode: found.has("longRange") ? "longRange" : found.has("aligned") ? "aligned" : "plain",
      class: probe?.class,
      size,
      stored,
      ratio,
      hash: parts.at(-1)?.hash ?? "",
      base: base === undefined ? undefined : yield* base.hash,
      took
    }
    return report
  })

  const encode = Effect.fn("Hde.encode")(function* (bytes: Uint8Array, options: Options = {}) {
    return yield* Effect.scoped(encodeMessage(bytes, options))
  })

  const encodeMessage = Effect.fnUntraced(function* (bytes: Uint8Array, options: Options) {
    const began = yield* Clock.currentTimeMillis
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const decided = yield* decide(Probe.sample(buffer), buffer.length, options)
    const base = yield* given(options.base)
    const parts = yield* Encoder.message(pool, shelf, buffer, { choice: decided.choice, base })
    const report = yield* tell(parts, decided, base, began)
    const frame: Uint8Array = Buffer.concat(parts.flatMap((part) => part.bytes))
    return { frame, report }
  })

  const stream = Effect.fn("Hde.stream")(function* (input: string, options: Options = {}) {
    const began = yield* Clock.currentTimeMillis
    const source = yield* fileOf(input)
    const decided = yield* decide(yield* samplesOf(source), source.size, options)
    const base = yield* given(options.base)
    const summary = yield* Ref.make(Option.none<Report>())
    const sent: Array<Encoder.Part> = []
    const frame = Encoder.parts(pool, source, { choice: decided.choice, base }).pipe(
      Stream.tap((part) =>
        Effect.gen(function* () {
          sent.push({ ...part, bytes: [] })
          if (part.hash !== undefined) yield* Ref.set(summary, Option.some(yield* tell(sent, decided, base, began)))
        })
      ),
      Stream.map((part) => part.bytes),
      Stream.flattenIterable
    )
    return { frame, report: Ref.get(summary) }
  })

  const encodeFile = Effect.fn("Hde.encodeFile")(function* (input: string, output: string, options: Options = {}) {
    const cannotWrite = lost(`${output} cannot be written`)
    const beside = `${output}.part`
    const write = Effect.scoped(
      Effect.gen(function* () {
        const before = yield* stampOf(input)
        const { frame, report } = yield* stream(input, options)
        const file = yield* fileSystem.open(beside, { flag: "w", mode: 0o600 }).pipe(cannotWrite)
        yield* Stream.runForEach(frame, (bytes) => file.writeAll(bytes).pipe(cannotWrite))
        // Blocks and their hash are read apart: of a file that changes in between, nobody could make the file again.
        if ((yield* stampOf(input)) !== before) {
          const cause = new Error("It is another size, or was modified at another time, than when that began.")
          return yield* new HdeUnavailable({ what: `${input} was written to while it was encoded`, cause })
        }
        yield* fileSystem.rename(beside, output).pipe(cannotWrite)
        return yield* Effect.flatMap(report, Effect.fromOption).pipe(Effect.orDie)
      })
    )
    return yield* write.pipe(Effect.onError(() => Effect.ignore(fileSystem.remove(beside, { force: true }))))
  })

  // -------------------------------------------------------------------------------------------------------- decoding

  const find =
    (base: Base | undefined): Decoder.Find =>
    ({ hash }) =>
      Effect.flatMap(given(base ?? { _tag: "Kept", hash }), (found) =>
        found === undefined ? Effect.fail(new BaselineMismatch({ wanted: hash })) : Effect.succeed(found)
      )

  const decode = Effect.fn("Hde.decode")(function* (frame: Uint8Array, base?: Base) {
    const buffer = Buffer.from(frame.buffer, frame.byteOffset, frame.length)
    const { content, end } = yield* Effect.scoped(Decoder.message(pool, shelf, buffer, messageLimits, find(base)))
    const decoded: Content = { content, hash: end.hash }
    return decoded
  })

  const receive = <E>(frame: Stream.Stream<Uint8Array, E>, output: string, base?: Base) =>
    Decoder.file(pool, frame, output, limits, find(base)).pipe(
      Effect.scoped,
      Effect.provideService(FileSystem.FileSystem, fileSystem),
      Effect.withSpan("Hde.receive")
    )

  const decodeFile = (input: string, output: string, base?: Base) =>
    receive(
      fileSystem
        .stream(input, { chunkSize: 2 ** 20 })
        .pipe(Stream.mapError((cause) => new HdeUnavailable({ what: `${input} cannot be read`, cause }))),
      output,
      base
    )

  // --------------------------------------------------------------------------------------------------------- sources

  const fileOf = (file: string): Effect.Effect<Source.Source, HdeError> =>
    Effect.gen(function* () {
      const { size, type } = yield* fileSystem.stat(file).pipe(lost(`${file} cannot be looked at`))
      // A pipe is of no size, and opening one waits for who writes to it.
      if (type !== "File") return yield* new HdeUnavailable({ what: `${file} is not a file`, cause: new Error(type) })
      const some =
        size > 0 ? Option.none() : yield* Stream.runHead(fileSystem.stream(file)).pipe(lost(`${file} cannot be read`))
      if (Option.isSome(some)) {
        const cause = new Error("Files of /proc are like that: take a copy of it.")
        return yield* new HdeUnavailable({ what: `${file} says that it is empty and is not`, cause })
      }
      return Source.file(file, Number(size))
    })

  const stampOf = (file: string) =>
    fileSystem.stat(file).pipe(
      Effect.map(({ mtime, size }) => `${size} ${Option.match(mtime, { onNone: () => 0, onSome: Number })}`),
      lost(`${file} cannot be looked at`)
    )

  const samplesOf = (source: Source.Source) =>
    Effect.try({
      try: () =>
        Source.using(source, (open) =>
          Buffer.concat(Probe.places(source.size).map(([at, length]) => open.read(at, length)))
        ),
      catch: (cause) => new HdeUnavailable({ what: "A file cannot be read", cause })
    })

  /** Its hash is on the way while something else is done. */
  const hashed = (source: Source.Source): Effect.Effect<Encoder.Base, never, Scope.Scope> =>
    Effect.map(Effect.forkScoped(pool.run("hash", source)), (fiber) => ({ source, hash: Fiber.join(fiber) }))

  const given = (base: Base | undefined): Effect.Effect<Encoder.Base | undefined, HdeError, Scope.Scope> =>
    Effect.gen(function* () {
      if (base === undefined) return undefined
      switch (base._tag) {
        case "Bytes": {
          const source = yield* shelf.lend(base.bytes)
          return yield* hashed(source)
        }
        case "File":
          return yield* hashed(yield* fileOf(base.path))
        case "Kept": {
          const kept = yield* baselines.find(base.hash)
          return Option.isSome(kept) ? kept.value : yield* new BaselineMismatch({ wanted: base.hash })
        }
      }
    })

  return Hde.of({
    encode,
    decode,
    encodeFile,
    decodeFile,
    stream,
    receive,
    baselines,
    learned: Ref.get(learned)
  })
})

/** What the head of a frame says, without reading more of it. */
export const inspect = (frame: Uint8Array) =>
  reading(() => {
    const reader = new Frame.Reader(Frame.limits)
    reader.push(Buffer.from(frame.buffer, frame.byteOffset, frame.length))
    const part = reader.next()
    return part?._tag === "Head" ? Option.some(part.head) : Option.none()
  })

/** Content of fewer bytes teaches nothing. */
const fewest = 2 ** 15

const perSecond = (bytes: number, took: Duration.Duration): number =>
  bytes / Math.max(1e-4, Duration.toMillis(took) / 1000)
