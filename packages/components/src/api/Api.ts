/** What the rest of the node knows of its API. */
import { Context, type Effect } from "effect"
import type { ApiClosed } from "./Ports.ts"

/** How busy it is. */
export interface Statistics {
  /** Requests that have not been answered. */
  readonly inFlight: number
  /** WebSockets that are open. */
  readonly sockets: number
  /** Those who are told what happens, over whatever. */
  readonly readers: number
}

/** REST, WebSocket and gRPC, listening. */
export class Api extends Context.Service<
  Api,
  {
    /** `https://127.0.0.1:8443` */
    readonly url: string
    readonly port: number
    /** `undefined` when gRPC is off. */
    readonly grpcPort: number | undefined
    readonly statistics: Effect.Effect<Statistics>
    /** Whether it still listens. */
    readonly check: Effect.Effect<void, ApiClosed>
  }
>()("novacron/api") {}
