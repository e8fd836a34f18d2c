/**
 * Where the bound leaves no room at all, every host must be exactly full; then the few pairs and triples that fill one are
 * looked up by hash and an exact cover of the items is searched, item with the fewest choices first.
 *
 * **Details**
 *
 * The hash is linear, so what is missing beside two items is one subtraction. The search restarts with doubled patience
 * up to a limit, or until it is told to stop; items it cannot cover are left open for others to place.
 */
// `!` after an index: positions come from loops over the same arrays.
import type { Chance } from "./Chance.ts"
import type { Workload } from "./Workload.ts"

/** Steps of the longest restart: what was not found by then is left to other searches. */
const longest = 1 << 15

/** The groups that fill a host, three items each, -1 for none; `undefined` when hosts need not be full or hold more. */
export const groups = (workload: Workload, expired: () => boolean): Int32Array | undefined => {
  const { n, d, cap, size, bound } = workload
  if (n > 3 * bound || n < 3 || n > 4000) return undefined
  const tight: Array<number> = []
  for (let k = 0; k < d; k++) {
    let sum = 0
    for (let i = 0; i < n; i++) sum += size[i * d + k]!
    if (cap[k]! > 0 && sum === bound * cap[k]!) tight.push(k)
  }
  if (tight.length === 0) return undefined
  const hash = new Int32Array(n)
  const multiplier = tight.map((_, t) => Math.imul(0x9e3779b1, 2 * t + 1) ^ Math.imul(t * t + 7, 0x85ebca6b))
  const mix = (value: number, t: number): number => Math.imul(value | 0, multiplier[t]! | 1)
  let full = 0
  for (const [t, k] of tight.entries()) {
    full = (full + mix(cap[k]!, t)) | 0
    for (let i = 0; i < n; i++) hash[i] = (hash[i]! + mix(size[i * d + k]!, t)) | 0
  }
  const bits = 14
  const slot = (h: number): number => Math.imul(h, 0x2c1b3c6d) >>> (32 - bits)
  const head = new Int32Array(1 << bits).fill(-1)
  const next = new Int32Array(n)
  for (let i = 0; i < n; i++) {
    const s = slot(hash[i]!)
    next[i] = head[s]!
    head[s] = i
  }
  const fills = (a: number, b: number, c: number): boolean => {
    for (let k = 0; k < d; k++) {
      const sum = size[a * d + k]! + (b < 0 ? 0 : size[b * d + k]!) + (c < 0 ? 0 : size[c * d + k]!)
      if (sum > cap[k]! || (sum < cap[k]! && tight.includes(k))) return false
    }
    return true
  }
  const found: Array<number> = []
  for (let a = 0; a < n; a++) {
    if ((a & 15) === 0 && expired()) return undefined
    if (hash[a] === full && fills(a, -1, -1)) found.push(a, -1, -1)
    for (let b = a + 1; b < n; b++) {
      const rest = (full - hash[a]! - hash[b]!) | 0
      if (rest === 0 && fills(a, b, -1)) found.push(a, b, -1)
      for (let c = head[slot(rest)]!; c >= 0; c = next[c]!) {
        if (c > b && hash[c] === rest && fills(a, b, c)) found.push(a, b, c)
      }
    }
    if (found.length > 600_000) return undefined
  }
  return Int32Array.from(found)
}

/** Chosen groups that share no item: all items covered if `expired` leaves the time for it, else as many as were found. */
export const cover = (n: number, groups: Int32Array, chance: Chance, expired: () => boolean): ReadonlyArray<number> => {
  const count = groups.length / 3
  const degree = new Int32Array(n)
  for (const item of groups) if (item >= 0) degree[item]!++
  const start = new Int32Array(n + 1)
  for (let i = 0; i < n; i++) start[i + 1] = start[i]! + degree[i]!
  const member = new Int32Array(start[n]!)
  const filled = Int32Array.from(start.subarray(0, n))
  for (let g = 0; g < count; g++) {
    for (let t = 0; t < 3; t++) {
      const item = groups[g * 3 + t]!
      if (item >= 0) member[filled[item]!++] = g
    }
  }
  const alive = new Int32Array(n)
  const dead = new Int32Array(count)
  const covered = new Uint8Array(n)
  let best: ReadonlyArray<number> = []
  let bestItems = 0

  const use = (g: number, by: 1 | -1): void => {
    for (let t = 0; t < 3; t++) {
      const item = groups[g * 3 + t]!
      if (item < 0) continue
      covered[item] = by === 1 ? 1 : 0
      for (let m = start[item]!; m < start[item + 1]!; m++) {
        const other = member[m]!
        const was = dead[other]!
        dead[other] = was + by
        if ((by === 1 && was === 0) || (by === -1 && was === 1)) {
          for (let u = 0; u < 3; u++) {
            const touched = groups[other * 3 + u]!
            if (touched >= 0) alive[touched]! -= by
          }
        }
      }
    }
  }

  for (let patience = 200; !expired() && bestItems < n; patience *= 2) {
    alive.set(degree)
    dead.fill(0)
    covered.fill(0)
    let steps = 0
    let items = 0
    const path: Array<{ readonly choices: Array<number>; chosen: number }> = []
    for (;;) {
      let pick = -1
      let fewest = 1 << 30
      const offset = chance(n)
      for (let q = 0; q < n; q++) {
        const i = q + offset < n ? q + offset : q + offset - n
        if (covered[i] === 0 && alive[i]! < fewest) {
          // An item of no group at all is left open, and stops nothing.
          if (degree[i] === 0) continue
          fewest = alive[i]!
          pick = i
        }
      }
      if (pick < 0 || items > bestItems) {
        if (items > bestItems) {
          bestItems = items
          best = path.map(({ chosen }) => chosen)
        }
        if (pick < 0) break
      }
      if (++steps > patience || ((steps & 31) === 0 && expired())) break
      const choices: Array<number> = []
      for (let m = start[pick]!; m < start[pick + 1]!; m++) if (dead[member[m]!] === 0) choices.push(member[m]!)
      for (let c = choices.length - 1; c > 0; c--) {
        const other = chance(c + 1)
        const kept = choices[c]!
        choices[c] = choices[other]!
        choices[other] = kept
      }
      path.push({ choices, chosen: -1 })
      while (path.length > 0) {
        const top = path[path.length - 1]!
        if (top.chosen >= 0) {
          use(top.chosen, -1)
          items -= sizeOf(groups, top.chosen)
        }
        const chosen = top.choices.pop()
        if (chosen === undefined) {
          path.pop()
          continue
        }
        top.chosen = chosen
        use(chosen, 1)
        items += sizeOf(groups, chosen)
        break
      }
      if (path.length === 0) return best
    }
    if (patience > longest) break
  }
  return best
}

const sizeOf = (groups: Int32Array, g: number): number =>
  1 + (groups[g * 3 + 1]! >= 0 ? 1 : 0) + (groups[g * 3 + 2]! >= 0 ? 1 : 0)
