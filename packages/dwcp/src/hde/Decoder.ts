/** A frame into content: in memory, or into a file while it arrives. Content is only given away when its hash is right. */
import { Effect, FileSystem, Ref, Stream } from "effect"
import type { Scope } from "effect"
import * as Codec from "./Codec.ts"
import * as Digest from "./Digest.ts"
import type { Base } from "./Encoder.ts"
import { BaselineMismatch, HdeCorrupt, type HdeError, HdeUnavailable, reading, waiting } from "./Failures.ts"
import * as Frame from "./Frame.ts"
import type { Pool } from "./Pool.ts"
import type { Shelf } from "./Shelf.ts"
import * as Source from "./Source.ts"

/** Finds the baseline that a frame names; fails with {@link BaselineMismatch} where there is none. */
export type Find = (wanted: Frame.Baseline) => Effect.Effect<Base, HdeError, Scope.Scope>

/** A message in memory. Nothing is allocated before all of the frame has been looked at. */
export const message = Effect.fnUntraced(function* (
  pool: Pool,
  shelf: Shelf,
  frame: Buffer,
  limits: Frame.Limits,
  find: Find
) {
  const { blocks, end, head } = yield* reading(() => Frame.read(frame, limits))
  const base = yield* named(head, find)
  const decoded = yield* Effect.forEach(
    blocks,
    ({ block }) =>
      block.kind === "delta"
        ? Effect.map(pool.run("decode", { ...task(block, head, base), into: undefined }), (bytes) =>
            bytes === undefined ? Buffer.alloc(0) : Buffer.from(bytes.buffer)
          )
        : waiting("A block could not be expanded", () =>
            Codec.expand(block.stored, block.kind === "delta" ? "none" : block.kind, block.size)
          ),
    { concurrency: pool.threads }
  )
  const [only] = decoded
  const content = only !== undefined && decoded.length === 1 ? only : Buffer.concat(decoded)
  yield* held(end, yield* Digest.of(pool, shelf, content))
  return { head, end, content }
})

export interface Received {
  readonly head: Frame.Head
  readonly hash: string
}

/**
 * A frame that arrives in pieces, into a file of mode 0600. It is written beside its place and put there when its hash is
 * right; otherwise nothing of it stays.
 */
export const file = Effect.fnUntraced(function* <E>(
  pool: Pool,
  frame: Stream.Stream<Uint8Array, E>,
  output: string,
  limits: Frame.Limits,
  find: Find
) {
  const fileSystem = yield* FileSystem.FileSystem
  const lost = Effect.mapError((cause: unknown) => new HdeUnavailable({ what: `${output} cannot be written`, cause }))
  const beside = `${output}.part`
  const receive = Effect.gen(function* () {
    const reader = new Frame.Reader(limits)
    const begun = yield* Ref.make<Begun | undefined>(undefined)
    const ended = yield* Ref.make<Frame.End | undefined>(undefined)
    const blocks = frame.pipe(
      Stream.mapEffect(
        Effect.fnUntraced(function* (piece: Uint8Array) {
          const parts = yield* reading(() => {
            reader.push(Buffer.from(piece.buffer, piece.byteOffset, piece.length))
            return takeAll(reader)
          })
          for (const part of parts) {
            if (part._tag === "Head") yield* Ref.set(begun, { head: part.head, base: yield* named(part.head, find) })
            if (part._tag === "End") yield* Ref.set(ended, part.end)
          }
          return parts.filter((part) => part._tag === "Block")
        })
      ),
      Stream.flattenIterable,
      Stream.mapEffect(
        Effect.fnUntraced(function* ({ at, block }) {
          const known = yield* Ref.get(begun)
          if (known === undefined) return yield* new HdeCorrupt({ reason: "it has no head" })
          yield* pool.run("decode", { ...task(block, known.head, known.base), into: { path: beside, at } })
        }),
        { concurrency: pool.threads }
      )
    )
    yield* Stream.runDrain(blocks)
    yield* reading(() => reader.close())
    const known = yield* Ref.get(begun)
    const end = yield* Ref.get(ended)
    if (known === undefined || end === undefined) return yield* new HdeCorrupt({ reason: "it ends too early" })
    yield* held(end, yield* pool.run("hash", Source.file(beside, known.head.size)))
    yield* fileSystem.rename(beside, output).pipe(lost)
    const received: Received = { head: known.head, hash: end.hash }
    return received
  })
  yield* fileSystem.writeFile(beside, new Uint8Array(0), { mode: 0o600 }).pipe(lost)
  return yield* receive.pipe(Effect.onError(() => Effect.ignore(fileSystem.remove(beside, { force: true }))))
})

interface Begun {
  readonly head: Frame.Head
  readonly base: Base | undefined
}

const takeAll = (reader: Frame.Reader): ReadonlyArray<Frame.Part> => {
  const parts: Array<Frame.Part> = []
  for (let part = reader.next(); part !== undefined; part = reader.next()) parts.push(part)
  return parts
}

const task = ({ kind, size, stored }: Frame.Block, { baseLimit }: Frame.Head, base: Base | undefined) => ({
  kind,
  size,
  // A view would take all that it is a view of along to the thread.
  stored: new Uint8Array(stored),
  base: base?.source,
  baseLimit
})

const named = ({ base }: Frame.Head, find: Find): Effect.Effect<Base | undefined, HdeError, Scope.Scope> =>
  base === undefined
    ? Effect.succeed(undefined)
    : Effect.gen(function* () {
        const found = yield* find(base)
        const hash = yield* found.hash
        if (hash === base.hash && found.source.size === base.size) return found
        return yield* new BaselineMismatch({ wanted: base.hash, offered: hash })
      })

const held = (end: Frame.End, hash: string): Effect.Effect<void, HdeCorrupt> =>
  hash === end.hash
    ? Effect.void
    : Effect.fail(new HdeCorrupt({ reason: "what comes out of it is not what its hash says" }))
