/**
 * How large a machine is, in one word, and how many components it may start at a time. Pure.
 *
 * | | cores | memory | disk | bandwidth |
 * |---|---|---|---|---|
 * | minimum | 4 | 8 GB | 100 GB | 1 Gbit/s |
 * | recommended | 8 | 16 GB | 500 GB | 10 Gbit/s |
 * | enterprise | 32 | 64 GB | 2 TB | 100 Gbit/s |
 */

/** A machine, as far as it is known. */
export interface Machine {
  /** May be a fraction: a control group can grant one and a half. */
  readonly cores?: number | undefined
  readonly memoryBytes?: number | undefined
  readonly diskBytes?: number | undefined
  readonly linkMbps?: number | undefined
}

/** `small` is below the minimum. */
export type Tier = "small" | "minimum" | "recommended" | "enterprise"

const GB = 1e9

/** What a machine of a tier has at least. */
export const tiers: ReadonlyArray<{ readonly tier: Tier } & { readonly [K in keyof Machine]-?: number }> = [
  { tier: "enterprise", cores: 32, memoryBytes: 64 * GB, diskBytes: 2_000 * GB, linkMbps: 100_000 },
  { tier: "recommended", cores: 8, memoryBytes: 16 * GB, diskBytes: 500 * GB, linkMbps: 10_000 },
  { tier: "minimum", cores: 4, memoryBytes: 8 * GB, diskBytes: 100 * GB, linkMbps: 1_000 }
]

/** The highest tier whose demands the machine meets. What is unknown is not held against it, unless everything is. */
export const of = (machine: Machine): Tier => {
  const isKnown = Object.values(machine).some((value) => value !== undefined)
  if (!isKnown) return "small"
  const meets = (has: number | undefined, wanted: number) => has === undefined || has >= wanted
  const highest = tiers.find(
    (wanted) =>
      meets(machine.cores, wanted.cores) &&
      meets(machine.memoryBytes, wanted.memoryBytes) &&
      meets(machine.diskBytes, wanted.diskBytes) &&
      meets(machine.linkMbps, wanted.linkMbps)
  )
  return highest?.tier ?? "small"
}

/** How the boot goes about it. */
export type Strategy = "aggressive" | "balanced" | "conservative"

/** A large machine in a data centre may do much at a time; on the internet everything waits for the network anyway. */
export const strategy = (environment: string, tier: Tier): Strategy => {
  if (environment === "internet") return "conservative"
  const isLarge = tier === "recommended" || tier === "enterprise"
  return environment === "datacenter" && isLarge ? "aggressive" : "balanced"
}

/** How many components start at a time under a strategy, before the settings cap it. */
export const slots: { readonly [S in Strategy]: number } = { aggressive: 16, balanced: 8, conservative: 4 }
