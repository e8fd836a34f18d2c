/**
 * How orchestration starts: the tables, the runner of the cluster, the coordinator, the agent, and the wait until somebody
 * coordinates. It brings `effect/cluster`, so it is loaded when it is needed and not before.
 */
import { randomUUID } from "node:crypto"
import { Count } from "@novacron/boot/model"
import { Context, Duration, Effect, Layer, Option, Schedule, type Scope } from "effect"
import { Sharding } from "effect/cluster"
import type { SqlError } from "effect/sql"
import { Database } from "../database/Database.ts"
import { saidOf } from "../database/DatabaseError.ts"
import { Host } from "../environment/Host.ts"
import { Security } from "../security/Security.ts"
import * as Agent from "./Agent.ts"
import * as Bulletin from "./Bulletin.ts"
import * as Cluster from "./Cluster.ts"
import * as Coordinator from "./Coordinator.ts"
import { Driver, type Host as Process } from "./Driver.ts"
import * as Drivers from "./Drivers.ts"
import * as Live from "./Live.ts"
import * as NodeTable from "./NodeTable.ts"
import * as Offer from "./Offer.ts"
import type { Orchestration } from "./Orchestration.ts"
import { CannotMeet, NobodyCoordinates, TablesUnusable } from "./OrchestrationError.ts"
import * as OutputTable from "./OutputTable.ts"
import type { Environment } from "./Scheduling.ts"
import type { Settings } from "./Settings.ts"
import * as TaskTable from "./TaskTable.ts"

/** What orchestration has to know besides its settings. */
export interface Facts {
  readonly nodeId: string
  /** The process of the node. */
  readonly host: Process
  readonly environment: Environment
  /** Of the program, for people who look at the nodes. */
  readonly version: string
  /** Where others reach this node as of now, for people. Default: the address of the cluster. */
  readonly address?: () => string
}

/** Ends with what others ask, when some node coordinates; fails when none does within that time. */
export const start = (settings: Settings, facts: Facts, coordinatorWithin: Duration.Duration) =>
  Effect.gen(function* () {
    const database = yield* Database
    const security = yield* Security
    const { sql } = database
    const [tasks, nodes, outputs] = [TaskTable.make(sql), NodeTable.make(sql), OutputTable.make(sql)]
    // A passed check also closes the breaker of the database.
    const revive = Effect.ignore(Effect.timeout(database.check, "1 second"))
    const bulletin = yield* Bulletin.make(sql)

    const { listenAddress, port } = settings.cluster
    const sharding = yield* Layer.build(Cluster.layer(settings.cluster, sql, security)).pipe(
      Effect.mapError(({ reason }) => new CannotMeet({ host: listenAddress, port, cause: reason.cause }))
    )
    yield* Context.get(sharding, Sharding.Sharding).registerSingleton(
      "novacron/coordinator",
      Coordinator.run({
        node: facts.nodeId,
        environment: facts.environment,
        settings,
        tasks,
        nodes,
        bulletin,
        revive
      })
    )

    const driver = Context.get(yield* Layer.build(Drivers.layer(settings, facts.nodeId, facts.host)), Driver)
    const offer = yield* Effect.provide(Offer.make(settings.capacity), Host.layer)
    const { advertise } = settings.cluster
    const address = facts.address ?? (() => `${advertise ?? listenAddress}:${port}`)
    const node = announced(settings, facts, address(), offer, driver.labels)
    const agent = yield* named(Agent.make({ node, address, settings, tasks, nodes, outputs, bulletin, driver, revive }))
    const { limits } = driver
    const live = yield* Live.make({ node: node.id, settings, tasks, nodes, outputs, bulletin, agent, limits, revive })
    yield* named(nodes.coordinator(Duration.toMillis(settings.deadAfter))).pipe(
      Effect.repeat({ schedule: Schedule.spaced("20 millis"), until: Option.isSome }),
      Effect.timeoutOrElse({
        duration: coordinatorWithin,
        orElse: () => Effect.fail(new NobodyCoordinates({ seconds: Duration.toSeconds(coordinatorWithin) }))
      })
    )
    const memory = `${Math.round(node.memory)} MiB`
    yield* Effect.logInfo(
      `Node ${node.id} takes ${Count.of(node.slots, "task")}, ${Count.of(node.cpu, "core")}, ${memory}. ${limits}`
    )
    return live
  }) satisfies Effect.Effect<
    Orchestration["Service"],
    CannotMeet | NobodyCoordinates | TablesUnusable,
    Database | Security | Scope.Scope
  >

const announced = (
  settings: Settings,
  { environment, nodeId, version }: Facts,
  address: string,
  offer: Offer.Offer,
  labels: { readonly [name: string]: string }
): NodeTable.Announced => ({
  id: nodeId,
  incarnation: randomUUID(),
  address,
  environment,
  version,
  region: settings.region,
  labels: { ...settings.labels, ...labels },
  ...offer,
  slots: settings.maxConcurrent
})

const named = Effect.mapError((cause: SqlError.SqlError) => new TablesUnusable({ problem: saidOf(cause), cause }))
