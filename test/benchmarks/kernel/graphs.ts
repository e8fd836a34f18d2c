/**
 * The graphs that the kernel and its peers boot: as plain lists of needs and durations, so that each peer is given exactly
 * the same work.
 */

/** One part: its needs are positions of earlier parts, its duration milliseconds. */
interface Part {
  readonly name: string
  readonly needs: ReadonlyArray<number>
  readonly ms: number
}
export type Graph = ReadonlyArray<Part>

/** Nothing to do, up to three needs each, drawn from a seed. */
export const dag = (n: number, seed: number): Graph => {
  const chance = mulberry32(seed)
  return Array.from({ length: n }, (_, i) => {
    const needs = new Set<number>()
    for (let k = Math.min(i, Math.floor(chance() * 4)); k > 0; k--) needs.add(Math.floor(chance() * i))
    return { name: `c${i}`, needs: [...needs], ms: 0 }
  })
}

/** Nothing to do, each needs the one before. */
export const chain = (n: number): Graph =>
  Array.from({ length: n }, (_, i) => ({ name: `c${i}`, needs: i === 0 ? [] : [i - 1], ms: 0 }))

/** Durations from 1 to 100 ms with a long tail, up to three needs each: for schedules. */
export const weighted = (n: number, seed: number): Graph => {
  const chance = mulberry32(seed ^ 0x9e3779b9)
  return dag(n, seed).map((part) => {
    // Log-normal, by the sum of twelve: most are short, a few are long.
    const normal = Array.from({ length: 12 }, chance).reduce((sum, x) => sum + x, -6)
    return { ...part, ms: Math.min(100, Math.max(1, Math.round(10 * Math.exp(normal)))) }
  })
}

const named = (rows: ReadonlyArray<readonly [name: string, ms: number, needs: string]>): Graph =>
  rows.map(([name, ms, needs]) => ({
    name,
    ms,
    needs: needs.split(" ").flatMap((need) => {
      const at = rows.findIndex(([other]) => other === need)
      return at < 0 ? [] : [at]
    })
  }))

/** A node of 19 parts: 487 ms of work, of which 227 ms cannot be done at the same time. */
export const reference: Graph = named([
  ["config", 5, ""],
  ["logger", 2, "config"],
  ["telemetry", 10, "config logger"],
  ["security", 20, "config logger"],
  ["database", 80, "security"],
  ["cache", 25, "security"],
  ["network", 20, "security"],
  ["amst", 20, "network"],
  ["hde", 12, "network"],
  ["pba", 25, "network"],
  ["ass", 22, "network"],
  ["acp", 15, "network"],
  ["itp", 16, "network"],
  ["transport", 8, "amst hde pba ass acp itp"],
  ["discovery", 15, "transport"],
  ["orchestrator", 32, "transport database"],
  ["ml", 120, "database"],
  ["api", 25, "orchestrator"],
  ["monitoring", 15, "network"]
])

/** The nine parts of the architecture review (6.2), ten times as fast: 830 ms cannot be done at the same time. */
export const nine: Graph = named([
  ["security", 120, ""],
  ["database", 320, "security"],
  ["cache", 210, "security"],
  ["network", 180, "security"],
  ["dwcp", 280, "security network"],
  ["orchestration", 210, "dwcp database"],
  ["api", 250, "dwcp security"],
  ["monitoring", 160, "network"],
  ["ml", 100, ""]
])

/** The second level of the node: three parts that take 300 ms each, once security is there. */
export const infrastructure: Graph = named([
  ["security", 0, ""],
  ["database", 300, "security"],
  ["cache", 300, "security"],
  ["network", 300, "security"]
])

/** The fourth: four services that take as long, one of which waits for another. Bound: twice as fast as in turn. */
export const services: Graph = named([
  ["transport", 0, ""],
  ["orchestration", 200, "transport"],
  ["monitoring", 200, "transport"],
  ["discovery", 200, "transport"],
  ["scheduler", 200, "orchestration"]
])

/** The fifth: two that take as long. */
export const endpoints: Graph = named([
  ["orchestration", 0, ""],
  ["api", 300, "orchestration"],
  ["ml", 300, "orchestration"]
])

/** Twenty parts of 50 ms: settings, six subsystems of three parts each, and one that waits for all. Bound: 4. */
export const wide: Graph = [
  { name: "settings", needs: [], ms: 50 },
  ...Array.from({ length: 18 }, (_, i) => ({ name: `part${i}`, needs: [i < 6 ? 0 : i - 5], ms: 50 })),
  { name: "api", needs: [13, 14, 15, 16, 17, 18], ms: 50 }
]

/** All the work of a graph, in milliseconds. */
export const workMs = (graph: Graph): number => graph.reduce((sum, { ms }) => sum + ms, 0)

/** The longest way through a graph, in milliseconds. */
export const criticalPathMs = (graph: Graph): number => {
  const end: Array<number> = []
  for (const { ms, needs } of graph) end.push(ms + Math.max(0, ...needs.map((need) => end[need] ?? 0)))
  return Math.max(0, ...end)
}

/** A small seeded generator (Tommy Ettinger's mulberry32): the same graphs on every machine. */
const mulberry32 = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}
