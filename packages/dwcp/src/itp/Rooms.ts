/**
 * The hosts of a cluster by what they are and by what is free on them, so that a decision looks at kinds of rooms and not
 * at every host.
 *
 * **Details**
 *
 * Hosts that are alike in all that counts form a shape; those of a shape with the same room to the last bit are a cell,
 * a heap by who joined first. The cells of a shape are sorted by how much is free, the fullest first, in runs that know the
 * least and the most of their cells: a run that has no room at all is passed over, one with room everywhere is counted
 * without looking into it. A million hosts of a few shapes are some thousands of cells.
 *
 * **Gotchas**
 *
 * Where all nodes differ (measured uptime and latency, on the internet) there is nothing to gather. Past {@link mostShapes}
 * the index gives itself up, for good, and `shapes` is undefined: who asks looks at the hosts one by one.
 */
// `!` after an index: positions come from loops over the same arrays.
import type { Node, Task } from "./Inventory.ts"

/** A node, what is free on it, and who is there. */
export interface Host {
  readonly node: Node
  /** Who joined earlier has the smaller one. */
  readonly rank: number
  cpu: number
  memory: number
  gpus: number
  readonly tasks: Map<string, Task>
  /** How many residents belong to a group, and how many want none of it near. */
  readonly groups: Map<string, number>
  readonly shunned: Map<string, number>
  /** Where it is filed: its cell, and its place in the heap there. */
  cell: Cell | undefined
  place: number
}

export const hostOf = (node: Node, rank: number): Host => ({
  node,
  rank,
  cpu: node.cpu,
  memory: node.memory,
  gpus: node.gpus ?? 0,
  tasks: new Map(),
  groups: new Map(),
  shunned: new Map(),
  cell: undefined,
  place: -1
})

/** What a share of nothing is: none. */
export const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole)

/** Hosts alike: `node` stands for all of them. */
export interface Shape {
  readonly kind: string
  readonly node: Node
  readonly runs: Array<Run>
}

/** Who is looked for, and what is thought of one that has the room. */
export interface Search {
  readonly task: Task
  /** How far the score may be from being told by what is free alone: 0 < it ≤ 1, or Infinity where it says nothing. */
  readonly tolerance: number
  /** Whether its neighbours are right; undefined where all are. */
  readonly welcome: ((host: Host) => boolean) | undefined
  readonly score: (host: Host) => number
}

export interface Found {
  /** Hosts with room, welcome or not. */
  roomy: number
  best: Host | undefined
  score: number
}

export interface Rooms {
  /** Undefined: there are too many to be worth it. */
  readonly shapes: () => ReadonlyArray<Shape> | undefined
  readonly add: (host: Host) => void
  readonly remove: (host: Host) => void
  /** Files it anew after what is free has changed. */
  readonly refile: (host: Host) => void
}

/** More kinds of nodes than this, and the index would be as long as the list. */
export const mostShapes = 1_024

/** `kindOf` tells apart whatever counts in a decision, but for what is free and who is there. */
export const make = (kindOf: (node: Node) => string): Rooms => {
  let byKind: Map<string, Shape> | undefined = new Map()
  let shapes: ReadonlyArray<Shape> | undefined = []

  const unfile = (host: Host, cell: Cell): void => {
    takeOut(cell.hosts, host)
    host.cell = undefined
    cell.run.stale = true
    if (cell.hosts.length === 0) discard(cell)
  }

  const file = (host: Host, shape: Shape): void => {
    const cell = cellOf(shape, host)
    putIn(cell.hosts, host)
    host.cell = cell
    cell.run.stale = true
  }

  return {
    shapes: () => shapes,
    add: (host) => {
      if (byKind === undefined) return
      const kind = kindOf(host.node)
      let shape = byKind.get(kind)
      if (shape === undefined) {
        if (byKind.size >= mostShapes) {
          for (const given of byKind.values())
            each(given, ({ hosts }) => hosts.forEach((one) => (one.cell = undefined)))
          byKind = undefined
          shapes = undefined
          return
        }
        shape = { kind, node: host.node, runs: [] }
        byKind.set(kind, shape)
        shapes = [...byKind.values()]
      }
      file(host, shape)
    },
    remove: (host) => {
      const cell = host.cell
      if (cell === undefined) return
      unfile(host, cell)
      if (cell.shape.runs.length > 0) return
      byKind?.delete(cell.shape.kind)
      shapes = byKind && [...byKind.values()]
    },
    refile: (host) => {
      const cell = host.cell
      if (cell === undefined) return
      unfile(host, cell)
      file(host, cell.shape)
    }
  }
}

/** The best of a shape is put into `found` if it is better than what is there: a higher score, or who joined first. */
export const look = ({ runs }: Shape, { score, task, tolerance, welcome }: Search, found: Found): void => {
  const gpus = task.gpus ?? 0
  let until = Infinity
  // Where what is free says nothing, all are equally good, and who joined first is all that counts.
  const equal = tolerance === Infinity
  let first: Host | undefined
  for (const run of runs) {
    if (run.stale) refresh(run)
    if (task.cpu > run.mostCpu || task.memory > run.mostMemory || gpus > run.mostGpus) continue
    const all = task.cpu <= run.leastCpu && task.memory <= run.leastMemory && gpus <= run.leastGpus
    if (all) {
      found.roomy += run.hosts
      if (run.cells[0]!.spare > until || (first !== undefined && run.first!.rank > first.rank)) continue
      if (equal && welcome === undefined) {
        first = run.first
        continue
      }
    }
    for (const cell of run.cells) {
      if (!all) {
        if (task.cpu > cell.cpu || task.memory > cell.memory || gpus > cell.gpus) continue
        found.roomy += cell.hosts.length
      }
      const top = cell.hosts[0]!
      if (cell.spare > until || (first !== undefined && top.rank > first.rank)) continue
      const host = welcome === undefined ? top : earliest(cell.hosts, welcome)
      if (host === undefined) continue
      if (!equal) consider(host, score, found)
      else if (first === undefined || host.rank < first.rank) first = host
      until = Math.min(until, cell.spare + tolerance)
    }
  }
  if (first !== undefined) consider(first, score, found)
}

/** What is free in every cell, with how many hosts. */
export const each = ({ runs }: Shape, visit: (cell: Cell) => void): void => {
  for (const { cells } of runs) for (const cell of cells) visit(cell)
}

// ---------------------------------------------------------------------------------------------------------------------

/** Hosts of a shape with the same room; never empty but while one moves. */
export interface Cell {
  readonly shape: Shape
  readonly cpu: number
  readonly memory: number
  readonly gpus: number
  /** Mean share that is free. */
  readonly spare: number
  /** A heap, who joined first on top. */
  readonly hosts: Array<Host>
  run: Run
}

/** Neighbouring cells, and what is true of all of them unless `stale`. */
interface Run {
  cells: Array<Cell>
  stale: boolean
  hosts: number
  first: Host | undefined
  leastCpu: number
  mostCpu: number
  leastMemory: number
  mostMemory: number
  leastGpus: number
  mostGpus: number
}

/** A run of more cells is cut in two. */
const runLength = 64

const newRun = (): Run => ({
  cells: [],
  stale: true,
  hosts: 0,
  first: undefined,
  leastCpu: Infinity,
  mostCpu: -1,
  leastMemory: Infinity,
  mostMemory: -1,
  leastGpus: Infinity,
  mostGpus: -1
})

const refresh = (run: Run): void => {
  let hosts = 0
  let first: Host | undefined
  let [leastCpu, mostCpu] = [Infinity, -1]
  let [leastMemory, mostMemory] = [Infinity, -1]
  let [leastGpus, mostGpus] = [Infinity, -1]
  for (const cell of run.cells) {
    const top = cell.hosts[0]!
    hosts += cell.hosts.length
    if (first === undefined || top.rank < first.rank) first = top
    if (cell.cpu < leastCpu) leastCpu = cell.cpu
    if (cell.cpu > mostCpu) mostCpu = cell.cpu
    if (cell.memory < leastMemory) leastMemory = cell.memory
    if (cell.memory > mostMemory) mostMemory = cell.memory
    if (cell.gpus < leastGpus) leastGpus = cell.gpus
    if (cell.gpus > mostGpus) mostGpus = cell.gpus
  }
  run.hosts = hosts
  run.first = first
  run.leastCpu = leastCpu
  run.mostCpu = mostCpu
  run.leastMemory = leastMemory
  run.mostMemory = mostMemory
  run.leastGpus = leastGpus
  run.mostGpus = mostGpus
  run.stale = false
}

/** Better is a higher score; of equals it is who joined first. */
export const consider = (host: Host, scoreOf: (host: Host) => number, found: Found): void => {
  const score = scoreOf(host)
  if (found.best !== undefined && (score < found.score || (score === found.score && host.rank > found.best.rank)))
    return
  found.best = host
  found.score = score
}

type Room = Pick<Cell, "spare" | "cpu" | "memory" | "gpus">

const before = (a: Room, b: Room): number =>
  a.spare - b.spare || a.cpu - b.cpu || a.memory - b.memory || a.gpus - b.gpus

/** The first position at which `list` is not before `room`. */
const position = <A>(list: ReadonlyArray<A>, room: Room, of: (each: A) => Room): number => {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (before(of(list[middle]!), room) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** Before all rooms. */
const nothing: Room = { spare: -1, cpu: -1, memory: -1, gpus: -1 }

const itself = (cell: Cell): Room => cell
const lastOf = ({ cells }: Run): Room => cells.at(-1) ?? nothing

const cellOf = (shape: Shape, { cpu, gpus, memory, node }: Host): Cell => {
  const room = { cpu, memory, gpus, spare: (share(cpu, node.cpu) + share(memory, node.memory)) / 2 }
  const { runs } = shape
  if (runs.length === 0) runs.push(newRun())
  const r = Math.min(position(runs, room, lastOf), runs.length - 1)
  const run = runs[r]!
  const at = position(run.cells, room, itself)
  const there = run.cells[at]
  if (there !== undefined && before(there, room) === 0) return there
  const cell: Cell = { shape, ...room, hosts: [], run }
  run.cells.splice(at, 0, cell)
  if (run.cells.length > runLength) {
    const half = newRun()
    half.cells = run.cells.splice(runLength >> 1)
    for (const moved of half.cells) moved.run = half
    run.stale = true
    runs.splice(r + 1, 0, half)
  }
  return cell
}

const discard = (cell: Cell): void => {
  const { run, shape } = cell
  run.cells.splice(position(run.cells, cell, itself), 1)
  if (run.cells.length === 0) shape.runs.splice(shape.runs.indexOf(run), 1)
}

// A binary heap by rank, in which every host knows its place.

const putIn = (heap: Array<Host>, host: Host): void => {
  heap.push(host)
  rise(heap, heap.length - 1, host)
}

const takeOut = (heap: Array<Host>, host: Host): void => {
  const last = heap.pop()!
  if (last === host) return
  const at = host.place
  if (at > 0 && heap[(at - 1) >> 1]!.rank > last.rank) rise(heap, at, last)
  else sink(heap, at, last)
}

const rise = (heap: Array<Host>, from: number, host: Host): void => {
  let at = from
  while (at > 0) {
    const above = heap[(at - 1) >> 1]!
    if (above.rank < host.rank) break
    heap[at] = above
    above.place = at
    at = (at - 1) >> 1
  }
  heap[at] = host
  host.place = at
}

const sink = (heap: Array<Host>, from: number, host: Host): void => {
  let at = from
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && heap[child + 1]!.rank < heap[child]!.rank) child++
    if (heap[child]!.rank > host.rank) break
    heap[at] = heap[child]!
    heap[at]!.place = at
    at = child
  }
  heap[at] = host
  host.place = at
}

/** The welcome one that joined first: below an answer, and below a later one than the best, nobody need be asked. */
const earliest = (heap: ReadonlyArray<Host>, welcome: (host: Host) => boolean): Host | undefined => {
  let best: Host | undefined
  const open = [0]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const host = heap[at]
    if (host === undefined || (best !== undefined && host.rank > best.rank)) continue
    if (welcome(host)) best = host
    else open.push(2 * at + 2, 2 * at + 1)
  }
  return best
}
