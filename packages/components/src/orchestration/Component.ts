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
import type { Host } from "./Driver.ts"
import { Orchestration } from "./Orchestration.ts"
import type { Environment } from "./Scheduling.ts"
import type { Settings } from "./Settings.ts"

/** What orchestration has to know besides its settings. */
export interface Facts {
  readonly nodeId: string
  /** The process of the node. */
  readonly host: Host
  readonly environment: Environment
  /** Of the program, for people who look at the nodes. */
  readonly version: string
  /** Where others reach this node, for people. Default: the address of the cluster. */
  readonly address?: string
}

/** The component `orchestration`. Only a coordinator that is not there yet is worth another attempt. */
export const component = (settings: Settings, facts: Facts) =>
  Component.make(Orchestration, {
    name: "orchestration",
    phase: "service",
    needs: [Database, Security],
    severity: "Critical",
    start: Effect.flatMap(Effect.promise(load), ({ start }) => start(settings, facts)),
    health: ({ check }) => Effect.map(check, (detail) => ({ detail })),
    stop: Duration.sum(settings.drainTimeout, Duration.seconds(10))
  }).pipe(
    Component.retry(
      Policy.perError(Policy.never, { NobodyCoordinates: Policy.standard, TablesUnusable: Policy.standard })
    ),
    Component.timeout(Duration.sum(coordinatorWithin, Duration.seconds(10)))
  )

/** Its code, which is large. Whoever boots it may load it while the database starts, and need not wait for it then. */
export const load = () => import("./Start.ts")

/** How long a node waits at its start until one coordinates. */
export const coordinatorWithin = Duration.seconds(20)
