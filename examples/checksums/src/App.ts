/** The application: its own HTTP beside that of the node, one on top of the other's services. */
import { createServer } from "node:http"
import { NodeHttpServer } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { HttpRouter } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Checksums, jobs } from "./Checksums.ts"
import { Contract } from "./Contract.ts"

const handlers = HttpApiBuilder.group(Contract, "checksums", (handlers) =>
  handlers.handleAll({
    request: ({ payload }) => Effect.flatMap(Checksums, ({ request }) => request(payload.path)),
    find: ({ params }) => Effect.flatMap(Checksums, ({ find }) => find(params.id))
  })
)

/** On this machine alone; port 0 lets the system choose. */
export const layer = (port: number) =>
  HttpRouter.serve(HttpApiBuilder.layer(Contract).pipe(Layer.provide(handlers)), { disableLogger: true }).pipe(
    Layer.merge(jobs.layer),
    Layer.provide(Checksums.layer),
    Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port }))
  )
