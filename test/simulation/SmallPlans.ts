/**
 * Families of small plans: all of a kind, up to the names of their components. Names decide one thing only, who goes
 * first among equally urgent ones that compete for a slot. So one naming stands for all where there are slots for
 * everybody; where there are fewer, every naming is tried of up to three components, and one of four.
 */
import { Manifest, Phase, Plan, type Progress } from "@novacron/boot/model"
import { Graphs } from "@novacron/simulation"
import { Result } from "effect"
import * as ModelCheck from "./ModelCheck.ts"

/** A plan to explore, and how. */
export interface Case {
  readonly plan: Plan.Plan
  readonly limits: Progress.Limits
  readonly scope: ModelCheck.Scope
}

/** What a family varies besides graph and severities. */
export interface Family {
  readonly sizes: ReadonlyArray<number>
  /** The counts of slots that are tried, for a size. */
  readonly slots: (size: number) => ReadonlyArray<number>
  /** Whether phases and the boot as a whole have deadlines. */
  readonly deadlines: boolean
  readonly scope: ModelCheck.Scope
  /** Every assignment of phases that plans allow, under both kinds of scheduling. */
  readonly phases?: true
  /** Each need hard or optional. */
  readonly kinds?: true
  /** Each component here or in another environment. */
  readonly elsewhere?: true
  /** Warnings with a fallback, too, for their graver failures. */
  readonly fallbacks?: true
}

const upTo = (n: number): ReadonlyArray<number> => Array.from({ length: n }, (_, k) => k + 1)
const plain: ModelCheck.Scope = { running: false, detours: false }
const thorough: ModelCheck.Scope = { running: false, detours: true }
const running: ModelCheck.Scope = { running: true, detours: true }
const byHand: ModelCheck.Scope = { running: true, detours: false, byHand: true }

/** What is explored by default, which takes about a minute. */
export const families = {
  "up to three, with deadlines": { sizes: [1, 2, 3], slots: upTo, deadlines: true, scope: thorough },
  "four, with four slots": { sizes: [4], slots: () => [4], deadlines: false, scope: plain },
  "up to two, while they run": { sizes: [1, 2], slots: upTo, deadlines: true, scope: running },
  "up to two, by hand": { sizes: [1, 2], slots: (n) => [n], deadlines: false, scope: byHand, kinds: true },
  "up to two, in all phases": { sizes: [1, 2], slots: upTo, deadlines: true, scope: thorough, phases: true },
  "up to two, with fallbacks for warnings": {
    sizes: [1, 2],
    slots: upTo,
    deadlines: true,
    scope: thorough,
    fallbacks: true
  },
  "up to three, with optional needs": { sizes: [2, 3], slots: (n) => [n], deadlines: false, scope: plain, kinds: true },
  "up to three, some of them elsewhere": {
    sizes: [1, 2, 3],
    slots: (n) => [n],
    deadlines: false,
    scope: plain,
    elsewhere: true
  }
} satisfies { readonly [name: string]: Family }

/** What `FULL=1` explores besides; hours, not minutes. */
export const fullFamilies = {
  "four, with deadlines": { sizes: [4], slots: upTo, deadlines: true, scope: thorough },
  "three, while they run": { sizes: [3], slots: upTo, deadlines: true, scope: running },
  "three, by hand": { sizes: [3], slots: (n) => [n], deadlines: false, scope: byHand },
  "three, in all phases": { sizes: [3], slots: upTo, deadlines: true, scope: thorough, phases: true },
  "four, with optional needs": { sizes: [4], slots: (n) => [n], deadlines: false, scope: plain, kinds: true }
} satisfies { readonly [name: string]: Family }

/** All cases of a family. */
export function* cases(family: Family): Generator<Case> {
  for (const size of family.sizes) {
    for (const slots of family.slots(size)) {
      const isCrowded = slots < size
      for (const dag of isCrowded && size < 4 ? Graphs.labelledDags(size) : Graphs.allDags(size)) {
        // Severities that differ by a renaming only are the same case, unless names matter.
        const renamings = isCrowded ? [] : Graphs.automorphisms(dag)
        for (const shape of shapes(family, dag)) {
          for (const severities of words(size, family.fallbacks ? [0, 1, 2, 3] : [0, 1, 2])) {
            if (renamings.some((to) => comesBefore(renamed(severities, to), severities, shape))) continue
            yield* casesOf(family, shape, severities, slots)
          }
        }
      }
    }
  }
}

/** A graph with what a family varies. */
interface Shape {
  readonly dag: Graphs.Dag
  /** By component. */
  readonly phases: ReadonlyArray<number>
  readonly elsewhere: ReadonlyArray<number>
  /** By component, then by need. */
  readonly optional: ReadonlyArray<ReadonlyArray<number>>
  /** Whether components of the graph can be told apart by more than their severity. */
  readonly plain: boolean
}

function* shapes(family: Family, dag: Graphs.Dag): Generator<Shape> {
  const size = dag.length
  const edges = dag.flatMap((needs) => needs)
  const isPlain = family.phases === undefined && family.kinds === undefined && family.elsewhere === undefined
  for (const phases of family.phases ? words(size, [0, 1, 3]) : [Array.from({ length: size }, () => 1)]) {
    if (dag.some((needs, i) => needs.some((need) => phases[need]! > phases[i]!))) continue
    for (const elsewhere of family.elsewhere ? words(size, [0, 1]) : [Array.from({ length: size }, () => 0)]) {
      for (const kinds of family.kinds ? words(edges.length, [0, 1]) : [edges.map(() => 0)]) {
        let edge = 0
        const optional = dag.map((needs) => needs.map(() => kinds[edge++]!))
        yield { dag, phases, elsewhere, optional, plain: isPlain }
      }
    }
  }
}

const kinds = [
  { severity: "critical", fallback: false },
  { severity: "degraded", fallback: true },
  { severity: "warning", fallback: false },
  { severity: "warning", fallback: true }
] as const

function* casesOf(
  { deadlines, phases, scope }: Family,
  shape: Shape,
  severities: ReadonlyArray<number>,
  slots: number
): Generator<Case> {
  const manifests = shape.dag.map((needs, i) =>
    component(
      nameOf(i),
      kinds[severities[i]!]!,
      needs.map((need, k) => ({ key: nameOf(need), kind: shape.optional[i]![k] === 1 ? "optional" : "hard" })),
      Phase.all[shape.phases[i]!]!,
      shape.elsewhere[i] === 1
    )
  )
  const plan = Result.getOrThrow(Plan.make(manifests))
  for (const scheduling of phases ? (["dataflow", "phased"] as const) : (["dataflow"] as const)) {
    yield { plan, limits: limitsOf(slots, scheduling, deadlines), scope }
  }
}

const nameOf = (i: number): string => "abcd"[i]!

/** Two attempts; a degraded component has a fallback with one, a warning may be absent. */
const component = (
  name: string,
  { fallback, severity }: (typeof kinds)[number],
  needs: ReadonlyArray<Manifest.Need>,
  phase: Phase.Phase,
  isElsewhere: boolean
): Manifest.Manifest => {
  const own = variant(name, 2)
  return Manifest.make({
    name,
    needs,
    phase,
    severity,
    optional: severity === "warning",
    environments: isElsewhere ? ["elsewhere"] : undefined,
    variants: fallback ? [own, variant(`${name}2`, 1)] : [own],
    slowMs: ModelCheck.shortMs,
    stopMs: ModelCheck.shortMs
  })
}

const variant = (name: string, attempts: number): Manifest.Variant => ({
  name,
  attempts,
  retryMs: ModelCheck.shortMs * (attempts - 1),
  timeoutMs: ModelCheck.shortMs,
  deadlineMs: Infinity
})

const limitsOf = (slots: number, scheduling: "dataflow" | "phased", hasDeadlines: boolean): Progress.Limits => {
  const maxMs = hasDeadlines ? ModelCheck.phaseMs : Infinity
  const phase = { targetMs: maxMs, maxMs }
  return {
    slots,
    scheduling,
    bootMs: hasDeadlines ? ModelCheck.bootMs : Infinity,
    rollbackMs: ModelCheck.rollbackMs,
    phases: { pre: phase, core: phase, service: phase, post: phase }
  }
}

/** All lists of so many letters. */
const words = (length: number, letters: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<number>> =>
  length === 0 ? [[]] : words(length - 1, letters).flatMap((word) => letters.map((letter) => [...word, letter]))

const renamed = (list: ReadonlyArray<number>, to: ReadonlyArray<number>): ReadonlyArray<number> =>
  list.map((_, i) => list[to[i]!]!)

/** Only where nothing but the severity tells components apart is a renaming the same case. */
const comesBefore = (a: ReadonlyArray<number>, b: ReadonlyArray<number>, shape: Shape): boolean =>
  shape.plain && a.join() < b.join()
