/**
 * What a node offers to tasks: what its settings say, else what its machine gives it, which in a container is what its
 * control group lets it have.
 */
import { Effect } from "effect"
import { Host } from "../environment/Host.ts"
import * as Cgroup from "../resources/Cgroup.ts"
import type { Settings } from "./Settings.ts"

export interface Offer {
  /** Cores. */
  readonly cpu: number
  /** MiB. */
  readonly memory: number
}

const MiB = 1024 * 1024

/** Looks at the machine for what the settings leave open. */
export const make = Effect.fn("Offer.make")(function* ({
  cpu,
  memory
}: Settings["capacity"]): Effect.fn.Return<Offer, never, Host> {
  const host = yield* Host
  const { cores, limits, total } = yield* Effect.all({ cores: host.cores, total: host.memory, limits: Cgroup.limits })
  const bytes = memory === undefined ? Math.min(total, limits.memoryBytes ?? Infinity) : Number(memory)
  return { cpu: cpu ?? Math.min(cores, limits.cores ?? Infinity), memory: bytes / MiB }
})
