/**
 * The servers of the figures of `rest.ts`, each in a process of its own: `node restServers.ts api|bare|bareGrpc DATA_DIR`.
 * Says where it listens, and answers what it is asked, over the channel to its parent.
 *
 * **Details**
 *
 * `api` is the API as the node has it: TLS, tokens, roles, limits, request ids, and a tracer that makes a span of each
 * request. `bare` is the same contract with the same handlers on Effect's HttpApi over TLS, and nobody at the door.
 * `bareGrpc` is grpc-js over TLS with the same message. Tasks are in memory: what is measured is the API.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { createServer } from "node:https"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { NodeHttpServer, NodeServices } from "@effect/platform-node"
import { Contract, type Tasks } from "@novacron/api"
import { Component } from "@novacron/boot"
import { Api, Database, Orchestration, Security } from "@novacron/components"
import { Effect, Exit, Layer, Option, PubSub, Schema, Stream, Tracer } from "effect"
import { FetchHttpClient, HttpRouter } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"

const components = join(import.meta.dirname, "../../../packages/components")

/** What the parent may ask. */
export type Question = "cpu" | "change"

/** A token that the servers of a data directory know. */
export const token = "a-token-that-is-only-for-benchmarks"

const at = "2026-11-22T21:00:00.000Z"

/** A task as it usually is: it was placed, and has been tried once. */
const task: Tasks.Task = {
  id: "0190a5b0-7e2c-7a3e-9d51-6f0f6b1c2d3e",
  name: "nightly-report",
  group: "reports",
  state: "running",
  version: 4,
  submission: {
    name: "nightly-report",
    group: "reports",
    run: { driver: "process", command: ["/usr/bin/report", "--day", "yesterday"], env: { TZ: "UTC" } },
    demand: { cpu: 1, memory: 512 },
    attempts: 3,
    timeoutMs: 600_000
  },
  submittedBy: "bench",
  createdAt: at,
  updatedAt: at,
  placement: { node: "node-1", explanation: "most room: 3 of 4 cores, 7680 of 8192 MiB", considered: 3, feasible: 3 },
  attempts: [{ number: 1, node: "node-1", startedAt: at, endedAt: null, exitCode: null, signal: null, error: null }]
}

const inMemory = Effect.map(PubSub.unbounded<Tasks.Task>(), (changed) => {
  const service: Orchestration.Orchestration["Service"] = {
    submit: () => Effect.succeed(task),
    get: (id) => (id === task.id ? Effect.succeed(task) : Effect.fail(new Orchestration.NoSuchTask({ task: id }))),
    list: () => Effect.succeed({ tasks: [task], next: Option.none() }),
    cancel: () => Effect.succeed(task),
    output: () => Stream.empty,
    changes: Stream.fromPubSub(changed),
    nodes: Effect.succeed([]),
    check: Effect.succeed("in memory")
  }
  return { changed, service }
})

const settings = Schema.decodeUnknownSync(Api.Settings)({
  port: 0,
  grpc: { port: 0 },
  rate: { perMinute: 1_000_000_000, burst: 1_000_000_000 },
  sockets: { max: 20_000 },
  tokens: { store: "file" }
})

const security = (dataDir: string) =>
  Security.component(
    Schema.decodeUnknownSync(Security.Settings)({
      authentication: { method: "token", tokens: { bench: { token, roles: ["admin"] } } }
    }),
    { dataDir, nodeId: "node-1", environment: {} }
  ).layer

/** Makes a span of each request, with all that it is told, and throws it away. */
const tracer = Tracer.make({ span: (options) => new Tracer.NativeSpan(options) })

const told = (message: object): void => void process.send?.(message)

const answered = (change: () => void): void => {
  process.on("message", (question: Question) => {
    if (question === "cpu") {
      const { system, user } = process.cpuUsage()
      told({ cpuMicros: user + system })
    } else change()
  })
}

const api = (dataDir: string) =>
  Effect.gen(function* () {
    const { changed, service } = yield* inMemory
    const { grpcPort, port } = yield* Api.Api
    answered(() => {
      const ns = process.hrtime.bigint().toString()
      const next = { ...task, name: ns }
      PubSub.publishUnsafe(changed, next)
    })
    told({ port, grpcPort })
    return yield* Effect.never.pipe(Effect.ensuring(Effect.succeed(service)))
  }).pipe(
    Effect.provide(apiLayer(dataDir)),
    Effect.provideService(Tracer.Tracer, tracer)
  )
