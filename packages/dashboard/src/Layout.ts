/**
 * Where the components of a graph stand: layers by what needs what, few crossings, and as much of the place used as there
 * is. Pure; a page runs it in a thread of its own.
 *
 * **Details**
 *
 * - What follows from other needs is not drawn: an edge is left out when there is a longer way to the same need. On a
 *   graph of services most edges are of that kind ("everybody needs the settings").
 * - Small graphs are laid out by dagre (network simplex, Brandes and Köpf), which draws them best. Its time grows with the
 *   cube of what long edges cross: 3 seconds for a thousand components. From {@link small} on, layers are ordered by the
 *   barycentre heuristic (Sugiyama, Tagawa and Toda 1981), and a layer that is wider than the place is wrapped into rows.
 * - The direction, down or to the right, is the one in which the graph is larger on the page.
 */
import { graphlib, layout as dagre } from "@dagrejs/dagre"
import { box, type Edge, type Laid } from "./Picture.ts"

/** Who needs whom, by position. */
export interface Wanted {
  readonly needs: ReadonlyArray<ReadonlyArray<number>>
  /** Width by height of the place. */
  readonly aspect: number
}

/** Graphs with more components than this are too large for dagre. */
const small = 120

/** Lays out a graph. A cycle, which no plan has, is broken where it is found. */
export const arrange = ({ aspect, needs }: Wanted): Laid => {
  const acyclic = withoutCycles(needs)
  const layers = layersOf(acyclic)
  const kept = reduced(acyclic, layers)
  const wrapped = byBarycentre(kept, layers, aspect)
  if (needs.length > small) return wrapped
  const layered = bySimplex(kept, layers, aspect)
  const scale = ({ height, width }: Laid) => Math.min(aspect / Math.max(1, width), 1 / Math.max(1, height))
  return scale(wrapped) > much * scale(layered) ? wrapped : layered
}

/** By how much larger boxes must come out before a layer is better in several rows than in one, as on a telephone. */
const much = 1.35

// ---------------------------------------------------------------------------------------------------------- the graph

/** Positions that exist, none twice, and no way from anything to itself. */
const withoutCycles = (needs: Wanted["needs"]): ReadonlyArray<ReadonlyArray<number>> => {
  const state = new Uint8Array(needs.length)
  const clean = needs.map((some, i) => [...new Set(some)].filter((j) => j !== i && needs[j] !== undefined))
  for (let root = 0; root < needs.length; root++) {
    const path: Array<{ readonly node: number; next: number }> = state[root] === 0 ? [{ node: root, next: 0 }] : []
    state[root] ||= 1
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const some = clean[top.node] ?? []
      const need = some[top.next]
      if (need === undefined) {
        state[top.node] = 2
        path.pop()
      } else if (state[need] === 1) some.splice(top.next, 1)
      else {
        top.next++
        if (state[need] === 0) path.push({ node: need, next: 0 })
        state[need] ||= 1
      }
    }
  }
  return clean
}

/** The length of the longest way to something that needs nothing. */
const layersOf = (needs: ReadonlyArray<ReadonlyArray<number>>): ReadonlyArray<number> => {
  const dependents: ReadonlyArray<Array<number>> = needs.map(() => [])
  const unmet = needs.map((some, i) => {
    for (const j of some) dependents[j]?.push(i)
    return some.length
  })
  const layer = needs.map(() => 0)
  const ready = unmet.flatMap((count, i) => (count === 0 ? [i] : []))
  for (let i = ready.pop(); i !== undefined; i = ready.pop()) {
    for (const one of dependents[i] ?? []) {
      layer[one] = Math.max(layer[one] ?? 0, (layer[i] ?? 0) + 1)
      unmet[one] = (unmet[one] ?? 0) - 1
      if (unmet[one] === 0) ready.push(one)
    }
  }
  return layer
}

/** Without the edges that follow from others: sets of all that is reached, a bit for each component. */
const reduced = (needs: ReadonlyArray<ReadonlyArray<number>>, layers: ReadonlyArray<number>) => {
  const words = Math.ceil(needs.length / 32)
  const reached = needs.map(() => new Uint32Array(words))
  const byLayer = needs.map((_, i) => i).toSorted((a, b) => (layers[a] ?? 0) - (layers[b] ?? 0))
  const kept: Array<ReadonlyArray<number>> = needs.map(() => [])
  for (const i of byLayer) {
    const mine = reached[i]
    // The need in the highest layer reaches the most.
    const some = (needs[i] ?? []).toSorted((a, b) => (layers[b] ?? 0) - (layers[a] ?? 0))
    kept[i] = some.filter((j) => {
      const theirs = reached[j]
      if (mine === undefined || theirs === undefined || hasBit(mine, j)) return false
      for (let w = 0; w < words; w++) mine[w] = (mine[w] ?? 0) | (theirs[w] ?? 0)
      mine[j >>> 5] = (mine[j >>> 5] ?? 0) | (1 << (j & 31))
      return true
    })
  }
  return kept
}

const hasBit = (set: Uint32Array, i: number): boolean => (((set[i >>> 5] ?? 0) >>> (i & 31)) & 1) === 1

// ------------------------------------------------------------------------------------------------------------- small

const bySimplex = (
  needs: ReadonlyArray<ReadonlyArray<number>>,
  layers: ReadonlyArray<number>,
  aspect: number
): Laid => {
  const direction = directionFor(layers, aspect)
  const graph = new graphlib.Graph()
  const room = { nodesep: box.between, edgesep: 12, ranksep: box.layers }
  graph.setGraph({ rankdir: direction === "down" ? "TB" : "LR", ...room })
  graph.setDefaultEdgeLabel(() => ({}))
  needs.forEach((_, i) => graph.setNode(`${i}`, { width: box.width, height: box.height }))
  needs.forEach((some, i) => some.forEach((j) => graph.setEdge(`${j}`, `${i}`)))
  if (needs.length > 0) dagre(graph)
  const places = needs.map((_, i): Point => {
    const { x = 0, y = 0 } = graph.node(`${i}`)
    return direction === "down" ? { x: y, y: x } : { x, y }
  })
  const { height = 0, width = 0 } = graph.graph()
  const columns = [...new Set(places.map(({ x }) => Math.round(x)))].toSorted((a, b) => a - b)
  const bends = (from: number, to: number): ReadonlyArray<Point> =>
    (graph.edge(`${from}`, `${to}`)?.points ?? []).map(({ x, y }: Point) =>
      direction === "down" ? { x: y, y: x } : { x, y }
    )
  return {
    width,
    height,
    direction,
    x: places.map(({ x, y }) => (direction === "down" ? y : x) - box.width / 2),
    y: places.map(({ x, y }) => (direction === "down" ? x : y) - box.height / 2),
    edges: needs.flatMap((some, to) =>
      some.map((from) => {
        const [a, b] = [places[from] ?? origin, places[to] ?? origin]
        return { from, to, path: curve(a, b, columns, bends(from, to), direction) }
      })
    )
  }
}

const origin: Point = { x: 0, y: 0 }

/** In which direction the graph can be drawn larger. */
const directionFor = (layers: ReadonlyArray<number>, aspect: number): Laid["direction"] => {
  const sizes = new Map<number, number>()
  for (const layer of layers) sizes.set(layer, (sizes.get(layer) ?? 0) + 1)
  const widest = Math.max(1, ...sizes.values())
  const down = { width: widest * (box.width + box.between), height: sizes.size * (box.height + box.layers) }
  const right = { width: sizes.size * (box.width + box.layers), height: widest * (box.height + box.between) }
  const scale = (it: typeof down) => Math.min(aspect / it.width, 1 / it.height)
  return scale(right) > scale(down) ? "right" : "down"
}

interface Point {
  readonly x: number
  readonly y: number
}

/**
 * From side to side, level at both ends, and level where it passes between the boxes of a column. Computed as if the graph
 * went to the right: `x` is along it and `y` across.
 */
const curve = (
  a: Point,
  b: Point,
  columns: ReadonlyArray<number>,
  bends: ReadonlyArray<Point>,
  direction: Laid["direction"]
): string => {
  const half = (direction === "down" ? box.height : box.width) / 2
  const between = columns.filter((x) => x > a.x + half && x < b.x - half)
  const gates = between.map((x) => {
    const nearest = bends.reduce(
      (best, one) => (Math.abs(one.x - x) < Math.abs(best.x - x) ? one : best),
      bends[0] ?? a
    )
    return { x, y: nearest.y }
  })
  const point = (x: number, y: number): string => at(direction === "down" ? { x: y, y: x } : { x, y })
  const parts = [`M${point(a.x + half, a.y)}`]
  let here = { x: a.x + half, y: a.y }
  const bendTo = (x: number, y: number): void => {
    const middle = (here.x + x) / 2
    parts.push(`C${point(middle, here.y)} ${point(middle, y)} ${point(x, y)}`)
    here = { x, y }
  }
  for (const gate of gates) {
    bendTo(gate.x - half, gate.y)
    parts.push(`L${point(gate.x + half, gate.y)}`)
    here = { x: gate.x + half, y: gate.y }
  }
  bendTo(b.x - half, b.y)
  return parts.join("")
}

const at = ({ x, y }: Point): string => `${Math.round(x * 10) / 10} ${Math.round(y * 10) / 10}`

// ------------------------------------------------------------------------------------------------------------- large

/** How often the layers are ordered, down and up again: more changes little. */
const sweeps = 6

const byBarycentre = (
  needs: ReadonlyArray<ReadonlyArray<number>>,
  layerOf: ReadonlyArray<number>,
  aspect: number
): Laid => {
  const dependents: ReadonlyArray<Array<number>> = needs.map(() => [])
  needs.forEach((some, i) => some.forEach((j) => dependents[j]?.push(i)))
  const layers: Array<Array<number>> = []
  layerOf.forEach((layer, i) => (layers[layer] ??= []).push(i))
  // Where something is in its layer, from 0 to 1.
  const place = needs.map(() => 0)
  const spread = (layer: ReadonlyArray<number>) =>
    layer.forEach((i, position) => (place[i] = (position + 0.5) / layer.length))
  layers.forEach(spread)
  for (let sweep = 0; sweep < sweeps; sweep++) {
    const [neighbours, order] = sweep % 2 === 0 ? [needs, layers] : [dependents, layers.toReversed()]
    for (const layer of order) {
      const weight = new Map(
        layer.map((i) => [i, mean((neighbours[i] ?? []).map((j) => place[j] ?? 0)) ?? place[i] ?? 0])
      )
      layer.sort((a, b) => (weight.get(a) ?? 0) - (weight.get(b) ?? 0) || a - b)
      spread(layer)
    }
  }
  return wrapped(needs, layers, aspect)
}

const mean = (all: ReadonlyArray<number>): number | undefined =>
  all.length === 0 ? undefined : all.reduce((sum, one) => sum + one, 0) / all.length

/** Rows of the layers, none wider than what makes the whole as wide as the place. */
const wrapped = (
  needs: ReadonlyArray<ReadonlyArray<number>>,
  layers: ReadonlyArray<ReadonlyArray<number>>,
  aspect: number
): Laid => {
  const [stepX, stepY] = [box.width + box.between, box.height + box.between]
  const heightWith = (columns: number) =>
    layers.reduce((sum, layer) => sum + Math.ceil(layer.length / columns) * stepY + box.layers, 0)
  const widest = Math.max(1, ...layers.map(({ length }) => length))
  let columns = 1
  while (columns < widest && columns * stepX < aspect * heightWith(columns)) columns++
  const x = needs.map(() => 0)
  const y = needs.map(() => 0)
  let top = 0
  for (const layer of layers) {
    const rows = Math.ceil(layer.length / columns)
    const across = Math.ceil(layer.length / rows)
    layer.forEach((i, position) => {
      const row = Math.floor(position / across)
      const inRow = Math.min(across, layer.length - row * across)
      x[i] = ((columns - inRow) / 2 + (position % across)) * stepX
      y[i] = top + row * stepY
    })
    top += rows * stepY + box.layers
  }
  const edges = needs.flatMap((some, to) =>
    some.map((from): Edge => {
      const [a, b] = [bottomOf(x, y, from), { x: (x[to] ?? 0) + box.width / 2, y: y[to] ?? 0 }]
      const half = (b.y - a.y) / 2
      return { from, to, path: `M${at(a)}C${at({ x: a.x, y: a.y + half })} ${at({ x: b.x, y: b.y - half })} ${at(b)}` }
    })
  )
  return { width: columns * stepX, height: top, x, y, edges, direction: "down" }
}

const bottomOf = (x: ReadonlyArray<number>, y: ReadonlyArray<number>, i: number): Point => ({
  x: (x[i] ?? 0) + box.width / 2,
  y: (y[i] ?? 0) + box.height
})
