/** Content into a frame, as a stream of its parts: little memory whatever the size, several blocks at a time. */
import { Effect, Fiber, Ref, Stream } from "effect"
import * as Block from "./Block.ts"
import * as Codec from "./Codec.ts"
import * as Digest from "./Digest.ts"
import { type HdeError, HdeUnavailable, waiting } from "./Failures.ts"
import * as Frame from "./Frame.ts"
import type { Pool } from "./Pool.ts"
import type { Shelf } from "./Shelf.ts"
import type { Source } from "./Source.ts"

/** A baseline at hand. */
export interface Base {
  readonly source: Source
  /** SHA-256, in hex: known, or on the way. */
  readonly hash: Effect.Effect<string, HdeError>
}

export interface Plan {
  readonly choice: Codec.Choice
  readonly base: Base | undefined
}

/** A part of a frame; `size` bytes of content are in it. */
export interface Part {
  readonly bytes: ReadonlyArray<Uint8Array>
  readonly stored: number
  readonly size: number
  readonly found: Block.Encoded["found"]
  /** SHA-256 of the content, with the last part. */
  readonly hash?: string
}

/** The parts of the frame of a source, in order. */
export const parts = (pool: Pool, source: Source, { base, choice }: Plan): Stream.Stream<Part, HdeError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const encode = yield* encoder(pool, source, choice, base)
      const length = Block.sizeFor(source.size)
      const count = Math.ceil(source.size / length)
      const at = (i: number) => encode(i * length, Math.min(length, source.size - i * length))
      // The first block begins before the hashes are there: often it is the only one.
      const first = count === 0 ? undefined : yield* Effect.forkScoped(at(0), { startImmediately: true })
      const hash = yield* Effect.forkScoped(pool.run("hash", source))
      const head = Effect.map(base === undefined ? Effect.succeed("") : base.hash, (baseHash) =>
        part(
          Frame.head({
            choice,
            size: source.size,
            blockLimit: Math.min(length, source.size),
            baseLimit: base === undefined ? 0 : Math.min(Block.shareBytes, base.source.size),
            base: base === undefined ? undefined : { size: base.source.size, hash: baseHash }
          })
        )
      )
      const blocks = Stream.fromIterable(Array.from({ length: count }, (_, i) => i)).pipe(
        Stream.mapEffect((i) => (i === 0 && first !== undefined ? Fiber.join(first) : at(i)), {
          concurrency: pool.threads
        })
      )
      const end = Effect.map(Fiber.join(hash), (hash) => part(Frame.end({ blocks: count, hash }), { hash }))
      return Stream.fromEffect(head).pipe(Stream.concat(blocks), Stream.concat(Stream.fromEffect(end)))
    })
  )

const part = (bytes: Uint8Array, more: { readonly hash?: string } = {}): Part => ({
  bytes: [bytes],
  stored: bytes.length,
  size: 0,
  found: "none",
  ...more
})

const encoder = (pool: Pool, target: Source, choice: Codec.Choice, base: Base | undefined) =>
  Effect.gen(function* () {
    const shift = yield* Ref.make(0)
    const coarse = yield* Effect.cached(base === undefined ? nothingToScan : pool.run("scan", base.source))
    return Effect.fnUntraced(function* (at: number, length: number) {
      const task = (coarse: Block.Against["coarse"], shift: number): Block.Task => ({
        target,
        at,
        length,
        choice,
        against: base === undefined ? undefined : { base: base.source, shift, coarse }
      })
      const where = yield* Ref.get(shift)
      let answer = yield* pool.run("encode", task(undefined, where))
      if (answer._tag === "NeedsCoarse") answer = yield* pool.run("encode", task(yield* coarse, where))
      if (answer._tag === "NeedsCoarse") return yield* nothingToScan
      if (answer.kind === "delta") yield* Ref.set(shift, answer.shift)
      const stored = Buffer.from(answer.stored.buffer)
      const head = Frame.blockHead({ kind: answer.kind, size: length, stored })
      const encoded: Part = {
        bytes: [head, stored],
        stored: head.length + stored.length,
        size: length,
        found: answer.found
      }
      return encoded
    })
  })

const nothingToScan = Effect.fail(
  new HdeUnavailable({ what: "A piece could not be looked up", cause: new Error("there is no index of the baseline") })
)

/** The same of a message in memory. Without a baseline it is compressed where it is. */
export const message = (
  pool: Pool,
  shelf: Shelf,
  bytes: Buffer,
  plan: Plan
): Effect.Effect<ReadonlyArray<Part>, HdeError> =>
  plan.base === undefined
    ? plainMessage(pool, shelf, bytes, plan.choice)
    : Effect.scoped(Effect.flatMap(shelf.lend(bytes), (source) => Stream.runCollect(parts(pool, source, plan))))

const plainMessage = Effect.fnUntraced(function* (pool: Pool, shelf: Shelf, bytes: Buffer, choice: Codec.Choice) {
  const length = Block.sizeFor(bytes.length)
  const count = Math.ceil(bytes.length / length)
  const block = Effect.fnUntraced(function* (i: number) {
    const piece = bytes.subarray(i * length, (i + 1) * length)
    const packed = yield* waiting("A block could not be compressed", () => Codec.compress(piece, choice))
    const isSmaller = packed.length < piece.length
    const stored = isSmaller ? packed : piece
    const head = Frame.blockHead({ kind: isSmaller ? choice.algorithm : "none", size: piece.length, stored })
    const encoded: Part = {
      bytes: [head, stored],
      stored: head.length + stored.length,
      size: piece.length,
      found: "none"
    }
    return encoded
  })
  const indices = Array.from({ length: count }, (_, i) => i)
  const [hash, blocks] = yield* Effect.all(
    [Digest.of(pool, shelf, bytes), Effect.forEach(indices, block, { concurrency: pool.threads })],
    { concurrency: 2 }
  )
  const head = { choice, size: bytes.length, blockLimit: Math.min(length, bytes.length), baseLimit: 0, base: undefined }
  return [part(Frame.head(head)), ...blocks, part(Frame.end({ blocks: count, hash }), { hash })]
})
