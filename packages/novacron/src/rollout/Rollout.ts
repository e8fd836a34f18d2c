/**
 * The decisions of a rollout: from one share of the connections to the next, back at the first gate that closes, and done
 * when it has held at all of them. Pure: time and what was seen come from outside.
 */
import * as Gates from "./Gates.ts"

/** What is to happen. */
export interface Course {
  /** In per cent of new connections, ascending, the last one 100. One alone is blue-green, several are a canary. */
  readonly steps: ReadonlyArray<number>
  /** How long each step is held at the least, in milliseconds. */
  readonly holdMs: number
  readonly limits: Gates.Limits
}

/** Where it is. */
export interface Place {
  /** An index of `steps`. */
  readonly step: number
  readonly sinceMs: number
}

export type Decision =
  | { readonly _tag: "Stay" }
  | { readonly _tag: "Go"; readonly step: number; readonly percent: number }
  | { readonly _tag: "Back"; readonly because: string }
  | { readonly _tag: "Done" }

/** What is wrong with steps; nothing when they can be gone. */
export const problemOf = (steps: ReadonlyArray<number>): string | undefined => {
  if (steps.length === 0 || steps.some((one) => !Number.isInteger(one) || one < 1 || one > 100)) {
    return "steps are whole numbers from 1 to 100, in per cent of the connections"
  }
  if (steps.some((one, i) => i > 0 && one <= (steps[i - 1] ?? 0))) return "each step is larger than the one before"
  return steps.at(-1) === 100 ? undefined : "the last step is 100"
}

/** What to do now. */
export const decide = (course: Course, place: Place, nowMs: number, young: Gates.Seen, old: Gates.Seen): Decision => {
  const verdict = Gates.judge(course.limits, young, old)
  switch (verdict._tag) {
    case "Bad":
      return { _tag: "Back", because: verdict.because }
    case "TooEarly":
      return { _tag: "Stay" }
    case "Well": {
      if (nowMs - place.sinceMs < course.holdMs) return { _tag: "Stay" }
      const percent = course.steps[place.step + 1]
      return percent === undefined ? { _tag: "Done" } : { _tag: "Go", step: place.step + 1, percent }
    }
  }
}

/** Weights with so much for the new one, and the rest for those before it as they shared it. */
export const weights = (
  before: ReadonlyArray<{ readonly name: string; readonly weight: number }>,
  young: string,
  percent: number
): ReadonlyMap<string, number> => {
  const old = before.filter(({ name }) => name !== young)
  const total = old.reduce((sum, { weight }) => sum + weight, 0)
  const rest = (weight: number) => (total === 0 ? 0 : ((100 - percent) * weight) / total)
  return new Map([...old.map(({ name, weight }) => [name, rest(weight)] as const), [young, percent] as const])
}
