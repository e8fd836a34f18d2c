/** A server that listens or says why it cannot, in the words of whoever asked; and is closed whatever still talks to it. */
import type * as Http from "node:http"
import { createRequire } from "node:module"
import { Effect } from "effect"

/**
 * `createServer` of `node:http`, asked for when it is needed and in the old way: an import reads everything that the
 * module exports, and with it loads the WebSocket client of Node, which is 25 ms of every boot (Node 24).
 */
export const createServer = (options: Http.ServerOptions, listener: Http.RequestListener): Http.Server => {
  const http: typeof Http = createRequire(import.meta.url)("node:http")
  return http.createServer(options, listener)
}

/** What a server allows whose questions are small and quick: whoever needs longer is not asking. */
export const limits = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
  noDelay: true
}

/** Why an address cannot be listened on. */
export type Obstacle = "taken" | "denied" | "no such address" | "other"

/** Completes when the server listens; interrupted, it is closed again. */
export const listen = <E>(
  server: Http.Server,
  { host, port }: { readonly host: string; readonly port: number },
  failure: (reason: Obstacle, cause: NodeJS.ErrnoException) => E
): Effect.Effect<void, E> =>
  Effect.callback<void, E>((resume) => {
    const failed = (cause: NodeJS.ErrnoException) =>
      resume(Effect.fail(failure(obstacles[cause.code ?? ""] ?? "other", cause)))
    server.once("error", failed)
    server.listen({ host, port, exclusive: true }, () => {
      server.off("error", failed)
      server.on("error", () => undefined)
      resume(Effect.void)
    })
    return close(server)
  })

const obstacles: { readonly [code: string]: Obstacle | undefined } = {
  EADDRINUSE: "taken",
  EACCES: "denied",
  EADDRNOTAVAIL: "no such address",
  ENOTFOUND: "no such address"
}

/** Where it listens, as a part of an address: the system has chosen the port where 0 was asked for. */
export const placeOf = (
  server: Http.Server,
  { host, port }: { readonly host: string; readonly port: number }
): { readonly host: string; readonly port: number } => {
  const address = server.address()
  return {
    host: host.includes(":") ? `[${host}]` : host,
    port: typeof address === "object" && address !== null ? address.port : port
  }
}

/** Takes no more, and cuts off who is still there. */
export const close = (server: Http.Server): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    server.close(() => resume(Effect.void))
    server.closeAllConnections()
  })
