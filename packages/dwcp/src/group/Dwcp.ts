/**
 * DWCP v3 as one thing: six subsystems under a supervisor, links to peers over which messages go, a mode that follows what is
 * measured, and a rollout that is taken back when v3 is worse than v1.
 *
 * **Details**
 *
 * Nodes that speak v1 are spoken to in v1. When AMST, ASS or ACP cannot be had, this node goes back to v1 towards all: one
 * stream to each peer, zstd-3, placement in turn, state of its own. Nothing that was sent is lost by any of these changes:
 * what was on its way goes again over what is opened then, and counts once.
 *
 * **Example** (a message to another node)
 *
 * ```ts
 * const dwcp = yield* Dwcp
 * yield* dwcp.send({ host: "10.0.0.2", port: 9093 }, bytes, { channel: "images" })
 * const { from, bytes } = yield* dwcp.take("images") // there
 * ```
 */
import { Context, type Effect, type Stream } from "effect"
import type * as Amst from "../amst/Amst.ts"
import type { FileUnavailable } from "../amst/Failures.ts"
import type { Engine } from "../ass/StateSync.ts"
import type * as Detector from "../mode/Detector.ts"
import type { Peer } from "./Dial.ts"
import type * as Door from "./Door.ts"
import type { SendError, SubsystemDown } from "./Failures.ts"
import type * as Features from "./Features.ts"
import type * as Gates from "./Gates.ts"
import type * as Inbox from "./Inbox.ts"
import type * as Links from "./Links.ts"
import type * as NodeMode from "./NodeMode.ts"
import type * as Placing from "./Placing.ts"
import type * as Rollout from "./Rollout.ts"
import type * as Subsystem from "./Subsystem.ts"

/** What happened, in order; the log says the same. */
export type Event =
  | {
      readonly _tag: "SubsystemRestarting"
      readonly atMillis: number
      readonly subsystem: string
      readonly because: string
    }
  | { readonly _tag: "WentBackToV1"; readonly atMillis: number; readonly because: string }
  | {
      readonly _tag: "LinkModeChanged"
      readonly atMillis: number
      readonly peer: string
      readonly from: Detector.Mode
      readonly to: Detector.Mode
    }
  | {
      readonly _tag: "SubsystemChanged"
      readonly atMillis: number
      readonly subsystem: Subsystem.Name
      readonly to: Detector.Mode
      readonly ok: boolean
    }
  | {
      readonly _tag: "ModeChanged"
      readonly atMillis: number
      readonly from: Detector.Mode
      readonly to: Detector.Mode
      readonly because: string
    }
  | { readonly _tag: "GateAlert"; readonly atMillis: number; readonly because: string }
  | {
      readonly _tag: "RolledBack"
      readonly atMillis: number
      readonly features: ReadonlyArray<Features.Feature>
      readonly because: string
    }
  | {
      readonly _tag: "RolloutChanged"
      readonly atMillis: number
      readonly features: ReadonlyArray<Features.Feature>
      readonly because: string
    }
  | { readonly _tag: "MessageUnreadable"; readonly atMillis: number; readonly from: string; readonly channel: string }

export interface RolloutStatus extends Omit<Rollout.Decision, "features"> {
  readonly features: ReadonlyArray<Features.Feature>
  readonly percentage: number
  readonly killed: boolean
  readonly holds: ReadonlyArray<Rollout.Hold>
  readonly findings: ReadonlyArray<Gates.Finding>
}

export interface Status {
  /** What this node speaks to peers that can. */
  readonly speaks: "v1" | "v3"
  readonly state: "up" | "degraded" | "down"
  /** Why it is degraded or down. */
  readonly because: string | undefined
  readonly listening: { readonly host: string; readonly port: number }
  readonly mode: Detector.Mode
  readonly modeShares: NodeMode.State["shares"]
  readonly rdma: ReadonlyArray<string>
  readonly subsystems: ReadonlyArray<Subsystem.Status>
  readonly links: ReadonlyArray<Links.View>
  readonly door: Door.Counters
  readonly rollout: RolloutStatus
}

export class Dwcp extends Context.Service<
  Dwcp,
  {
    /** Where this node is sent to. */
    readonly address: Effect.Effect<{ readonly host: string; readonly port: number }>
    /** Done when the peer has it; once, whatever happens to links meanwhile. */
    readonly send: (
      peer: Peer,
      content: Uint8Array,
      options?: Links.SendOptions
    ) => Effect.Effect<Links.Delivery, SendError>
    /** A file, which continues where it was when it is sent again. Only to peers of v3. */
    readonly sendFile: (
      peer: Peer,
      path: string,
      options?: { readonly name?: string }
    ) => Effect.Effect<Amst.Receipt, SendError | FileUnavailable>
    /** The next message for a channel. */
    readonly take: (channel: string) => Effect.Effect<Inbox.Incoming>
    /** The next file that has arrived whole. */
    readonly takeFile: Effect.Effect<Door.IncomingFile>
    /** Runs with the state that nodes share, as it is kept now. */
    readonly state: <A, E, R>(go: (engine: Engine) => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
    /** Runs with what places tasks now. */
    readonly placing: <A, E, R>(go: (placing: Placing.Placing) => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
    readonly status: Effect.Effect<Status>
    /** What happens from now on; the last 256 for one who is slow. */
    readonly events: Stream.Stream<Event>
    /** A mode that nothing changes, or `auto`: then it follows what is measured again. */
    readonly setMode: (mode: Detector.Mode | "auto") => Effect.Effect<void>
    /** Changes the switches while the node runs. */
    readonly setRollout: (
      change: Partial<Pick<Rollout.Switches, "percentage" | "killed" | "enabled">>
    ) => Effect.Effect<RolloutStatus>
    /** Gives features back that the gates took. */
    readonly release: Effect.Effect<RolloutStatus>
    /** Makes a subsystem fail as it would by itself. For drills. */
    readonly drill: (subsystem: Subsystem.Name) => Effect.Effect<void>
    /** Fails when what nothing works without is down. Otherwise says what is well, and what is not so well. */
    readonly check: Effect.Effect<Reading, SubsystemDown>
  }
>()("novacron/dwcp") {}

/** What a probe of a node reads. */
export interface Reading {
  readonly detail: string
  /** Whether some of it does not do what it should; `detail` says what, and why. */
  readonly degraded: boolean
  readonly throughput: number
  readonly errorRate: number
}
