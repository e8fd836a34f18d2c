/**
 * Graphs to boot when nobody has declared any: random ones for campaigns, all small ones for proofs, and the nineteen
 * components of the node for measurements. All of them are manifests, so `Plan.make` judges them like anybody else's.
 *
 * **Example**
 *
 * ```ts
 * const manifests = Graphs.random(Random.make(42))
 * const plan = Result.getOrThrow(Plan.make(manifests, { environment: Graphs.environment }))
 * const limits = Graphs.limits(Random.make(42), manifests.length)
 * ```
 */
import { Manifest, Phase, type Progress } from "@novacron/boot/model"
import * as Random from "./Random.ts"

/** Where random graphs are booted. Some of their components exist elsewhere only. */
export const environment = "datacenter"

// ------------------------------------------------------------------------------------------------------ random graphs

/**
 * A graph of 1 to `maxSize` components that `Plan.make` accepts: needs of all three kinds, phases that never fall
 * along an edge, all severities, fallbacks, one to three attempts, deadlines, priorities, other environments. Names
 * are given by chance, so that ties by name follow no pattern.
 */
export const random = (chance: Random.Random, maxSize = 60): ReadonlyArray<Manifest.Manifest> => {
  // Small graphs are as interesting as large ones, and cheaper.
  const size = 1 + Random.int(chance, Random.int(chance, maxSize) + 1)
  const names = Random.shuffle(
    chance,
    Array.from({ length: size }, (_, i) => `n${i < 10 ? "0" : ""}${i}`)
  )
  const ranks = Array.from({ length: size }, () => Random.pick(chance, [0, 1, 1, 1, 2, 2, 3])).sort((a, b) => a - b)
  const density = Random.pick(chance, [0, 0.5, 1, 1, 2, 4])
  // One fallback, or another environment, somewhere: more would leave few boots that get far.
  const isElsewhere = Random.chance(chance, 0.2) ? 1 / size : 0
  const timeoutsMs = Random.chance(chance, 0.3) ? [10, 50, 100, 1_000] : [100, 1_000, 10_000]
  return names.map((name, i) => {
    const edges = i === 0 ? 0 : Math.min(i, Random.int(chance, 2 * density + 1))
    const needs = Array.from({ length: edges }, () => {
      // A near neighbour makes chains, a far one makes fans.
      const need = Random.chance(chance, 0.5) ? Math.max(0, i - 1 - Random.int(chance, 3)) : Random.int(chance, i)
      return { key: names[need]!, kind: Random.pick(chance, kinds) }
    })
    const severity = Random.pick(chance, severities)
    return Manifest.make({
      name,
      needs,
      phase: Phase.all[ranks[i]!]!,
      severity,
      optional: severity === "warning",
      priority: Random.chance(chance, 0.2) ? Random.between(chance, -2, 2) : 0,
      environments: environments(chance, isElsewhere),
      variants: [
        variant(chance, name, timeoutsMs),
        ...Array.from({ length: fallbacks(chance, severity) }, (_, k) =>
          variant(chance, `${name}-${k + 1}`, timeoutsMs)
        )
      ],
      slowMs: Random.pick(chance, [5, 50, 3_000]),
      stopMs: Random.pick(chance, [1, 20, 100, 5_000])
    })
  })
}

const kinds = ["hard", "hard", "hard", "optional", "late"] as const
const severities = ["critical", "critical", "degraded", "warning"] as const

const environments = (chance: Random.Random, isElsewhere: number): ReadonlyArray<string> | undefined => {
  if (Random.chance(chance, isElsewhere)) return ["elsewhere"]
  return Random.chance(chance, 0.1) ? [environment] : undefined
}

/** How many: whoever may be degraded has one to fall back to. */
const fallbacks = (chance: Random.Random, severity: (typeof severities)[number]): number =>
  severity === "degraded" ? Random.between(chance, 1, 2) : Random.int(chance, 8) === 0 ? 1 : 0

const variant = (chance: Random.Random, name: string, timeoutsMs: ReadonlyArray<number>): Manifest.Variant => {
  const attempts = Random.between(chance, 1, 3)
  const timeoutMs = Random.pick(chance, timeoutsMs)
  return {
    name,
    attempts,
    timeoutMs,
    retryMs: attempts === 1 ? 0 : Random.pick(chance, [0, 10, 500, 4_000]) * (attempts - 1),
    deadlineMs: Random.chance(chance, 0.2) ? timeoutMs * Random.pick(chance, [0.5, 1, 1.5, 3]) : Infinity
  }
}

/** Limits for a boot of so many components, from one slot to one for each, from tight deadlines to ample ones. */
export const limits = (chance: Random.Random, size: number): Progress.Limits => {
  const isTight = Random.chance(chance, 0.3)
  const phase = () => {
    const maxMs = Random.pick(chance, isTight ? [200, 1_000, 5_000] : [10_000, 20_000])
    return { targetMs: maxMs / Random.pick(chance, [1, 2, 4]), maxMs }
  }
  return {
    slots: Random.chance(chance, 0.5) ? Random.between(chance, 1, Math.min(4, size)) : Random.between(chance, 1, size),
    scheduling: Random.chance(chance, 0.3) ? "phased" : "dataflow",
    bootMs: Random.pick(chance, isTight ? [300, 1_000, 10_000] : [30_000]),
    rollbackMs: Random.pick(chance, [50, 5_000, 60_000, 60_000]),
    phases: { pre: phase(), core: phase(), service: phase(), post: phase() }
  }
}

// --------------------------------------------------------------------------------------------------------- all graphs

/** A graph as lists of needs: `dag[i]` holds the nodes that node `i` waits for, ascending. */
export type Dag = ReadonlyArray<ReadonlyArray<number>>

/** Every DAG on `n` labelled nodes: 1, 1, 3, 25, 543 for `n` from 0 (OEIS A003024). Meant for `n` up to 4. */
export const labelledDags = (n: number): ReadonlyArray<Dag> => {
  const found: Array<Dag> = []
  for (let bits = 0; bits < 2 ** (n * n); bits++) {
    const dag = Array.from({ length: n }, (_, i) =>
      Array.from({ length: n }, (_, j) => j).filter((j) => ((bits >>> (i * n + j)) & 1) === 1)
    )
    if (isAcyclic(dag)) found.push(dag)
  }
  return found
}

/**
 * One DAG on `n` nodes of each shape: 1, 1, 2, 6, 31 for `n` from 0 (OEIS A003087). Every labelled DAG is one of these
 * with its nodes renamed. Renaming changes a boot in one way only: who goes first when components of equal urgency
 * compete for a slot, which names decide.
 */
export const allDags = (n: number): ReadonlyArray<Dag> => {
  const shapes = new Map<string, Dag>()
  for (const dag of labelledDags(n)) {
    // Needs point backwards, so that equal shapes look alike whatever their names.
    if (dag.some((needs, i) => needs.some((j) => j > i))) continue
    const key = permutations(n)
      .map((to) => keyOf(renamed(dag, to)))
      .reduce((least, key) => (key < least ? key : least))
    if (!shapes.has(key)) shapes.set(key, dag)
  }
  return [...shapes.values()]
}

/** The renamings of a graph's nodes that leave its edges as they are; the identity is one. */
export const automorphisms = (dag: Dag): ReadonlyArray<ReadonlyArray<number>> => {
  const key = keyOf(dag)
  return permutations(dag.length).filter((to) => keyOf(renamed(dag, to)) === key)
}

/** All orders of the numbers below `n`. */
export const permutations = (n: number): ReadonlyArray<ReadonlyArray<number>> =>
  n === 0
    ? [[]]
    : permutations(n - 1).flatMap((order) =>
        Array.from({ length: n }, (_, at) => [...order.slice(0, at), n - 1, ...order.slice(at)])
      )

const renamed = (dag: Dag, to: ReadonlyArray<number>): Dag => {
  const moved: Array<ReadonlyArray<number>> = dag.map(() => [])
  dag.forEach((needs, i) => {
    moved[to[i]!] = needs.map((j) => to[j]!).sort((a, b) => a - b)
  })
  return moved
}

const keyOf = (dag: Dag): string => dag.map((needs) => needs.join()).join(";")

/** Whoever needs nothing that is left goes, until nobody is left or nobody can go. */
const isAcyclic = (dag: Dag): boolean => {
  let left = dag.map((_, i) => i)
  for (;;) {
    const stays = left.filter((i) => dag[i]!.some((j) => left.includes(j)))
    if (stays.length === left.length) return stays.length === 0
    left = stays
  }
}

// ------------------------------------------------------------------------------------------------ the reference graph

/** A component of the reference graph: how long it takes to start, in milliseconds, and whom it waits for. */
interface Timed {
  readonly takesMs: number
  readonly needs: ReadonlyArray<string>
}

/** The node as the architecture review timed it, at one tenth: 487 ms of work, of which 227 ms are the longest path. */
const timed: { readonly [name: string]: Timed } = {
  config: { takesMs: 5, needs: [] },
  logger: { takesMs: 2, needs: ["config"] },
  telemetry: { takesMs: 10, needs: ["config", "logger"] },
  security: { takesMs: 20, needs: ["config", "logger"] },
  database: { takesMs: 80, needs: ["security"] },
  cache: { takesMs: 25, needs: ["security"] },
  network: { takesMs: 20, needs: ["security"] },
  amst: { takesMs: 20, needs: ["network"] },
  hde: { takesMs: 12, needs: ["network"] },
  pba: { takesMs: 25, needs: ["network"] },
  ass: { takesMs: 22, needs: ["network"] },
  acp: { takesMs: 15, needs: ["network"] },
  itp: { takesMs: 16, needs: ["network"] },
  transport: { takesMs: 8, needs: ["amst", "hde", "pba", "ass", "acp", "itp"] },
  discovery: { takesMs: 15, needs: ["transport"] },
  orchestrator: { takesMs: 32, needs: ["transport", "database"] },
  ml: { takesMs: 120, needs: ["database"] },
  api: { takesMs: 25, needs: ["orchestrator"] },
  monitoring: { takesMs: 15, needs: ["network"] }
}

/** How long each component of {@link reference} takes to start, in milliseconds, by name. */
export const referenceMs: { readonly [name: string]: number } = Object.fromEntries(
  Object.entries(timed).map(([name, { takesMs }]) => [name, takesMs])
)

/** The nineteen components by which boots are measured, with three attempts each. Critical path: 227 ms. */
export const reference: ReadonlyArray<Manifest.Manifest> = Object.entries(timed).map(([name, { needs }]) =>
  Manifest.make({
    name,
    needs,
    variants: [
      {
        name,
        attempts: 3,
        retryMs: 3_000,
        timeoutMs: Manifest.defaults.timeoutMs,
        deadlineMs: Infinity
      }
    ]
  })
)
