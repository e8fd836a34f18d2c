/** What can go wrong with encoded data, in the words of whoever is on call. */
import { Data, Effect } from "effect"
import { Refused } from "./Refused.ts"

/** The frame is cut, changed, or was never one. Nothing of it is used. */
export class HdeCorrupt extends Data.TaggedError("HdeCorrupt")<{
  readonly reason: string
  readonly cause?: unknown
}> {
  readonly code = "NVC-4201"
  override get message() {
    return `The encoded data cannot be trusted: ${this.reason}. Nothing of it was used. Ask the sender for it again.`
  }
}

/** The frame is a difference to another baseline than the one at hand. */
export class BaselineMismatch extends Data.TaggedError("BaselineMismatch")<{
  /** SHA-256 in hex of the baseline that the frame names. */
  readonly wanted: string
  /** SHA-256 in hex of what was offered, if anything was. */
  readonly offered?: string
}> {
  readonly code = "NVC-4202"
  override get message() {
    const offered = this.offered === undefined ? "none was given" : `the one given is ${this.offered.slice(0, 16)}`
    return (
      `The encoded data is a difference to baseline ${this.wanted.slice(0, 16)}, and ${offered}. ` +
      `Give that baseline, or have it sent in full.`
    )
  }
}

/** The frame declares more than this node accepts. Nothing was allocated for it. */
export class TooLarge extends Data.TaggedError("TooLarge")<{
  readonly what: string
  readonly bytes: number
  readonly limit: number
}> {
  readonly code = "NVC-4203"
  override get message() {
    return (
      `${this.what} of ${this.bytes} bytes is above the limit of ${this.limit}. ` +
      `Nothing was allocated. Raise the limit of dwcp.hde if such sizes are meant.`
    )
  }
}

/** A file, a folder or a thread did not do what it should. */
export class HdeUnavailable extends Data.TaggedError("HdeUnavailable")<{
  readonly what: string
  readonly cause: unknown
}> {
  readonly code = "NVC-4204"
  override get message() {
    return `${this.what}. The transfer it was for has ended; others go on. Look at the cause, then try again.`
  }
}

/** Everything that encoding and decoding may fail with. */
export type HdeError = HdeCorrupt | BaselineMismatch | TooLarge | HdeUnavailable

/** What was refused, as the failure that it is. */
export const failureOf = ({ is }: Refused): HdeCorrupt | TooLarge =>
  is[0] === "HdeCorrupt" ? new HdeCorrupt(is[1]) : new TooLarge(is[1])

/** What a pure reader refuses becomes a failure; anything else it throws is a bug. */
export const reading = <A>(read: () => A): Effect.Effect<A, HdeCorrupt | TooLarge> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(read())
    } catch (error) {
      return error instanceof Refused ? Effect.fail(failureOf(error)) : Effect.die(error)
    }
  })

/** A promise of the system: what is refused as the failure that it is, all else with what it was for. */
export const waiting = <A>(what: string, start: () => Promise<A>): Effect.Effect<A, HdeError> =>
  Effect.tryPromise({
    try: start,
    catch: (cause) => (cause instanceof Refused ? failureOf(cause) : new HdeUnavailable({ what, cause }))
  })
