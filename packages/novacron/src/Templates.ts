/**
 * What a node is set to by where it runs, below the file and above the defaults, and how many of its parts start at the
 * same time.
 */
import { availableParallelism, totalmem } from "node:os"
import { Tier } from "@novacron/components/early"

/**
 * By environment. Written like a file, in the camelCase of the Schema.
 *
 * What follows the mode of each link and not that of the node is no setting, and has no place here: which congestion
 * control is asked for, how hard is compressed, which engine decides.
 */
export const templates = {
  datacenter: {
    system: { shutdownTimeout: "30s", monitorInterval: "2s" },
    resources: { policy: "enforce", wantedBandwidth: 10_000 },
    dwcp: {
      transport: { maxStreams: 512 },
      sync: { gossip: { interval: "100ms", fanout: 3 } }
    },
    health: { host: "0.0.0.0", rampFrom: 50, ramp: "10s" }
  },
  internet: {
    system: { bootTimeout: "60s", shutdownTimeout: "60s", monitorInterval: "15s" },
    resources: { policy: "enforce", wantedBandwidth: 1_000 },
    dwcp: {
      transport: { maxStreams: 256 },
      sync: { gossip: { interval: "5s", fanout: 3 } }
    },
    cache: { commandTimeout: "3s" },
    health: { rampFrom: 10, ramp: "60s" }
  },
  hybrid: {
    system: { bootTimeout: "45s", shutdownTimeout: "45s", monitorInterval: "5s" },
    dwcp: {
      transport: { maxStreams: 512 },
      sync: { budget: "100ms", gossip: { interval: "500ms", fanout: 4 } }
    },
    cache: { commandTimeout: "2s" },
    health: { rampFrom: 25, ramp: "30s" }
  },
  development: {
    health: { rampFrom: 100, ramp: "0s" }
  }
} as const

/** Variables that say where settings come from, and are none. */
export const reserved = [
  "NOVACRON_CONFIG",
  // Of commands that ask a node: it may be in the environment of whoever starts another one.
  "NOVACRON_API_TOKEN",
  "NOVACRON_TEMPLATE",
  "NOVACRON_CONFIG_KEY",
  "NOVACRON_CONFIG_KEY_FILE",
  "NOVACRON_CONFIG_PUBLIC_KEYS",
  "NOVACRON_CONFIG_SIGNATURE",
  "NOVACRON_CONFIG_RULES",
  "NOVACRON_CONFIG_COMPLIANCE"
]

/** What a machine has. */
export interface Machine {
  readonly cores: number
  readonly memoryBytes: number
}

/** The machine that we run on. */
export const machine = (): Machine => ({ cores: availableParallelism(), memoryBytes: totalmem() })

/** How many parts start at the same time: the strategy of the environment and the machine, in a number. */
export const concurrency = (environment: string, machine: Machine): number =>
  Tier.slots[Tier.strategy(environment, Tier.of(machine))]
