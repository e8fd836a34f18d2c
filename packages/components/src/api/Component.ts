/**
 * The API as a part of the node: it listens while the orchestration still starts, and answers what needs it with 503 until
 * it is up. A port that is taken is tried again, because an instance that is just ending gives it back; so is a server that
 * listens no more when it is probed.
 */
import { hostname } from "node:os"
import { Component, Policy } from "@novacron/boot"
import { Duration, Effect, FileSystem, identity, Option, Tracer } from "effect"
import { Database } from "../database/Database.ts"
import { Orchestration } from "../orchestration/Orchestration.ts"
import { Security } from "../security/Security.ts"
import { Api } from "./Api.ts"
import { type NodeView, withoutBoot } from "./NodeView.ts"
import type { Settings } from "./Settings.ts"

/**
 * How patient a boot is with a port that is taken, and with a server whose probe says no: three attempts, after 1 and 2
 * seconds. Anything else is tried once.
 */
export const patience: Policy.Policy = Policy.perError(Policy.never, {
  ApiPortTaken: Policy.standard,
  Unhealthy: Policy.standard
})

/** What the API has to know besides its settings. */
export interface Surroundings {
  readonly dataDir: string
  /**
   * What it tells of the node; the boot is observed by it. Default, for those who have no boot, or keep it to themselves:
   * what security, the database and the orchestration say when they are asked.
   */
  readonly view?: NodeView
  /** What the node is called where nobody else says it. Default: the name of the machine. */
  readonly nodeId?: string
  /** Of the application. Default: none. */
  readonly version?: string
  /** Keeps the span of each request, in the trace of whoever asks. Default: the tracer of the application. */
  readonly tracer?: Tracer.Tracer
  /** What its code, which is large, is loaded after. Default: nothing. */
  readonly turn?: Effect.Effect<void>
  /** Told where it listens each time it does. Default: nobody is. */
  readonly listening?: (port: number) => void
}

/** The component `api`. `retry` is for tests that cannot wait for seconds. Default: {@link patience}. */
export const component = (
  settings: Settings,
  surroundings: Surroundings,
  options: { readonly retry?: Policy.Policy } = {}
) =>
  Component.make(Api, {
    phase: "service",
    needs: [Security, FileSystem.FileSystem, Component.late(Orchestration), Component.late(Database)],
    severity: "Critical",
    // Time to drain, and a moment to cut off the rest.
    stop: Duration.sum(settings.drainTimeout, Duration.seconds(3)),
    start: Effect.gen(function* () {
      const security = yield* Security
      const orchestration = yield* Component.late(Orchestration)
      const database = yield* Component.late(Database)
      yield* surroundings.turn ?? Effect.void
      const { make } = yield* Effect.promise(() => import("./Server.ts"))
      const { dataDir, listening, nodeId = hostname(), tracer, version = "", view } = surroundings
      const probes = [
        { name: "security", check: security.check },
        { name: "database", check: ifThere(database) },
        { name: "orchestration", check: ifThere(orchestration) }
      ]
      const seen = view ?? withoutBoot({ nodeId, version, probes })
      const api = yield* make({ settings, dataDir, view: seen, security, orchestration, database }).pipe(
        tracer === undefined ? identity : Effect.provideService(Tracer.Tracer, tracer)
      )
      listening?.(api.port)
      return api
    }),
    health: (api) =>
      Effect.gen(function* () {
        yield* api.check
        const { inFlight, sockets } = yield* api.statistics
        return { detail: `listening at ${api.url}, ${inFlight} requests under way, ${sockets} WebSockets` }
      })
  }).pipe(Component.retry(options.retry ?? patience), Component.timeout("15 seconds"))

/** Who is not up yet is not well. */
const ifThere = <E extends { readonly message: string }>(
  part: Effect.Effect<Option.Option<{ readonly check: Effect.Effect<unknown, E> }>>
): Effect.Effect<unknown, { readonly message: string }> =>
  Effect.flatMap(part, (it): Effect.Effect<unknown, { readonly message: string }> =>
    Option.isSome(it) ? it.value.check : Effect.fail(new Error("it is not up yet"))
  )
