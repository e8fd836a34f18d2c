/**
 * Makes a failing case small: fewer faults, earlier ones, fewer components, no fuzz, no cancellation, as long as the
 * same promise is broken. What is left is what it takes.
 */
import type * as Case from "./Case.ts"
import type * as Fault from "./Fault.ts"
import type * as Trial from "./Trial.ts"

/** The smallest case found that still fails, after at most `limit` tries. */
export const shrink = (
  trial: Trial.Trial,
  failing: Case.Case,
  fails: (it: Case.Case) => boolean,
  limit = 500
): Case.Case => {
  let smallest = failing
  let tries = 0
  for (let again = true; again;) {
    again = false
    for (const smaller of candidates(trial, smallest)) {
      if (tries++ >= limit) return smallest
      if (!fails(smaller)) continue
      smallest = smaller
      again = true
      break
    }
  }
  return smallest
}

/** Cases that are smaller by one step, the longest steps first. */
function* candidates(trial: Trial.Trial, it: Case.Case): Generator<Case.Case> {
  const { cancelAtMs, components, faults, fuzz, stopAfterMs } = it
  if (faults.length > 3) {
    yield { ...it, faults: faults.slice(faults.length >> 1) }
    yield { ...it, faults: faults.slice(0, faults.length >> 1) }
  }
  for (let i = 0; i < faults.length; i++) yield { ...it, faults: faults.filter((_, j) => j !== i) }
  for (const without of droppable(trial, components)) {
    yield {
      ...it,
      components: components.filter((name) => name !== without),
      faults: faults.filter(({ component }) => component !== without)
    }
  }
  if (fuzz) yield { ...it, fuzz: false }
  if (cancelAtMs !== null) yield { ...it, cancelAtMs: null }
  for (let i = 0; i < faults.length; i++) {
    for (const fault of milder(faults[i]!)) yield { ...it, faults: faults.map((other, j) => (i === j ? fault : other)) }
  }
  if (stopAfterMs > 0) {
    yield { ...it, stopAfterMs: 0 }
    if (stopAfterMs > 1) yield { ...it, stopAfterMs: Math.floor(stopAfterMs / 2) }
  }
  if (cancelAtMs !== null && cancelAtMs > 1) yield { ...it, cancelAtMs: Math.floor(cancelAtMs / 2) }
  if (it.settings.concurrency !== undefined && it.settings.concurrency > 1) {
    yield { ...it, settings: { ...it.settings, concurrency: 1 } }
  }
}

/** Components whom none of the others needs. */
const droppable = (trial: Trial.Trial, names: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (names.length === 1) return []
  const chosen = trial.components.filter(({ recipe }) => names.includes(recipe.name))
  return chosen
    .filter(({ manifest: { name, provides } }) =>
      chosen.every(
        ({ manifest }) =>
          manifest.name === name || !manifest.needs.some(({ key, kind }) => kind !== "late" && provides.includes(key))
      )
    )
    .map(({ recipe }) => recipe.name)
}

/** The same fault, sooner or less. */
const milder = (fault: Fault.Fault): ReadonlyArray<Fault.Fault> => {
  const found: Array<Fault.Fault> = []
  if (fault.attempt > 1) found.push({ ...fault, attempt: fault.attempt - 1 })
  if ("await" in fault && fault.await > 0) found.push({ ...fault, await: 0 }, { ...fault, await: fault.await - 1 })
  if (fault._tag === "ProbeFails" && fault.times > 1) found.push({ ...fault, times: fault.times - 1 })
  if (fault._tag === "Flaps" && fault.period > 1) found.push({ ...fault, period: fault.period - 1 })
  if (fault._tag === "Slow" && fault.factor > 2) found.push({ ...fault, factor: Math.floor(fault.factor / 10) + 1 })
  return found
}
