/**
 * One host fewer, again and again: a host is emptied onto a tray, and items are exchanged between tray and hosts until the
 * tray is empty.
 *
 * **Details**
 *
 * A tabu search over partial packings (after Buljubašić and Vasquez, "Consistent neighborhood search for bin packing"): a
 * move puts one or two items of the tray into a host for at most two that leave it, and the best move that is not
 * forbidden is made even when the tray grows heavier. What has just come in may not leave, what has just left may not
 * return, for a while.
 *
 * **Gotchas**
 *
 * What it holds is always feasible. It never returns a worse packing than it was given.
 */
// `!` after an index: positions come from loops over the same arrays.
import type { Chance } from "./Chance.ts"
import * as Construct from "./Construct.ts"
import type { Packing } from "./Construct.ts"
import type { Workload } from "./Workload.ts"

export const improve = (
  workload: Workload,
  start: Packing,
  chance: Chance,
  expired: () => boolean,
  accept: (better: Packing) => void
): Packing => {
  let best = start
  while (best.hosts > workload.bound && !expired()) {
    const found = without(workload, best, chance, expired)
    if (found === undefined) break
    best = found
    accept(best)
  }
  return best
}

/** A packing with one host fewer, or nothing when the time was over first. */
const without = (workload: Workload, from: Packing, chance: Chance, expired: () => boolean): Packing | undefined => {
  const { n, d, cap, size } = workload
  const m = from.hosts - 1
  const weight = itemWeights(workload)
  const host = Int32Array.from(from.host)

  // The lightest host is the one to go; its number is taken by the last.
  const load = new Float64Array(from.hosts)
  for (let i = 0; i < n; i++) load[host[i]!]! += weight[i]!
  let gone = 0
  for (let b = 1; b < from.hosts; b++) if (load[b]! < load[gone]!) gone = b
  const tray: Array<number> = []
  for (let i = 0; i < n; i++) {
    if (host[i] === gone) {
      host[i] = -1
      tray.push(i)
    } else if (host[i] === m) host[i] = gone
  }
  if (m === 0) return undefined

  const rem = new Float64Array(m * d)
  for (let b = 0; b < m; b++) rem.set(cap, b * d)
  const head = new Int32Array(m).fill(-1)
  const next = new Int32Array(n).fill(-1)
  const previous = new Int32Array(n).fill(-1)
  const put = (i: number, b: number): void => {
    host[i] = b
    next[i] = head[b]!
    previous[i] = -1
    if (head[b]! >= 0) previous[head[b]!] = i
    head[b] = i
    for (let k = 0; k < d; k++) rem[b * d + k]! -= size[i * d + k]!
  }
  const take = (i: number): void => {
    const b = host[i]!
    if (previous[i]! >= 0) next[previous[i]!] = next[i]!
    else head[b] = next[i]!
    if (next[i]! >= 0) previous[next[i]!] = previous[i]!
    host[i] = -1
    for (let k = 0; k < d; k++) rem[b * d + k]! += size[i * d + k]!
  }
  for (let i = 0; i < n; i++) if (host[i]! >= 0) put(i, host[i]!)

  const differ = (a: number, b: number): boolean => {
    for (let k = 0; k < d; k++) if (size[a * d + k] !== size[b * d + k]) return true
    return false
  }

  const until = new Int32Array(n)
  // How long what came in must stay; with few items everything would soon be forbidden.
  const rest = Math.min(8, 2 + (n >> 3))
  const spread = Math.min(10, 1 + (n >> 2))
  const room = new Float64Array(d)
  const patience = 100 + 2 * n
  let lightest = Infinity
  let since = 0
  let shaken = false
  let now = 0
  for (;;) {
    // What fits goes in, heaviest first; after a shake in any order, or the same would come of it.
    tray.sort((a, b) => weight[b]! - weight[a]!)
    if (shaken) {
      for (let t = tray.length - 1; t > 0; t--) {
        const other = chance(t + 1)
        const kept = tray[t]!
        tray[t] = tray[other]!
        tray[other] = kept
      }
      shaken = false
    }
    for (let t = 0; t < tray.length; t++) {
      const i = tray[t]!
      const fits: number = firstFit(i, m, d, rem, size, chance)
      if (fits >= 0) {
        put(i, fits)
        tray.splice(t--, 1)
      }
    }
    if (tray.length === 0) return { hosts: m, host }
    if (expired()) return undefined
    now++

    let bestGain = -Infinity
    let ties = 0
    let inA = -1
    let inB = -1
    let outA = -1
    let outB = -1
    const offer = (gain: number, a: number, b: number, x: number, y: number): void => {
      if (gain < bestGain) return
      if (gain > bestGain) ties = 0
      if (chance(++ties) !== 0) return
      bestGain = gain
      inA = a
      inB = b
      outA = x
      outB = y
    }
    const pairs = tray.length <= 12
    for (let b = 0; b < m; b++) {
      for (let x = head[b]!; x >= 0; x = next[x]!) {
        if (until[x]! > now) continue
        for (let k = 0; k < d; k++) room[k] = rem[b * d + k]! + size[x * d + k]!
        for (let t = 0; t < tray.length; t++) {
          const a = tray[t]!
          if (until[a]! > now) continue
          let ok = true
          for (let k = 0; k < d; k++) {
            if (size[a * d + k]! > room[k]!) {
              ok = false
              break
            }
          }
          if (!ok) continue
          // Its like for it would change nothing, and always look good.
          if (weight[a] !== weight[x] || differ(a, x)) offer(weight[a]! - weight[x]!, a, -1, x, -1)
          if (!pairs) continue
          for (let u = t + 1; u < tray.length; u++) {
            const c = tray[u]!
            if (until[c]! > now) continue
            ok = true
            for (let k = 0; k < d; k++) {
              if (size[a * d + k]! + size[c * d + k]! > room[k]!) {
                ok = false
                break
              }
            }
            if (ok) offer(weight[a]! + weight[c]! - weight[x]!, a, c, x, -1)
          }
        }
        for (let y = next[x]!; y >= 0; y = next[y]!) {
          if (until[y]! > now) continue
          const lost = weight[x]! + weight[y]!
          for (let t = 0; t < tray.length; t++) {
            const a = tray[t]!
            if (until[a]! > now || weight[a]! - lost < bestGain) continue
            let ok = true
            for (let k = 0; k < d; k++) {
              if (size[a * d + k]! > room[k]! + size[y * d + k]!) {
                ok = false
                break
              }
            }
            if (ok) offer(weight[a]! - lost, a, -1, x, y)
          }
        }
      }
    }
    let onTray = 0
    for (const i of tray) onTray += weight[i]!
    if (onTray < lightest * (1 - 1e-9)) {
      lightest = onTray
      since = now
    }
    if (inA < 0 || now - since > patience) {
      // Everything is forbidden, or nothing helps: forget, and shake one host out.
      until.fill(0)
      lightest = Infinity
      since = now
      shaken = true
      const b = chance(m)
      while (head[b]! >= 0) {
        tray.push(head[b]!)
        take(head[b]!)
      }
      continue
    }
    const b = host[outA]!
    take(outA)
    if (outB >= 0) take(outB)
    put(inA, b)
    if (inB >= 0) put(inB, b)
    tray.splice(tray.indexOf(inA), 1)
    if (inB >= 0) tray.splice(tray.indexOf(inB), 1)
    tray.push(outA)
    until[outA] = now + 2 + chance(4)
    if (outB >= 0) {
      tray.push(outB)
      until[outB] = now + 2 + chance(4)
    }
    until[inA] = now + rest + chance(spread)
    if (inB >= 0) until[inB] = now + rest + chance(spread)
  }
}

const firstFit = (i: number, m: number, d: number, rem: Float64Array, size: Float64Array, chance: Chance): number => {
  const offset = chance(m)
  scan: for (let q = 0; q < m; q++) {
    const b = q + offset < m ? q + offset : q + offset - m
    for (let k = 0; k < d; k++) if (size[i * d + k]! > rem[b * d + k]!) continue scan
    return b
  }
  return -1
}

const itemWeights = (workload: Workload): Float64Array => {
  const { n, d, cap, size } = workload
  const scarce = Construct.weights(workload, 1)
  const weight = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < d; k++) if (cap[k]! > 0) weight[i]! += (scarce[k]! * size[i * d + k]!) / cap[k]!
  }
  return weight
}
