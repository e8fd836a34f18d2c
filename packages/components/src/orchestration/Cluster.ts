/**
 * The cluster of nodes, by `effect/cluster`: who is there, and on which one of them a singleton runs.
 *
 * **Details**
 *
 * Alone, a node is a single runner that holds everything. In a cluster each node is a runner with a socket, known to the
 * others through PostgreSQL, and a shard belongs to whoever holds its advisory lock there. Runners speak TLS with
 * certificates of the node's authority on both ends, and one that was revoked is hung up on.
 *
 * **Gotchas**
 *
 * `ShardingConfig.layerFromEnv` would read variables of the process such as HOST and PORT: settings come from here alone.
 */
import { createSecureContext, type TlsOptions, TLSSocket } from "node:tls"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { Duration, Effect, Layer, Logger, Option, Ref, Stream } from "effect"
import {
  type MessageStorage,
  RunnerAddress,
  RunnerHealth,
  Runners,
  RunnerStorage,
  Sharding,
  ShardingConfig,
  SocketRunner,
  SqlMessageStorage,
  SqlRunnerStorage
} from "effect/cluster"
import { RpcClient, RpcSerialization } from "effect/rpc"
import { Socket, SocketServer } from "effect/socket"
import { SqlClient } from "effect/sql"
import type { PgClient } from "@effect/sql-pg"
import * as Conversation from "../network/Conversation.ts"
import type { Security } from "../security/Security.ts"
import type { Settings } from "./Settings.ts"

/** What its tables are called. */
const prefix = "novacron_cluster"

/** Few singletons live here, and no entities: each shard is a lock that somebody has to hold. */
const shardsPerGroup = 16

/** Sharding, as the settings want it. */
export const layer = (
  settings: Settings["cluster"],
  sql: PgClient.PgClient,
  security: Security["Service"]
): Layer.Layer<Sharding.Sharding, SocketServer.SocketServerError> => {
  const database = Layer.succeed(SqlClient.SqlClient, sql)
  const storage = SqlMessageStorage.layerWith({ prefix }).pipe(Layer.provide([database, NodeCrypto.layerDigest]))
  const runner = settings.enabled ? together(settings, database, storage, security) : alone(storage)
  return Layer.provide(runner, patient)
}

/**
 * Each warning of the library once in a while: it has the same one, with its stack, for each of its rounds while the database
 * is away. When that begins it says with an error, and when it ends with a line of its own.
 */
const patient = Layer.effect(
  Logger.CurrentLoggers,
  Effect.map(Effect.service(Logger.CurrentLoggers), (loggers) => new Set([...loggers].map(rarely)))
)

/** As long as the library itself lets pass between two of those that it does hold back. */
const pauseMs = 30_000

const rarely = (logger: Logger.Logger<unknown, unknown>): Logger.Logger<unknown, void> => {
  const saidMs = new Map<string, number>()
  return Logger.make((call) => {
    if (call.logLevel === "Warn") {
      const text = String(Array.isArray(call.message) ? call.message[0] : call.message)
      const nowMs = call.date.getTime()
      if (nowMs - (saidMs.get(text) ?? -Infinity) < pauseMs) return
      if (saidMs.size >= 100) saidMs.clear() // they have names in them, perhaps
      saidMs.set(text, nowMs)
    }
    logger.log(call)
  })
}

const alone = (storage: Layer.Layer<MessageStorage.MessageStorage, never, ShardingConfig.ShardingConfig>) =>
  Sharding.layer.pipe(
    Layer.provide(Runners.layerNoop),
    Layer.provide(storage),
    Layer.provide([RunnerStorage.layerMemory, RunnerHealth.layerNoop]),
    Layer.provide(ShardingConfig.layer({ shardsPerGroup, simulateRemoteSerialization: false }))
  )

const together = (
  settings: Settings["cluster"],
  database: Layer.Layer<SqlClient.SqlClient>,
  storage: Layer.Layer<MessageStorage.MessageStorage, never, ShardingConfig.ShardingConfig>,
  security: Security["Service"]
) => {
  const { advertise, listenAddress, lockExpiration, lockRefresh, port } = settings
  const config = ShardingConfig.layer({
    runnerAddress: Option.some(RunnerAddress.make(advertise ?? listenAddress, port)),
    runnerListenAddress: Option.some(RunnerAddress.make(listenAddress, port)),
    shardsPerGroup,
    shardLockRefreshInterval: lockRefresh,
    shardLockExpiration: lockExpiration,
    refreshAssignmentsInterval: Duration.divideUnsafe(lockRefresh, 2),
    runnerHealthCheckInterval: lockExpiration,
    simulateRemoteSerialization: false
  })
  const dialling = clientProtocol(settings, security)
  const health = RunnerHealth.layerPing.pipe(Layer.provide(Runners.layerRpc), Layer.provide(dialling))
  return SocketRunner.layer.pipe(
    Layer.provide([listening(settings, security), dialling]),
    Layer.provide(health),
    Layer.provide(storage),
    Layer.provide(Layer.orDie(SqlRunnerStorage.layerWith({ prefix })).pipe(Layer.provide(database))),
    Layer.provide(config),
    Layer.provide(RpcSerialization.layerSchemaBinary({ maxFrameSize: 1024 * 1024 }))
  )
}

/** As the library dials other runners, with TLS. */
const clientProtocol = ({ serverName }: Settings["cluster"], security: Security["Service"]) =>
  Layer.effect(
    Runners.RpcClientProtocol,
    Effect.gen(function* () {
      const serialization = yield* RpcSerialization.RpcSerialization
      return {
        codecFor: serialization.codecFor,
        make: Effect.fnUntraced(function* (address: RunnerAddress.RunnerAddress) {
          const tls = yield* security.clientTls(serverName ?? address.host)
          const { host, port } = address
          const socket = yield* NodeSocket.makeTls({ ...tls, host, port, openTimeout: "1 second" })
          return yield* RpcClient.makeProtocolSocket().pipe(
            Effect.provideService(Socket.Socket, socket),
            Effect.provideService(RpcSerialization.RpcSerialization, serialization)
          )
        }, Effect.orDie)
      }
    })
  )

/** As the library listens, with TLS. A certificate that was renewed serves from the next connection on. */
const listening = ({ listenAddress, port }: Settings["cluster"], security: Security["Service"]) =>
  Layer.effect(
    SocketServer.SocketServer,
    Effect.gen(function* () {
      const first = yield* security.serverTls()
      const current = yield* Ref.make<TlsOptions>(first)
      yield* security.renewals.pipe(
        Stream.runForEach(() => Effect.flatMap(security.serverTls(), (next) => Ref.set(current, next))),
        Effect.forkScoped
      )
      const server = yield* NodeSocketServer.makeTls({
        ...first,
        host: listenAddress,
        port,
        SNICallback: (_name, answer) => answer(null, createSecureContext(Ref.getUnsafe(current)))
      })
      return SocketServer.SocketServer.of({
        address: server.address,
        run: (handler) =>
          server.run((socket) =>
            Effect.flatMap(isWelcome(security), (welcome) => (welcome ? handler(socket) : Effect.void))
          )
      })
    })
  )

/** Whether security knows who has connected: TLS has looked at the authority alone. Who is not welcome is hung up on. */
const isWelcome = (security: Security["Service"]): Effect.Effect<boolean> =>
  Effect.flatMap(Effect.serviceOption(NodeSocket.NetSocket), (found) => {
    const socket = Option.getOrUndefined(found)
    if (!(socket instanceof TLSSocket)) return Effect.succeed(false)
    return Effect.match(Conversation.peerOf(security, socket), {
      onFailure: () => {
        socket.destroy()
        return false
      },
      onSuccess: () => true
    })
  })
