/** Values of a Schema instead of bytes: what is read is decoded at the door, and never trusted to be right. */
import { Effect, Option, Schema, Stream } from "effect"
import { type Conflict, type StateError, ValueMalformed } from "./Failures.ts"
import type { Engine } from "./StateSync.ts"

export interface Held<A> {
  readonly value: A
  readonly version: bigint
}

export interface Typed<A> {
  readonly get: (key: string) => Effect.Effect<Option.Option<Held<A>>, StateError | ValueMalformed>
  readonly put: (key: string, value: A, options?: { readonly ephemeral?: boolean }) => Effect.Effect<bigint, StateError>
  readonly compareAndSet: (
    key: string,
    expected: Option.Option<bigint>,
    value: A
  ) => Effect.Effect<bigint, StateError | Conflict>
  /** By key; one that cannot be read fails all. */
  readonly list: (prefix: string) => Effect.Effect<ReadonlyMap<string, Held<A>>, StateError | ValueMalformed>
  readonly subscribe: (key: string) => Stream.Stream<Option.Option<Held<A>>, StateError | ValueMalformed>
}

/** Values as JSON in UTF-8. */
export const json = <A, I>(engine: Engine, schema: Schema.Codec<A, I>): Typed<A> => {
  const text = Schema.fromJsonString(Schema.toCodecJson(schema))
  const decode = Schema.decodeEffect(text)
  // A value that does not encode is a bug of the caller.
  const encode = (value: A) =>
    Schema.encodeEffect(text)(value).pipe(
      Effect.map((it) => new TextEncoder().encode(it)),
      Effect.orDie
    )
  const held = (key: string, entry: { readonly value: Uint8Array; readonly version: bigint }) =>
    decode(new TextDecoder().decode(entry.value)).pipe(
      Effect.map((value): Held<A> => ({ value, version: entry.version })),
      Effect.mapError((cause) => new ValueMalformed({ key, cause }))
    )
  const optionally = (key: string, entry: Option.Option<{ readonly value: Uint8Array; readonly version: bigint }>) =>
    Option.match(entry, {
      onNone: () => Effect.succeed(Option.none<Held<A>>()),
      onSome: (it) => Effect.asSome(held(key, it))
    })
  return {
    get: (key) => Effect.flatMap(engine.get(key), (entry) => optionally(key, entry)),
    put: (key, value, options) => Effect.flatMap(encode(value), (bytes) => engine.put(key, bytes, options)),
    compareAndSet: (key, expected, value) =>
      Effect.flatMap(encode(value), (bytes) => engine.compareAndSet(key, expected, bytes)),
    list: (prefix) =>
      engine.list(prefix).pipe(
        Effect.flatMap(Effect.forEach((entry) => Effect.map(held(entry.key, entry), (it) => [entry.key, it] as const))),
        Effect.map((entries) => new Map(entries))
      ),
    subscribe: (key) => Stream.mapEffect(engine.subscribe(key), (entry) => optionally(key, entry))
  }
}
