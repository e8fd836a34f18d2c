/** A toy for the guide: a client for a cache server, as a library would bring it. */
import { Data, Effect, Option } from "effect"

export class Refused extends Data.TaggedError("Refused")<{ readonly address: string }> {
  override get message() {
    return `${this.address} refuses connections.`
  }
}

export class BadAddress extends Data.TaggedError("BadAddress")<{ readonly address: string }> {
  override get message() {
    return `"${this.address}" has no port: say host:port.`
  }
}

export interface Connection {
  readonly get: (key: string) => Effect.Effect<Option.Option<string>>
  readonly set: (key: string, value: string) => Effect.Effect<void>
  readonly ping: Effect.Effect<void>
  readonly quit: Effect.Effect<void>
}

export const connect = (address: string): Effect.Effect<Connection, Refused | BadAddress> =>
  Effect.gen(function* () {
    if (!/:\d+$/.test(address)) return yield* new BadAddress({ address })
    yield* Effect.sleep("20 millis")
    const entries = new Map<string, string>()
    return {
      get: (key) => Effect.sync(() => Option.fromUndefinedOr(entries.get(key))),
      set: (key, value) => Effect.sync(() => void entries.set(key, value)),
      ping: Effect.sleep("1 millis"),
      quit: Effect.sleep("1 millis")
    }
  })
