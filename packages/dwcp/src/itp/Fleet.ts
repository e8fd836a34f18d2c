/**
 * Tasks and VMs that come and go on hosts of one size: where the next one goes, in about a microsecond.
 *
 * **Details**
 *
 * The rule: the hosts that will probably stay open longest come first, and among them the one with the least free CPU.
 * How long is judged by the ages of all residents, since who has stayed long will probably stay as long again: each group
 * of residents that came with one request counts by the logarithm of its age, and groups add up, because the host stays
 * open until the last of them has left. Where requests are not known, who came together is a group. A host of few and young
 * residents is left to empty, and empty hosts come last. What came just before, is as large and of the same request (where
 * that is not known, probably is) will leave with it: it gets the same host. So the first of a request goes where all of it
 * has room, or the half, or a quarter, unless that is a much weaker host than it would get alone. On the recorded clouds,
 * and on parts of them, this needs fewer hosts than first fit, best fit and the age of the oldest resident alone. What
 * requests as a whole gain is in docs/decisions/0053; what lifetimes would, and why none are learned, in 0037.
 *
 * Open hosts are filed by (strength, free CPU in 64ths); a bit per file says which are not empty, so that a decision reads
 * a few words instead of all hosts. Resident lists are in order of arrival: the first one is the oldest. A newcomer has no
 * age and changes nothing about the strength of its host; time does, and a host or two are looked at again with each call.
 *
 * **Gotchas**
 *
 * Nothing is random and nothing is explored. Residents stay where they are, except by `move` and `drain`.
 */
// `!` after an index: positions come from loops over the same arrays.
import * as DueTimes from "./DueTimes.ts"

export interface Options {
  /** How many there are; with `unlimited`, how many there are to begin with. */
  readonly hosts: number
  readonly cpu: number
  readonly memory: number
  readonly unlimited?: boolean
}

export interface Move {
  readonly resident: number
  readonly from: number
  readonly to: number
}

export interface Fleet {
  /**
   * The resident's number, or -1 when no host can take it. `now` in seconds; it never goes back. `request` is the number of
   * what it was asked for with, at least 0, where that is known: one request comes in one piece. `together` is how many of
   * this size it asks for from here on, this one included; 1 when not said.
   */
  readonly place: (cpu: number, memory: number, now: number, request?: number, together?: number) => number
  readonly depart: (resident: number, now: number) => void
  readonly hostOf: (resident: number) => number
  /** Moves a resident, if it fits there. */
  readonly move: (resident: number, host: number, now: number) => boolean
  /** Empties one host by at most so many moves, the one that takes fewest; all or nothing. Returns the moves made. */
  readonly drain: (moves: number, now: number) => ReadonlyArray<Move>
  /** Hosts with residents, hosts that exist. */
  readonly open: () => number
  readonly hosts: () => number
  readonly freeCpu: (host: number) => number
  readonly freeMemory: (host: number) => number
  readonly residents: (host: number) => ReadonlyArray<number>
}

const strengths = 64
const levels = 64
/** Below this age nobody is old, above it each doubling counts. */
const youngSeconds = 7_200
/** Strengths for each doubling of what the groups of a host add up to. */
const finer = 5
/** Of no known request. */
const unknown = -1
/** Of no known request, and no further apart in time: one group. */
const togetherSeconds = 10
/** Of one size and no further apart in time: probably of one request. */
const siblingSeconds = 60
const siblingSlots = 256
/** Of a larger request, so many are looked at together. */
const mostTogether = 1_024
/** A host with room for a whole request may be weaker by so much than the one that its first would get alone. */
const weaker = 20
/** How many hosts that have aged are looked at before a decision. */
const lookedAt = 1
/** How many hosts of one file are tried, before hosts with more free CPU are. */
const tried = 8

export const make = ({ hosts: initial, cpu, memory, unlimited = false }: Options): Fleet => {
  let hostCapacity = Math.max(16, initial)
  let count = 0
  let open = 0
  let freeCpu = new Float64Array(hostCapacity)
  let freeMemory = new Float64Array(hostCapacity)
  let oldest = new Int32Array(hostCapacity).fill(-1)
  let newest = new Int32Array(hostCapacity).fill(-1)
  let number = new Int32Array(hostCapacity)
  // -1: not filed, because it is empty.
  let file = new Int32Array(hostCapacity).fill(-1)
  let after = new Int32Array(hostCapacity).fill(-1)
  let before = new Int32Array(hostCapacity).fill(-1)
  let empties = new Int32Array(hostCapacity)
  let emptyCount = 0
  const heads = new Int32Array(strengths * levels).fill(-1)
  const low = new Int32Array(strengths)
  const high = new Int32Array(strengths)
  let strength = new Int32Array(hostCapacity)
  const older = DueTimes.make(hostCapacity)

  // Of the sizes that came last, where to: a few, whatever sizes come.
  const siblingCpu = new Float64Array(siblingSlots).fill(Number.NaN)
  const siblingMemory = new Float64Array(siblingSlots)
  const siblingTime = new Float64Array(siblingSlots)
  const siblingHost = new Int32Array(siblingSlots)
  const siblingRequest = new Float64Array(siblingSlots)

  let residentCapacity = 1024
  let residentCount = 0
  let where = new Int32Array(residentCapacity).fill(-1)
  let itsCpu = new Float64Array(residentCapacity)
  let itsMemory = new Float64Array(residentCapacity)
  let arrived = new Float64Array(residentCapacity)
  let itsRequest = new Float64Array(residentCapacity)
  let next = new Int32Array(residentCapacity)
  let previous = new Int32Array(residentCapacity)
  let free = new Int32Array(residentCapacity)
  let freeCount = 0

  const addHost = (): number => {
    if (count === hostCapacity) {
      hostCapacity *= 2
      freeCpu = extended(freeCpu, new Float64Array(hostCapacity))
      freeMemory = extended(freeMemory, new Float64Array(hostCapacity))
      oldest = extended(oldest, new Int32Array(hostCapacity).fill(-1))
      newest = extended(newest, new Int32Array(hostCapacity).fill(-1))
      number = extended(number, new Int32Array(hostCapacity))
      strength = extended(strength, new Int32Array(hostCapacity))
      file = extended(file, new Int32Array(hostCapacity).fill(-1))
      after = extended(after, new Int32Array(hostCapacity).fill(-1))
      before = extended(before, new Int32Array(hostCapacity).fill(-1))
      empties = extended(empties, new Int32Array(hostCapacity))
    }
    freeCpu[count] = cpu
    freeMemory[count] = memory
    return count++
  }

  const addResident = (): number => {
    if (freeCount > 0) return free[--freeCount]!
    if (residentCount === residentCapacity) {
      residentCapacity *= 2
      where = extended(where, new Int32Array(residentCapacity).fill(-1))
      itsCpu = extended(itsCpu, new Float64Array(residentCapacity))
      itsMemory = extended(itsMemory, new Float64Array(residentCapacity))
      arrived = extended(arrived, new Float64Array(residentCapacity))
      itsRequest = extended(itsRequest, new Float64Array(residentCapacity))
      next = extended(next, new Int32Array(residentCapacity))
      previous = extended(previous, new Int32Array(residentCapacity))
      free = extended(free, new Int32Array(residentCapacity))
    }
    return residentCount++
  }

  const levelOf = (amount: number): number => Math.max(0, Math.min(levels - 1, Math.floor((amount / cpu) * levels)))

  /** Judges how long a host will stay open, and when it is to be judged again. */
  const judge = (h: number, now: number): void => {
    let sum = 0
    let perSecond = 0
    let last = -Infinity
    let request = unknown
    for (let r = oldest[h]!; r >= 0; r = next[r]!) {
      const since = arrived[r]!
      if (itsRequest[r] !== request || (request === unknown && since - last > togetherSeconds)) {
        const age = youngSeconds + now - since
        sum += Math.log2(age / youngSeconds)
        perSecond += Math.LOG2E / age
      }
      last = since
      request = itsRequest[r]!
    }
    const found = Math.min(strengths - 1, Math.floor(finer * Math.log2(1 + sum)))
    strength[h] = found
    // It grows ever more slowly: by then it is not more than one further.
    const wait = (2 ** ((found + 1) / finer) - 1 - sum) / perSecond
    older.set(h, found === strengths - 1 ? Infinity : now + Math.max(60, wait))
  }

  const unfile = (h: number): void => {
    const f = file[h]!
    if (f < 0) return
    if (before[h]! >= 0) after[before[h]!] = after[h]!
    else heads[f] = after[h]!
    if (after[h]! >= 0) before[after[h]!] = before[h]!
    if (heads[f]! < 0) {
      const level = f & 63
      if (level < 32) low[f >> 6]! &= ~(1 << level)
      else high[f >> 6]! &= ~(1 << (level - 32))
    }
    file[h] = -1
  }

  /** Files an open host where it belongs now; an empty one nowhere. */
  const refile = (h: number): void => {
    if (oldest[h]! < 0) {
      unfile(h)
      older.set(h, Infinity)
      return
    }
    const s = strength[h]!
    const level = levelOf(freeCpu[h]!)
    const f = (s << 6) | level
    if (f === file[h]!) return
    unfile(h)
    file[h] = f
    before[h] = -1
    after[h] = heads[f]!
    if (heads[f]! >= 0) before[heads[f]!] = h
    heads[f] = h
    if (level < 32) low[s]! |= 1 << level
    else high[s]! |= 1 << (level - 32)
  }

  const age = (now: number, most: number): void => {
    for (let looks = 0; looks < most; looks++) {
      const h = older.first()
      if (h < 0 || older.time(h) > now) return
      judge(h, now)
      refile(h)
    }
  }

  const link = (r: number, h: number, now: number): void => {
    const first = oldest[h]! < 0
    if (first) open++
    where[r] = h
    // In order of arrival; who was moved here may be older than who is here.
    let ahead = newest[h]!
    while (ahead >= 0 && arrived[ahead]! > arrived[r]!) ahead = previous[ahead]!
    previous[r] = ahead
    const behind = ahead < 0 ? oldest[h]! : next[ahead]!
    next[r] = behind
    if (behind >= 0) previous[behind] = r
    else newest[h] = r
    if (ahead >= 0) next[ahead] = r
    else oldest[h] = r
    number[h]!++
    freeCpu[h]! -= itsCpu[r]!
    freeMemory[h]! -= itsMemory[r]!
    if (first || behind >= 0) judge(h, now)
    refile(h)
  }

  const unlink = (r: number, now: number): void => {
    const h = where[r]!
    if (previous[r]! >= 0) next[previous[r]!] = next[r]!
    else oldest[h] = next[r]!
    if (next[r]! >= 0) previous[next[r]!] = previous[r]!
    else newest[h] = previous[r]!
    where[r] = -1
    if (--number[h]! === 0) {
      // Exactly, whatever the sums of decimals have become.
      freeCpu[h] = cpu
      freeMemory[h] = memory
      open--
      empties[emptyCount++] = h
    } else {
      freeCpu[h]! += itsCpu[r]!
      freeMemory[h]! += itsMemory[r]!
      judge(h, now)
    }
    refile(h)
  }

  /** An open host with room, -1 if there is none. */
  const find = (c: number, m: number): number => {
    const h = look(c, m, 0)
    if (h >= 0 || !skipped) return h
    for (let k = 0; k < count; k++) if (file[k]! >= 0 && freeCpu[k]! >= c && freeMemory[k]! >= m) return k
    return -1
  }

  /** The first host with room for as many of one request as can be together, or for one of it. */
  const findTogether = (c: number, m: number, together: number): number => {
    const alone = find(c, m)
    if (alone < 0) return alone
    const least = Math.max(0, strength[alone]! - weaker)
    for (let many = Math.min(together, mostTogether); many > 1; many = Math.floor(many / 2)) {
      if (c * many > cpu || m * many > memory) continue
      const h = look(c * many, m * many, least)
      if (h >= 0) return h
    }
    return alone
  }

  /** Whether the last look passed over a host that it did not try. */
  let skipped = false

  /** An open host of at least this strength, with room, of those that are tried. */
  const look = (c: number, m: number, least: number): number => {
    skipped = false
    const level = levelOf(c)
    for (let s = strengths - 1; s >= least; s--) {
      let lower = level < 32 ? low[s]! & (-1 << level) : 0
      let upper = level < 32 ? high[s]! : high[s]! & (-1 << (level - 32))
      while (lower !== 0 || upper !== 0) {
        let at: number
        if (lower !== 0) {
          at = 31 - Math.clz32(lower & -lower)
          lower &= lower - 1
        } else {
          at = 63 - Math.clz32(upper & -upper)
          upper &= upper - 1
        }
        let tries = tried
        for (let h = heads[(s << 6) | at]!; h >= 0; h = after[h]!) {
          if (freeCpu[h]! >= c && freeMemory[h]! >= m) return h
          if (--tries === 0) {
            skipped = after[h]! >= 0 || skipped
            break
          }
        }
      }
    }
    return -1
  }

  /** The host of the one that came just before and is as large, if there is room beside it. */
  const besideSibling = (c: number, m: number, now: number, request: number): number => {
    const slot = slotOf(c, m)
    if (siblingCpu[slot] !== c || siblingMemory[slot] !== m || siblingRequest[slot] !== request) return -1
    if (now - siblingTime[slot]! > siblingSeconds) return -1
    const h = siblingHost[slot]!
    return number[h]! > 0 && freeCpu[h]! >= c && freeMemory[h]! >= m ? h : -1
  }

  const emptyHost = (): number => {
    if (emptyCount > 0) return empties[--emptyCount]!
    return unlimited ? addHost() : -1
  }

  const residents = (h: number): ReadonlyArray<number> => {
    const list: Array<number> = []
    for (let r = oldest[h]!; r >= 0; r = next[r]!) list.push(r)
    return list
  }

  const drain = (moves: number, now: number): ReadonlyArray<Move> => {
    age(now, Infinity)
    // The fewest moves; among equals the oldest, which would stay open longest.
    const candidates: Array<number> = []
    for (let h = 0; h < count; h++) if (number[h]! > 0 && number[h]! <= moves) candidates.push(h)
    const since = (h: number) => arrived[oldest[h]!]!
    candidates.sort((a, b) => number[a]! - number[b]! || since(a) - since(b) || a - b)
    for (const h of candidates.slice(0, 8)) {
      const leaving = residents(h).toSorted((a, b) => itsCpu[b]! - itsCpu[a]! || a - b)
      const done: Array<Move> = []
      for (const r of leaving) {
        unfile(h)
        const to = find(itsCpu[r]!, itsMemory[r]!)
        if (to < 0) break
        unlink(r, now)
        link(r, to, now)
        done.push({ resident: r, from: h, to })
      }
      if (done.length === leaving.length) return done
      for (const { resident } of done) {
        unlink(resident, now)
        link(resident, h, now)
      }
      refile(h)
    }
    return []
  }

  for (let h = 0; h < initial; h++) addHost()
  for (let h = initial - 1; h >= 0; h--) empties[emptyCount++] = h

  return {
    place: (c, m, now, request = unknown, together = 1) => {
      // What is no amount, or more than a host has, needs no search.
      if (!(c >= 0 && m >= 0 && c <= cpu && m <= memory)) return -1
      age(now, lookedAt)
      let h = besideSibling(c, m, now, request)
      if (h < 0) h = together > 1 ? findTogether(c, m, together) : find(c, m)
      if (h < 0) h = emptyHost()
      if (h < 0) return -1
      const slot = slotOf(c, m)
      siblingCpu[slot] = c
      siblingMemory[slot] = m
      siblingTime[slot] = now
      siblingHost[slot] = h
      siblingRequest[slot] = request
      const r = addResident()
      itsCpu[r] = c
      itsMemory[r] = m
      arrived[r] = now
      itsRequest[r] = request
      link(r, h, now)
      return r
    },
    depart: (r, now) => {
      if (!(r >= 0 && r < residentCount) || where[r]! < 0) return
      age(now, Infinity)
      unlink(r, now)
      free[freeCount++] = r
    },
    hostOf: (r) => (r >= 0 && r < residentCount ? where[r]! : -1),
    move: (r, h, now) => {
      const from = where[r] ?? -1
      if (from < 0 || from === h || number[h] === undefined || number[h] === 0) return false
      if (freeCpu[h]! < itsCpu[r]! || freeMemory[h]! < itsMemory[r]!) return false
      unlink(r, now)
      link(r, h, now)
      return true
    },
    drain,
    open: () => open,
    hosts: () => count,
    freeCpu: (h) => freeCpu[h] ?? 0,
    freeMemory: (h) => freeMemory[h] ?? 0,
    residents: (h) => (h >= 0 && h < count ? residents(h) : [])
  }
}

const slotOf = (c: number, m: number): number => (Math.imul(c * 4, 31) + Math.imul(m * 4, 17)) & (siblingSlots - 1)

const extended = <A extends Float64Array | Int32Array>(from: A, to: A): A => {
  to.set(from)
  return to
}
