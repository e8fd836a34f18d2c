/**
 * The baselines of a node: whole contents under their SHA-256, in a folder of its own, so many and so many bytes of them.
 *
 * **Details**
 *
 * A file of mode 0600 each, named by its hash; its time of change says when it was used last, and the one unused for
 * longest goes first. A file is read and hashed when it is first used in a process: one that rotted is removed and not
 * there. What a peer is told is an {@link Offer}, data without content; both sides find the best common baseline in it.
 */
import { Clock, Effect, FileSystem, Option, Ref, Schema, Semaphore } from "effect"
import type { Path } from "effect"
import * as Chunks from "./Chunks.ts"
import type { Base } from "./Encoder.ts"
import { type HdeError, HdeUnavailable } from "./Failures.ts"
import type { Pool } from "./Pool.ts"
import * as Source from "./Source.ts"

const Hash = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/))

/** What a peer is told of a baseline: enough to know whether it has it, and whether it is like something. */
export const Offered = Schema.Struct({
  hash: Hash,
  size: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  sketch: Schema.Array(Schema.String.check(Schema.isPattern(/^[0-9a-f]{16}$/))).check(Schema.isMaxLength(64))
})
export type Offered = typeof Offered.Type

/** All that a node has, the one used last first. At most 1024 are looked at. */
export const Offer = Schema.Struct({ baselines: Schema.Array(Offered).check(Schema.isMaxLength(1024)) })
export type Offer = typeof Offer.Type

export interface Baselines {
  /** Keeps a copy of a file. */
  readonly keepFile: (path: string) => Effect.Effect<Offered, HdeError>
  readonly keep: (bytes: Uint8Array) => Effect.Effect<Offered, HdeError>
  /** The baseline with this hash, verified. It counts as used now. */
  readonly find: (hash: string) => Effect.Effect<Option.Option<Base>, HdeError>
  readonly offer: Effect.Effect<Offer>
  /** Of those that a peer has too, the one that is most like the content; none when nothing is like it. */
  readonly nearest: (content: Source.Source, theirs: Offer) => Effect.Effect<Option.Option<Offered>, HdeError>
  readonly remove: (hash: string) => Effect.Effect<void, HdeError>
}

export interface Limits {
  readonly count: number
  readonly bytes: number
}

interface Kept extends Offered {
  /** Milliseconds since 1970. */
  readonly used: number
  readonly isVerified: boolean
}

/** Opens a folder, makes it when there is none, and holds it to the limits. */
export const open = Effect.fn("Baselines.open")(function* (
  pool: Pool,
  directory: string,
  limits: Limits,
  path: Path.Path
) {
  const fileSystem = yield* FileSystem.FileSystem
  const lost = (what: string) => Effect.mapError((cause: unknown) => new HdeUnavailable({ what, cause }))
  const place = (hash: string): string => path.join(directory, hash)
  yield* fileSystem
    .makeDirectory(directory, { recursive: true, mode: 0o700 })
    .pipe(lost(`The folder of baselines ${directory} cannot be made`))

  const kept = yield* Ref.make<ReadonlyMap<string, Kept>>(new Map())
  const turn = yield* Semaphore.make(1)

  const drop = (hash: string) =>
    Effect.gen(function* () {
      yield* Ref.update(kept, (all) => new Map([...all].filter(([known]) => known !== hash)))
      yield* fileSystem.remove(place(hash), { force: true }).pipe(lost(`Baseline ${hash} cannot be removed`))
    })

  const prune = Effect.gen(function* () {
    let count = 0
    let bytes = 0
    for (const { hash, size } of inOrder(yield* Ref.get(kept))) {
      count++
      bytes += size
      // The one that was just used stays, whatever its size.
      if (count > 1 && (count > limits.count || bytes > limits.bytes)) {
        yield* drop(hash)
        count--
        bytes -= size
      }
    }
  })

  const look = (file: string): Effect.Effect<Offered, HdeError> =>
    Effect.gen(function* () {
      const { size } = yield* fileSystem.stat(file).pipe(lost(`${file} cannot be looked at`))
      const source = Source.file(file, Number(size))
      const [hash, chunks] = yield* Effect.all([pool.run("hash", source), pool.run("cut", source)], { concurrency: 2 })
      return { hash, size: source.size, sketch: Chunks.sketch(chunks) }
    })

  /** Takes a file of the folder in, under its hash. */
  const take = (file: string) =>
    Effect.gen(function* () {
      const offered = yield* look(file)
      yield* fileSystem.rename(file, place(offered.hash)).pipe(lost(`Baseline ${offered.hash} cannot be kept`))
      const used = yield* Clock.currentTimeMillis
      yield* Ref.update(kept, (all) => new Map([...all, [offered.hash, { ...offered, used, isVerified: true }]]))
      yield* prune
      return offered
    })

  const arriving = path.join(directory, "arriving")
  const keepAs = (write: Effect.Effect<void, HdeUnavailable>): Effect.Effect<Offered, HdeError> =>
    turn.withPermit(
      Effect.andThen(write, take(arriving)).pipe(
        Effect.onError(() => Effect.ignore(fileSystem.remove(arriving, { force: true })))
      )
    )
  const cannotKeep = lost(`A baseline cannot be written to ${directory}`)

  const names = yield* fileSystem.readDirectory(directory).pipe(lost(`${directory} cannot be read`))
  for (const name of names) {
    if (!Schema.is(Hash)(name)) continue
    const info = yield* fileSystem.stat(place(name)).pipe(lost(`Baseline ${name} cannot be looked at`))
    const used = Option.match(info.mtime, { onNone: () => 0, onSome: (time) => time.getTime() })
    const found: Kept = { hash: name, size: Number(info.size), sketch: [], used, isVerified: false }
    yield* Ref.update(kept, (all) => new Map([...all, [name, found]]))
  }
  yield* fileSystem.remove(arriving, { force: true }).pipe(lost(`${arriving} cannot be removed`))
  yield* prune

  /** What is known of a hash, after a look at its bytes. */
  const verified = (hash: string): Effect.Effect<Option.Option<Kept>, HdeError> =>
    Effect.gen(function* () {
      const found = (yield* Ref.get(kept)).get(hash)
      if (found === undefined || found.isVerified) return Option.fromUndefinedOr(found)
      const seen = yield* Effect.option(look(place(hash)))
      if (Option.isNone(seen) || seen.value.hash !== hash) {
        yield* drop(hash)
        return Option.none()
      }
      const sound: Kept = { ...found, ...seen.value, isVerified: true }
      yield* Ref.update(kept, (all) => new Map([...all, [hash, sound]]))
      return Option.some(sound)
    })

  const find: Baselines["find"] = (hash) =>
    turn.withPermit(
      Effect.gen(function* () {
        const found = yield* verified(hash)
        if (Option.isNone(found)) return Option.none()
        const used = yield* Clock.currentTimeMillis
        yield* Ref.update(kept, (all) => new Map([...all, [hash, { ...found.value, used }]]))
        yield* Effect.ignore(fileSystem.utimes(place(hash), used / 1000, used / 1000))
        return Option.some({ source: Source.file(place(hash), found.value.size), hash: Effect.succeed(hash) })
      })
    )

  const offer = Effect.map(Ref.get(kept), (all) => ({
    baselines: inOrder(all)
      .slice(0, 1024)
      .map(({ hash, size, sketch }) => ({ hash, size, sketch }))
  }))

  const baselines: Baselines = {
    keepFile: (file) => keepAs(fileSystem.copyFile(file, arriving).pipe(cannotKeep, Effect.andThen(closed))),
    keep: (bytes) => keepAs(fileSystem.writeFile(arriving, bytes, { mode: 0o600 }).pipe(cannotKeep)),
    find,
    offer,
    nearest: (content, theirs) =>
      Effect.gen(function* () {
        const wanted = Chunks.sketch(yield* pool.run("cut", content))
        return nearest(wanted, yield* offer, theirs)
      }),
    remove: (hash) => turn.withPermit(drop(hash))
  }
  const closed = fileSystem.chmod(arriving, 0o600).pipe(cannotKeep)
  return baselines
})

const inOrder = (all: ReadonlyMap<string, Kept>): ReadonlyArray<Kept> =>
  [...all.values()].toSorted((a, b) => b.used - a.used || (a.hash < b.hash ? -1 : 1))

/** Of the baselines that both have, the one most like this sketch. What one side knows of it is enough. */
export const nearest = (wanted: ReadonlyArray<string>, mine: Offer, theirs: Offer): Option.Option<Offered> => {
  const other = new Map(theirs.baselines.map((baseline) => [baseline.hash, baseline]))
  let best: { readonly baseline: Offered; readonly likeness: number } | undefined
  for (const baseline of mine.baselines) {
    const same = other.get(baseline.hash)
    if (same === undefined || same.size !== baseline.size) continue
    const likeness = Chunks.likeness(wanted, baseline.sketch.length > 0 ? baseline.sketch : same.sketch)
    if (likeness > 0 && (best === undefined || likeness > best.likeness)) best = { baseline, likeness }
  }
  return Option.map(Option.fromUndefinedOr(best), ({ baseline }) => baseline)
}
