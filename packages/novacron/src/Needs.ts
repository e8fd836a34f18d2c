/**
 * What a node would need if all that its settings allow were there at the same time. Pure: it knows settings, and no
 * machine.
 *
 * **Details**
 *
 * Each thing has two figures. `usual` is each of them there, with nothing waiting in it; `limit` is each of them with all
 * its buffers full as well, which no node has seen and none can exceed. What a boot judges (`resources.policy`) is less:
 * see `Resources.Capacity`. Costs of one thing are those that a boot counts with.
 *
 * **Gotchas**
 *
 * What tasks use is theirs: `orchestration.capacity` bounds what they ask for, and it comes on top.
 */
import { Resources } from "@novacron/components"
import type { Settings } from "./Settings.ts"

/** Something that settings allow, and what it takes. */
export interface Need {
  readonly what: string
  /** How many there may be. */
  readonly count: number
  /** The settings that say so, dotted. */
  readonly settings: ReadonlyArray<string>
  /** In bytes, of all of them. */
  readonly usual: number
  /** In bytes, of all of them. */
  readonly limit: number
  /** Files, pipes and sockets. */
  readonly descriptors: number
  /** In bytes, in the file system of the data directory unless a setting says otherwise. */
  readonly disk: number
}

/** All of it together. */
export interface Sum {
  readonly usual: number
  readonly limit: number
  readonly descriptors: number
  readonly disk: number
}

const { costs } = Resources.Capacity

/** What these settings allow, the process first. */
export const of = (settings: Settings): ReadonlyArray<Need> => {
  const { api, cache, dashboard, database, dwcp, health, logger, monitoring, network, orchestration } = settings
  const { transport } = dwcp
  const hasOwnDatabase = database.url === undefined
  const streams = Math.min(dwcp.maxConnections, dwcp.maxPeers * transport.maxStreams)
  const small = health.maxConnections + monitoring.maxConnections + dashboard.maxConnections
  const links = (count: number, buffers: number) => ({
    count,
    usual: count * costs.memoryOfConnection,
    limit: count * (costs.memoryOfConnection + buffers),
    descriptors: count
  })
  const held = (count: number, each: number) => ({ count, usual: 0, limit: count * each })
  return [
    need("the process", [], {
      usual: costs.memoryOfProcess,
      limit: costs.memoryOfProcess,
      descriptors: costs.descriptorsOfProcess
    }),
    need("connections of peers", ["network.max_connections", "network.max_frame"], {
      // No connection keeps more than two frames.
      ...links(network.maxConnections, 2 * Number(network.maxFrame))
    }),
    need("connections of clients, REST and gRPC", ["api.max_connections", "api.max_body", "api.max_headers"], {
      ...links(2 * api.maxConnections, Number(api.maxBody) + Number(api.maxHeaders))
    }),
    need("what waits for slow WebSockets", ["api.sockets.max", "api.sockets.buffer"], {
      ...held(api.sockets.max, Number(api.sockets.buffer))
    }),
    need(
      "connections to health, metrics, dashboard",
      ["health.max_connections", "monitoring.max_connections", "dashboard.max_connections"],
      links(small, 0)
    ),
    need("streams of DWCP", ["dwcp.max_connections", "dwcp.max_peers", "dwcp.transport.max_streams"], {
      ...links(streams, 0)
    }),
    need("on its way to peers", ["dwcp.max_peers", "dwcp.transport.window"], {
      ...held(dwcp.maxPeers, Number(transport.window))
    }),
    need("come in and not taken yet", ["dwcp.transport.budget"], held(1, Number(transport.budget))),
    need("baselines", ["dwcp.compression.baseline_bytes"], { disk: Number(dwcp.compression.baselineBytes) }),
    need("state that peers tell each other", ["dwcp.sync.gossip.secret", "dwcp.sync.gossip.max_document"], {
      ...held(dwcp.sync.gossip.secret === undefined ? 0 : 1, Number(dwcp.sync.gossip.maxDocument))
    }),
    need("connections to the database", ["database.pool.max"], {
      count: database.pool.max,
      usual: database.pool.max * costs.memoryOfPooled,
      limit: database.pool.max * costs.memoryOfPooled,
      descriptors: database.pool.max
    }),
    need("the database itself", ["database.url", "database.pool.max"], {
      count: hasOwnDatabase ? 1 : 0,
      usual: hasOwnDatabase ? costs.memoryOfDatabase + database.pool.max * costs.memoryOfBackend : 0,
      limit: hasOwnDatabase ? costs.memoryOfDatabase + database.pool.max * costs.memoryOfBackend : 0
    }),
    need("the cache", ["cache.max_memory", "cache.url"], {
      usual: Number(cache.maxMemory),
      limit: Number(cache.maxMemory),
      descriptors: cache.url === undefined ? 0 : 2
    }),
    need("tasks that run", ["orchestration.max_concurrent", "orchestration.process.keep"], {
      // Of both streams; and a pipe for each of the three.
      ...held(orchestration.maxConcurrent, 2 * Number(orchestration.process.keep)),
      descriptors: 3 * orchestration.maxConcurrent
    }),
    need("lines and spans that wait", ["logger.capacity", "logger.recent", "monitoring.traces.capacity"], {
      ...held(logger.capacity + logger.recent + monitoring.traces.capacity, costs.memoryOfLine),
      disk: logger.file === undefined ? 0 : logger.maxFiles * Number(logger.maxSize)
    })
  ]
}

/** What they need together. */
export const sum = (needs: ReadonlyArray<Need>): Sum =>
  needs.reduce(
    (all, { descriptors, disk, limit, usual }) => ({
      usual: all.usual + usual,
      limit: all.limit + limit,
      descriptors: all.descriptors + descriptors,
      disk: all.disk + disk
    }),
    { usual: 0, limit: 0, descriptors: 0, disk: 0 }
  )

const need = (what: string, settings: ReadonlyArray<string>, some: Partial<Need>): Need => ({
  what,
  settings,
  count: 1,
  usual: 0,
  limit: 0,
  descriptors: 0,
  disk: 0,
  ...some
})
