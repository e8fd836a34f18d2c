/**
 * Orchestration as a part of the node: critical, in the phase of services, after the database and security.
 *
 * **Details**
 *
 * When it stops, the agent leaves first ({@link Agent}), while the coordinator of the cluster still places what it gives
 * back; then the node leaves the cluster.
 */
import { Component, Policy } from "@novacron/boot"
import { Duration, Effect } from "effect"
import { Database } from "../database/Database.ts"
import { Security } from "../security/Security.ts"
import { Orchestration } from "./Orchestration.ts"
import { CannotMeet } from "./OrchestrationError.ts"
import type { Settings } from "./Settings.ts"
import type { Facts } from "./Start.ts"

/** How long a node waits at its start until one coordinates. */
const coordinatorWithin = Duration.seconds(20)

/**
 * Three attempts, after 1 and 2 seconds, for a port that is taken, tables that are not to be had, and a coordinator that is
 * not there yet. Anything else is tried once.
 */
export const patience: Policy.Policy = Policy.when(
  Policy.perError(Policy.never, { NobodyCoordinates: Policy.standard, TablesUnusable: Policy.standard }),
  (error) => error instanceof CannotMeet && error.holder !== undefined,
  Policy.standard
)

/** The component `orchestration`. */
export const component = (settings: Settings, facts: Facts) =>
  Component.make(Orchestration, {
    name: "orchestration",
    phase: "service",
    needs: [Database, Security],
    severity: "Critical",
    start: Effect.flatMap(Effect.promise(load), ({ start }) => start(settings, facts, coordinatorWithin)),
    health: ({ check }) => check,
    stop: Duration.sum(settings.drainTimeout, Duration.seconds(10))
  }).pipe(Component.retry(patience), Component.timeout(Duration.sum(coordinatorWithin, Duration.seconds(10))))

/** Its code, which is large. Whoever boots it may load it while the database starts, and need not wait for it then. */
export const load = () => import("./Start.ts")
