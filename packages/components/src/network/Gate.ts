/**
 * Who may come in, before anything is known but an address: lists of networks, and how many there are already.
 */
import * as Cidr from "./Cidr.ts"
import type { Refusal } from "./Network.ts"

export interface Rules {
  readonly allow: ReadonlyArray<Cidr.Network>
  readonly deny: ReadonlyArray<Cidr.Network>
  readonly maxConnections: number
  readonly maxPerAddress: number
}

/** Why an address is refused when so many are inside; undefined when it is not. `deny` is stronger than `allow`. */
export const judge = (
  rules: Rules,
  address: string,
  inside: { readonly all: number; readonly fromAddress: number }
): Refusal | undefined => {
  const isIn = (networks: ReadonlyArray<Cidr.Network>) => networks.some((network) => Cidr.includes(network, address))
  if (isIn(rules.deny) || (rules.allow.length > 0 && !isIn(rules.allow))) return "denied"
  return inside.all >= rules.maxConnections || inside.fromAddress >= rules.maxPerAddress ? "limit" : undefined
}

/** Counts by name, and forgets names that have none. */
export const tally = () => {
  const counts = new Map<string, number>()
  return {
    of: (name: string): number => counts.get(name) ?? 0,
    enter: (name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1),
    leave: (name: string): void => {
      const left = (counts.get(name) ?? 0) - 1
      if (left > 0) counts.set(name, left)
      else counts.delete(name)
    },
    all: (): { readonly [name: string]: number } => Object.fromEntries(counts)
  }
}
