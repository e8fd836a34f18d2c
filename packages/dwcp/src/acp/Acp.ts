/**
 * ACP v3, adaptive congestion prevention: the kernel's congestion control chosen per socket, and what came of the choice.
 *
 * **Example** (one socket)
 *
 * ```ts
 * const acp = yield* Acp
 * const { requested, effective } = yield* acp.apply(socket, "internet")
 * ```
 */
import { Context, Effect, Layer } from "effect"
import type { Environment, Report } from "./Preference.ts"
import * as Preference from "./Preference.ts"
import * as Tcp from "./Tcp.ts"

export class Acp extends Context.Service<
  Acp,
  {
    /** The kernel's side of it, or why there is none. */
    readonly tcp: Tcp.Tcp
    /** Asks for a control by name, or by the list of the environment, and reads back what the socket runs. */
    readonly apply: (socket: object, environment: Environment, congestion?: string) => Effect.Effect<Report>
    /** What the kernel knows of a connection; `undefined` when it cannot be asked. */
    readonly look: (socket: object) => Effect.Effect<Tcp.Sample | undefined>
  }
>()("novacron/dwcp/Acp") {
  static readonly over = (tcp: Tcp.Tcp): typeof Acp.Service =>
    Acp.of({
      tcp,
      apply: Effect.fn("Acp.apply")((socket: object, environment: Environment, congestion = "auto") =>
        Effect.sync(() => Preference.apply(tcp, Tcp.descriptor(socket), Preference.listOf(congestion, environment)))
      ),
      look: (socket) => Effect.sync(() => (tcp._tag === "Available" ? tcp.info(Tcp.descriptor(socket)) : undefined))
    })

  static readonly layer = Layer.sync(Acp, () => Acp.over(Tcp.open()))

  /** As on a machine without the addon or without the rights: everything works, nothing is tuned, and it says so. */
  static readonly layerUntuned = (reason: string) => Layer.succeed(Acp, Acp.over({ _tag: "Unavailable", reason }))
}
