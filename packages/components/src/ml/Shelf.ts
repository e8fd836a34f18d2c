/**
 * The models of one kind: which versions there are, and the one that is in use. Nothing is opened before the first
 * inference; nothing is used before it has passed its test; what is used is exchanged between two inferences.
 */
import { readdir, readFile, stat } from "node:fs/promises"
import { basename, join } from "node:path"
import { Data, Effect, Result, Semaphore } from "effect"

/** A model is there and is not used: what it is served by stays. */
export class ModelUnusable extends Data.TaggedError("ModelUnusable")<{
  readonly kind: string
  readonly version: string
  readonly reason: string
  readonly cause?: unknown
}> {
  readonly code = "NVC-2912"
  override get message() {
    const { kind, reason, version } = this
    return `Version ${version} of the ${kind} model is not used: ${reason}. What was used before, or a fallback, serves on.`
  }
}

/** A kind of model. */
export interface Kind<Model, In, Out> {
  readonly name: "bandwidth" | "placement"
  /** How its files end. */
  readonly extension: string
  /** A file of its own that comes with the program. */
  readonly shipped?: string
  readonly decode: (bytes: Uint8Array, file: string) => Result.Result<Model, unknown>
  /** Inference on data whose answer is known to make sense: why not, if it does not. */
  readonly test: (model: Model) => string | undefined
  readonly infer: (model: Model, input: In) => Out
  readonly without: (input: In) => Out
}

/** A version that is there. */
export interface Version {
  readonly version: string
  readonly file: string
}

/** What serves. */
export type State =
  | { readonly _tag: "Unused" }
  | { readonly _tag: "Serving"; readonly version: string }
  | { readonly _tag: "Fallback"; readonly why: ModelUnusable | undefined }

/** An answer, and the version that it comes from: `undefined` for the fallback. */
export interface Answer<Out> {
  readonly answer: Out
  readonly by: string | undefined
}

export interface Shelf<In, Out> {
  /** Never fails: without a model that works, the fallback answers. */
  readonly infer: (input: In) => Effect.Effect<Answer<Out>>
  /** Which versions there are, the one that would be used first. */
  readonly versions: Effect.Effect<ReadonlyArray<Version>>
  /** Takes this version from now on; when it cannot be used, the one before stays. */
  readonly use: (version: string) => Effect.Effect<void, ModelUnusable>
  /** Takes a newer version if there is one, and nothing was chosen. */
  readonly renew: Effect.Effect<void>
  readonly state: Effect.Effect<State>
}

/** A larger file is not read. */
const mostBytes = 8 * 1024 * 1024

export const make = <Model, In, Out>(
  kind: Kind<Model, In, Out>,
  options: { readonly directory: string; readonly pinned?: string | undefined }
): Shelf<In, Out> => {
  const one = Semaphore.makeUnsafe(1)
  let pinned = options.pinned
  let current: { readonly model: Model; readonly version: string; readonly stamp: string } | undefined
  let why: ModelUnusable | undefined
  let isOpen = false
  /** Versions that are no good, until their file is another. */
  const bad = new Map<string, string>()

  const unusable = (version: string, reason: string, cause?: unknown) =>
    new ModelUnusable({ kind: kind.name, version, reason, cause })

  const versions = Effect.gen(function* () {
    const room = options.directory === "" ? undefined : join(options.directory, kind.name)
    const names =
      room === undefined
        ? []
        : yield* Effect.orElseSucceed(
            Effect.tryPromise(() => readdir(room)),
            () => []
          )
    const found = names
      .filter((name) => name.endsWith(kind.extension) && /^[\w.-]{1,100}$/.test(name))
      .map((name) => ({ version: basename(name, kind.extension), file: join(room ?? "", name) }))
      .sort((a, b) => latestFirst(a.version, b.version))
    return kind.shipped === undefined ? found : [...found, { version: "shipped", file: kind.shipped }]
  })

  const load = Effect.fnUntraced(function* ({ file, version }: Version) {
    const failed = (reason: string) => (cause: unknown) => unusable(version, reason, cause)
    const { mtimeMs, size } = yield* Effect.tryPromise({ try: () => stat(file), catch: failed("it cannot be read") })
    const stamp = `${mtimeMs} ${size}`
    if (size > mostBytes) return yield* unusable(version, "it is larger than 8 MiB")
    const bytes = yield* Effect.tryPromise({ try: () => readFile(file), catch: failed("it cannot be read") })
    const decoded = Result.try({ try: () => kind.decode(bytes, file), catch: failed("it cannot be decoded") })
    const model = yield* Effect.fromResult(
      Result.mapError(
        Result.flatMap(decoded, (it) => it),
        failed("it is no such model, or damaged")
      )
    )
    const tested = Result.try({ try: () => kind.test(model), catch: failed("its test inference throws") })
    const wrong = yield* Effect.fromResult(tested)
    if (wrong !== undefined) return yield* unusable(version, wrong)
    return { model, version, stamp }
  })

  const stampOf = ({ file }: Version): Effect.Effect<string> =>
    Effect.tryPromise(() => stat(file)).pipe(
      Effect.map(({ mtimeMs, size }) => `${mtimeMs} ${size}`),
      Effect.orElseSucceed(() => "")
    )

  /** The first that works, of those that may be used. */
  const choose = Effect.gen(function* () {
    const all = yield* versions
    const wanted = pinned === undefined ? all : all.filter(({ version }) => version === pinned)
    if (pinned !== undefined && wanted.length === 0) why = unusable(pinned, "there is no such version")
    for (const version of wanted) {
      const stamp = yield* stampOf(version)
      if (current?.version === version.version && current.stamp === stamp) return
      if (bad.get(version.version) === stamp) continue
      const loaded = yield* Effect.result(load(version))
      if (Result.isSuccess(loaded)) {
        current = loaded.success
        why = undefined
        return yield* Effect.logInfo(`Version ${version.version} of the ${kind.name} model is in use.`)
      }
      why = loaded.failure
      bad.set(version.version, stamp)
      yield* Effect.logWarning(loaded.failure.message)
    }
  }).pipe(Effect.ensuring(Effect.sync(() => (isOpen = true))))

  return {
    versions,
    infer: (input) =>
      Effect.gen(function* () {
        if (!isOpen) yield* one.withPermit(Effect.suspend(() => (isOpen ? Effect.void : choose)))
        const serving = current
        if (serving === undefined) return { answer: kind.without(input), by: undefined }
        const answer = Result.try(() => kind.infer(serving.model, input))
        return Result.isSuccess(answer)
          ? { answer: answer.success, by: serving.version }
          : { answer: kind.without(input), by: undefined }
      }),
    use: (version) =>
      one.withPermit(
        Effect.gen(function* () {
          const found = (yield* versions).find((one) => one.version === version)
          if (found === undefined) return yield* unusable(version, "there is no such version")
          current = yield* load(found)
          pinned = version
          why = undefined
          isOpen = true
        })
      ),
    renew: one.withPermit(Effect.suspend(() => (isOpen ? choose : Effect.void))),
    state: Effect.sync(() => {
      if (!isOpen) return { _tag: "Unused" }
      return current === undefined ? { _tag: "Fallback", why } : { _tag: "Serving", version: current.version }
    })
  }
}

/** `v10` before `v9`. */
const latestFirst = (a: string, b: string): number => b.localeCompare(a, "en", { numeric: true })
