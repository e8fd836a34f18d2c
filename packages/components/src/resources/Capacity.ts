/**
 * What a node will need when it is busy, estimated from its settings, and whether the machine has it. Pure.
 *
 * **Details**
 *
 * Estimates are upper ends of what was seen, not limits: a connection that idles needs less, a burst more. They are here
 * so that ten thousand connections on a machine with a thousand descriptors are found at the start and not at the peak.
 */

/** What the settings of the parts allow at the same time. Whatever a node does not have is 0. */
export interface Plans {
  /** Connections of clients and peers, with TLS. */
  readonly connections: number
  readonly databasePool: number
  readonly cachePool: number
  /** Transport streams of all peers together. */
  readonly streams: number
  /** Of one stream, both directions. */
  readonly streamBufferBytes: number
  /** Of the cache in memory. */
  readonly cacheBytes: number
  /** Whether the database runs on this machine and its memory counts. */
  readonly hasOwnDatabase: boolean
}

/** A node that plans nothing. */
export const nothing: Plans = {
  connections: 0,
  databasePool: 0,
  cachePool: 0,
  streams: 0,
  streamBufferBytes: 0,
  cacheBytes: 0,
  hasOwnDatabase: false
}

/** What plans come to. */
export interface Demand {
  readonly memoryBytes: number
  readonly sockets: number
  /** Sockets, and the files and pipes of the process. */
  readonly descriptors: number
}

/** What there is. What is unknown is not there. */
export interface Available {
  readonly memoryBytes?: number | undefined
  readonly descriptors?: number | undefined
}

const MiB = 1024 * 1024

/** What each thing takes: measured, and rounded up. */
export const costs = {
  /** The process with all its code, idle. */
  memoryOfProcess: 200 * MiB,
  /** Files, pipes, timers, watchers, and the listeners of all its ports. */
  descriptorsOfProcess: 256,
  /** The buffers and the TLS session of a connection. */
  memoryOfConnection: 96 * 1024,
  memoryOfPooled: MiB,
  /** A line that waits to be written, a span that waits to be sent. */
  memoryOfLine: 1_024,
  /** Its shared memory; and each of its processes. */
  memoryOfDatabase: 160 * MiB,
  memoryOfBackend: 10 * MiB
} as const

/** What a node with these plans needs. */
export const estimate = (plans: Plans): Demand => {
  const { cacheBytes, cachePool, connections, databasePool, hasOwnDatabase, streamBufferBytes, streams } = plans
  const sockets = connections + databasePool + cachePool + streams
  const ofDatabase = hasOwnDatabase ? costs.memoryOfDatabase + databasePool * costs.memoryOfBackend : 0
  return {
    sockets,
    descriptors: costs.descriptorsOfProcess + sockets,
    memoryBytes:
      costs.memoryOfProcess +
      connections * costs.memoryOfConnection +
      (databasePool + cachePool) * costs.memoryOfPooled +
      streams * (streamBufferBytes + costs.memoryOfConnection) +
      cacheBytes +
      ofDatabase
  }
}

/** Something that there is not enough of. */
export interface Shortfall {
  readonly what: "memory" | "file descriptors"
  readonly wanted: number
  readonly available: number
}

/** What a demand exceeds. What is unknown is not exceeded. */
export const shortfalls = (demand: Demand, available: Available): ReadonlyArray<Shortfall> => {
  const exceeds = (what: Shortfall["what"], wanted: number, available: number | undefined) =>
    available !== undefined && wanted > available ? [{ what, wanted, available }] : []
  return [
    ...exceeds("memory", demand.memoryBytes, available.memoryBytes),
    ...exceeds("file descriptors", demand.descriptors, available.descriptors)
  ]
}
