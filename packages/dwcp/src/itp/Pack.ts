/**
 * Vector bin packing: the fewest hosts for these items, as good as the time allows.
 *
 * **Details**
 *
 * The first answer takes under a millisecond for hundreds of items; what the budget leaves goes into an exact cover where
 * hosts must be exactly full, restarts, and a search that removes host after host. The answer only gets better with time:
 * every step keeps the best packing so far. Steps depend on the seed alone, the clock only ends them.
 */
import { Result } from "effect"
import * as Chance from "./Chance.ts"
import * as Construct from "./Construct.ts"
import { improve } from "./Improve.ts"
import * as PerfectFit from "./PerfectFit.ts"
import * as Workload from "./Workload.ts"

export type { Packing } from "./Construct.ts"

export interface Options {
  /** Milliseconds from the call on; 0 is the first answer only. */
  readonly budgetMs: number
  /** The milliseconds of a clock that never goes back. */
  readonly now: () => number
  readonly seed?: number
}

export const pack = (
  instance: Workload.Instance,
  options: Options
): Result.Result<Construct.Packing, Workload.BadInstance> =>
  Result.map(Workload.make(instance), (workload) => solve(workload, options))

export const solve = (workload: Workload.Workload, { budgetMs, now, seed = 1 }: Options): Construct.Packing => {
  // A search notices the end a little late.
  const end = now() + budgetMs * 0.98 - 0.2
  const expired = () => now() >= end
  const chance = Chance.make(seed)
  const { n, bound } = workload
  const all = Int32Array.from({ length: n }, (_, i) => i)
  let best: Construct.Packing = { hosts: n, host: Int32Array.from(all) }
  const keep = (candidate: Construct.Packing) => {
    if (candidate.hosts < best.hosts) best = candidate
  }
  let constructMs = 0
  const construct = (taste: Construct.Taste) => {
    const started = now()
    const host = new Int32Array(n)
    let hosts = 0
    // The work is quadratic, so many items are packed slice by slice.
    const slice = n > whole ? whole / 8 : whole
    for (let from = 0; from < n; from += slice) {
      hosts = Construct.fill(workload, all.subarray(from, from + slice), host, hosts, taste, chance)
    }
    keep({ hosts, host })
    constructMs = now() - started
  }
  if (n === 0) return { hosts: 0, host: new Int32Array(0) }
  construct(tastes[0])
  if (best.hosts === bound || expired()) return best
  const full = PerfectFit.groups(workload, expired)
  if (full !== undefined) {
    const chosen = PerfectFit.cover(n, full, chance, expired)
    keep(completed(workload, full, chosen, chance))
  }
  for (const taste of tastes) {
    if (best.hosts === bound || now() + constructMs >= end) return best
    construct(taste)
  }
  return improve(workload, best, chance, expired, keep)
}

/** Up to so many items are packed as one. */
const whole = 8192

const tastes = [
  { power: 1, norm: 0, noise: 0 },
  { power: 0, norm: 0, noise: 0 },
  { power: 1, norm: 0.5, noise: 0 },
  { power: 2, norm: 0, noise: 0 },
  { power: 3, norm: 0, noise: 0 }
] as const

/** The chosen groups a host each, the rest packed behind them. */
const completed = (
  workload: Workload.Workload,
  groups: Int32Array,
  chosen: ReadonlyArray<number>,
  chance: Chance.Chance
): Construct.Packing => {
  const host = new Int32Array(workload.n).fill(-1)
  for (const [b, g] of chosen.entries()) {
    for (const item of groups.subarray(g * 3, g * 3 + 3)) if (item >= 0) host[item] = b
  }
  const open = Int32Array.from({ length: workload.n }, (_, i) => i).filter((i) => host[i] === -1)
  return { hosts: Construct.fill(workload, open, host, chosen.length, tastes[0], chance), host }
}
