/**
 * An engine behind a door that looks at what comes in: no engine sees a key or a value that another one would not take.
 */
import { Effect, Stream } from "effect"
import { RequestRefused } from "./Failures.ts"
import type { Engine, Operation } from "./StateSync.ts"

export interface Limits {
  /** Bytes of a value. */
  readonly maxValue: number
}

const maxKeyBytes = 1024
const maxOperations = 128

export const make = (engine: Engine, { maxValue }: Limits): Engine => {
  const refuse = (reason: string) => new RequestRefused({ reason })
  const badPrefix = (prefix: string): string | undefined => {
    if (/\0/.test(prefix)) return "a key with a zero byte in it"
    if (!prefix.isWellFormed()) return "a key that is no text"
    return Buffer.byteLength(prefix) > maxKeyBytes ? `a key of more than ${maxKeyBytes} bytes` : undefined
  }
  const badKey = (key: string): string | undefined => (key === "" ? "a key without a character" : badPrefix(key))
  const badValue = (value: Uint8Array): string | undefined =>
    value.length > maxValue ? `a value of ${value.length} bytes, where ${maxValue} are the most` : undefined
  const badOperation = (operation: Operation): string | undefined =>
    badKey(operation.key) ?? (operation._tag === "Put" ? badValue(operation.value) : undefined)

  const unless = <A, E>(bad: string | undefined, go: () => Effect.Effect<A, E>): Effect.Effect<A, E | RequestRefused> =>
    bad === undefined ? go() : Effect.fail(refuse(bad))
  const unlessStream = <A, E>(bad: string | undefined, go: () => Stream.Stream<A, E>) =>
    bad === undefined ? go() : Stream.fail(refuse(bad))

  return {
    ...engine,
    get: Effect.fn("StateSync.get")((key: string) => unless(badKey(key), () => engine.get(key))),
    list: Effect.fn("StateSync.list")((prefix: string) => unless(badPrefix(prefix), () => engine.list(prefix))),
    put: Effect.fn("StateSync.put")((key: string, value: Uint8Array, how?: { readonly ephemeral?: boolean }) =>
      unless(badKey(key) ?? badValue(value), () => engine.put(key, value, how))
    ),
    delete: Effect.fn("StateSync.delete")((key: string) => unless(badKey(key), () => engine.delete(key))),
    watch: (prefix) => unlessStream(badPrefix(prefix), () => engine.watch(prefix)),
    subscribe: (key) => unlessStream(badKey(key), () => engine.subscribe(key)),
    compareAndSet: (key, expected, value) =>
      unless(badKey(key) ?? badValue(value), () => engine.compareAndSet(key, expected, value)).pipe(
        Effect.withSpan("StateSync.compareAndSet")
      ),
    transaction: (transaction) => {
      const { otherwise = [], perform, when } = transaction
      const written = [perform, otherwise].map((operations) => new Set(operations.map(({ key }) => key)).size)
      const bad =
        when.length > maxOperations || perform.length > maxOperations || otherwise.length > maxOperations
          ? `a transaction of more than ${maxOperations} operations`
          : written[0] !== perform.length || written[1] !== otherwise.length
            ? "a transaction that writes a key twice"
            : [...when.map(({ key }) => badKey(key)), ...[...perform, ...otherwise].map(badOperation)].find(
                (it) => it !== undefined
              )
      return unless(bad, () => engine.transaction(transaction)).pipe(Effect.withSpan("StateSync.transaction"))
    }
  }
}
