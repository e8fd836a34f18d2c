/**
 * PBA v3, predictive bandwidth allocation: what each link will carry next, and how that is shared among traffic classes.
 *
 * **Details**
 *
 * Measurements go in as they are made; those of one interval are one value. Each value moves the forecasts of its link:
 * of the next value and of the fifth, and of what each will not be below nine times of ten. They come from a network and
 * from classical means, weighed per link by who was right lately. The network is loaded in the background and exchanged
 * when its file changes; while there is none, or a bad one, forecasts are classical and {@link Pba}'s `check` fails with
 * the reason. Nothing that is observed or asked for ever fails.
 *
 * **Example**
 *
 * ```ts
 * const pba = yield* Pba
 * yield* pba.observe("node-2", 11_500_000)
 * const forecast = yield* pba.forecast("node-2")
 * const shares = yield* pba.shares("node-2", { critical: 2e6, background: Infinity })
 * ```
 */
import {
  Clock,
  Context,
  Duration,
  Effect,
  FileSystem,
  Layer,
  Option,
  Schedule,
  Schema,
  type Scope,
  Semaphore
} from "effect"
import * as Model from "./Model.ts"
import * as Series from "./Series.ts"
import { Settings } from "./Settings.ts"
import * as Shares from "./Shares.ts"

/** Bytes per second. */
export interface Forecast extends Series.Forecast {
  /** The same as `h1`, `p10h1`, and the most that was lately seen. */
  readonly bytesPerSecond: number
  readonly low: number
  readonly high: number
  readonly by: "lstm" | "classical"
  /** Values of the link so far: the first few say little. */
  readonly values: number
}

export type ModelState =
  | { readonly _tag: "Loading" }
  | { readonly _tag: "Ready"; readonly id: string; readonly file: string }
  | { readonly _tag: "Degraded"; readonly error: Model.BadModel }

export interface Observation {
  /** The sender had nothing more to send: the link may carry more than was measured. */
  readonly appLimited?: boolean
}

export class Pba extends Context.Service<
  Pba,
  {
    /** What was measured; what is no number from zero on is passed over. */
    readonly observe: (link: string, bytesPerSecond: number, how?: Observation) => Effect.Effect<void>
    /** `undefined` until a first interval is over, and again when the link has been silent. */
    readonly forecast: (link: string) => Effect.Effect<Forecast | undefined>
    /** Divides what the link will carry nine times of ten; `undefined` while there is no forecast. */
    readonly shares: (link: string, demands: Partial<Shares.PerClass>) => Effect.Effect<Shares.PerClass | undefined>
    readonly model: Effect.Effect<ModelState>
    /** Looks at the file now, or takes another file from now on. A bad one degrades, as it does when it is found so. */
    readonly reload: (file?: string) => Effect.Effect<ModelState>
    /** Fails while forecasts are classical because the model is bad. */
    readonly check: Effect.Effect<ModelState, Model.BadModel>
    readonly links: Effect.Effect<number>
  }
>()("novacron/dwcp/Pba") {
  static readonly layer = (settings: typeof Settings.Type) => Layer.effect(Pba, make(settings))

  static readonly layerStandard: Layer.Layer<Pba, never, FileSystem.FileSystem> = Layer.unwrap(
    Effect.map(Effect.orDie(Schema.decodeUnknownEffect(Settings)({})), (settings) => Pba.layer(settings))
  )
}

export const make = Effect.fn("Pba.make")(function* (
  settings: typeof Settings.Type
): Effect.fn.Return<Pba["Service"], never, FileSystem.FileSystem | Scope.Scope> {
  const { current, look } = yield* watched(settings.model === "" ? Model.shipped() : settings.model)
  const links = yield* linksOf(settings, () => current().model)
  const spaced = Schedule.spaced(settings.watch)
  yield* look().pipe(Effect.repeat(spaced), Effect.forkScoped)
  const weights = { critical: settings.critical, normal: settings.normal, background: settings.background }

  return Pba.of({
    observe: (link, bytesPerSecond, how) =>
      Effect.map(Clock.currentTimeMillis, (now) => links.observe(link, bytesPerSecond, how?.appLimited === true, now)),
    forecast: (link) => Effect.map(Clock.currentTimeMillis, (now) => links.forecast(link, now)),
    shares: (link, demands) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const forecast = links.forecast(link, now)
        return forecast === undefined ? undefined : Shares.divide(forecast.low, demands, weights)
      }),
    model: Effect.sync(() => current().state),
    reload: Effect.fn("Pba.reload")((file?: string) => look({ again: true, file })),
    check: Effect.suspend(() => {
      const { state } = current()
      return state._tag === "Degraded" ? Effect.fail(state.error) : Effect.succeed(state)
    }),
    links: Effect.sync(links.size)
  })
})

// --------------------------------------------------------------------------------------------------------------- model

interface Current {
  readonly state: ModelState
  readonly model: Model.Model | undefined
}

interface Look {
  /** Also when it seems to be the same. */
  readonly again?: boolean
  /** Another file, from now on. */
  readonly file?: string | undefined
}

/** The model in its file. `look` reads it when it is another than it was. */
const watched = Effect.fnUntraced(function* (first: string) {
  const fileSystem = yield* FileSystem.FileSystem
  // Whoever asks to look again and whoever looks anyway: one after the other.
  const one = yield* Semaphore.make(1)
  let file = first
  let seen: string | undefined
  let current: Current = { state: { _tag: "Loading" }, model: undefined }

  const stamp = Effect.map(
    Effect.suspend(() => fileSystem.stat(file)),
    ({ ino, mtime, size }) => [Option.getOrNull(ino), Option.getOrUndefined(mtime)?.getTime(), String(size)].join()
  )
  const degraded = (error: Model.BadModel): Current => ({ state: { _tag: "Degraded", error }, model: undefined })
  const load = reading(fileSystem, () => file).pipe(
    Effect.match({
      onFailure: degraded,
      onSuccess: (model): Current => ({ state: { _tag: "Ready", id: model.id, file }, model })
    })
  )
  const look = Effect.fnUntraced(function* (how: Look) {
    if (how.file !== undefined) file = how.file
    // A file that is not there has no stamp: it is looked for each time.
    const now = yield* Effect.option(stamp)
    if (how.again !== true && Option.isSome(now) && now.value === seen) return current.state
    seen = Option.getOrUndefined(now)
    const before = current.state
    current = yield* load
    yield* said(before, current.state)
    return current.state
  })
  return { current: () => current, look: (how: Look = {}) => one.withPermit(look(how)) }
})

const reading = (fileSystem: FileSystem.FileSystem, file: () => string) =>
  Effect.suspend(() =>
    fileSystem.stat(file()).pipe(
      Effect.flatMap(({ size }) =>
        Number(size) > Model.mostBytes ? Effect.succeed(new Uint8Array()) : fileSystem.readFile(file())
      ),
      Effect.mapError((cause) => new Model.BadModel({ file: file(), reason: "Missing", cause })),
      Effect.flatMap((bytes) => Effect.fromResult(Model.decode(bytes, file())))
    )
  )

/** Once for each change. */
const said = (before: ModelState, now: ModelState) => {
  if (now._tag === "Ready") return Effect.logInfo(`Bandwidth is forecast by model ${now.id}`)
  const isNews = now._tag === "Degraded" && (before._tag !== "Degraded" || before.error.reason !== now.error.reason)
  return isNews ? Effect.logWarning(now.error.message) : Effect.void
}

// --------------------------------------------------------------------------------------------------------------- links

/** What is known of one link. */
interface Link {
  readonly series: Series.Series
  model: Model.Model | undefined
  /** The interval that is being measured, counted from the beginning of time. */
  interval: number
  sum: number
  count: number
  latest: Series.Forecast | undefined
  last: number
  measuredMillis: number
}

const linksOf = (settings: typeof Settings.Type, model: () => Model.Model | undefined) =>
  Effect.sync(() => {
    const millis = Math.max(1, Duration.toMillis(settings.interval))
    const silence = Duration.toMillis(settings.silence)
    /** The one that was measured last is last. */
    const links = new Map<string, Link>()

    /** Ends the intervals that are over. Where nothing was measured, a value is missing. */
    const advance = (link: Link, now: number): void => {
      const interval = Math.floor(now / millis)
      for (let steps = 0; link.interval < interval; link.interval++, steps++) {
        // More missing values say nothing more.
        if (steps > longestGap) link.interval = interval - 1
        if (link.series.count() === 0 && link.count === 0) continue
        const value = link.count === 0 ? Number.NaN : link.sum / link.count
        if (link.model !== model()) link.series.use((link.model = model()))
        link.latest = link.series.push(value)
        link.sum = link.count = 0
      }
    }
    const known = (name: string, now: number): Link | undefined => {
      const link = links.get(name)
      if (link !== undefined && now - link.measuredMillis > silence) {
        links.delete(name)
        return undefined
      }
      return link
    }

    return {
      size: () => links.size,
      observe: (name: string, bytesPerSecond: number, appLimited: boolean, now: number): void => {
        if (!(bytesPerSecond >= 0) || !Number.isFinite(bytesPerSecond)) return
        let link = known(name, now)
        if (link === undefined) {
          const series = Series.make(millis / 1e3, model())
          const interval = Math.floor(now / millis)
          const nothing = { sum: 0, count: 0, latest: undefined, last: 0, measuredMillis: now }
          link = { series, model: model(), interval, ...nothing }
        }
        links.delete(name)
        links.set(name, link)
        if (links.size > settings.maxLinks) links.delete(links.keys().next().value ?? name)
        advance(link, now)
        link.measuredMillis = now
        // Less than before, because no more was asked of it: says nothing of the link.
        if (appLimited && bytesPerSecond < link.last) return
        link.last = bytesPerSecond
        link.sum += bytesPerSecond
        link.count++
      },
      forecast: (name: string, now: number): Forecast | undefined => {
        const link = known(name, now)
        if (link === undefined) return undefined
        advance(link, now)
        if (link.latest === undefined) return undefined
        const { h1, p10h1 } = link.latest
        const by = link.model === undefined ? "classical" : "lstm"
        const high = Math.max(h1, link.series.high())
        return { ...link.latest, bytesPerSecond: h1, low: p10h1, high, by, values: link.series.count() }
      }
    }
  })

/** Missing values in a row that are still taken one by one. */
const longestGap = 64
