/**
 * A failing simulation as a file: everything that decided how it went, and the promise that was broken. Whoever has the
 * same components runs it again and sees the same.
 *
 * **Details**
 *
 * The file is JSON with a version. It keeps what of the options can be written; functions (a journal, a redaction, an
 * oracle) and policies of restoration are handed in again when it is run.
 *
 * **Example**
 *
 * ```ts
 * const [found] = Simulate.simulate([settings, cache, api], { seeds: 1000 }).violations
 * if (found !== undefined) fs.writeFileSync("cache.replay.json", Replay.encode(found.replay))
 * // later, and by somebody else:
 * const replay = Result.getOrThrow(Replay.decode(fs.readFileSync("cache.replay.json", "utf8")))
 * Replay.run([settings, cache, api], replay).reproduced // => true
 * ```
 */
import { type Boot, type Component, type Plan, Progress, type BootEvent } from "@novacron/boot"
import { type Result, Schema } from "effect"
import type * as Judge from "./Judge.ts"
import * as Case from "./Case.ts"
import * as Conformance from "./Conformance.ts"
import type * as Fault from "./Fault.ts"
import * as Trial from "./Trial.ts"

/** A broken promise, with what it takes to break it again. */
export const Replay = Schema.Struct({
  version: Schema.Literal(1),
  case: Case.Case,
  /** What came of it: found again when the same promise is broken. */
  violation: Schema.Struct({
    promise: Schema.String,
    message: Schema.String,
    component: Schema.optionalKey(Schema.String),
    atMs: Schema.Finite
  })
})
export type Replay = typeof Replay.Type

/** A replay of a case and what it broke. */
export const make = (it: Case.Case, violation: Judge.Violation): Replay => {
  const { atMs, component, message, promise } = violation
  return {
    version: 1,
    case: it,
    violation: { promise, message, atMs, ...(component === undefined ? {} : { component }) }
  }
}

/** The text of the file. */
export const encode = (replay: Replay): string => `${JSON.stringify(replay, undefined, 2)}\n`

/** Reads a file, or says what is wrong with it. */
export const decode = (text: string): Result.Result<Replay, Schema.SchemaError> => read(text)

const read = Schema.decodeUnknownResult(Schema.fromJsonString(Replay))

/** What became of a replay. */
export interface Replayed extends Trial.Verdict {
  /** Whether the promise of the file was broken again. */
  readonly reproduced: boolean
}

/** Runs a replay. The components are those of the file, or more; throws a RangeError when one of the file is not there. */
export const run = <const Cs extends ReadonlyArray<Component.Any>>(
  components: Trial.Complete<Cs>,
  replay: Replay,
  options: {
    readonly options?: Boot.RunOptions
    readonly errors?: Fault.Errors
    readonly oracle?: Trial.Oracle
  } = {}
): Replayed => {
  const { errors, options: boot, oracle } = options
  const given: ReadonlyArray<string> = components.map(({ recipe }) => recipe.name)
  const gone = replay.case.components.filter((name) => !given.includes(name))
  // Without them nothing would be broken, and a bug would seem mended.
  if (gone.length > 0) {
    throw new RangeError(
      `Replay: there is no component ${gone.map((name) => `"${name}"`).join(", ")} any more. There are: ` +
        `${given.join(", ") || "none"}. Correct the names in the file where components have another one now.`
    )
  }
  const trial = Trial.make(components, { boot, errors, oracle })
  const verdict = Trial.run(trial, replay.case)
  return { ...verdict, reproduced: verdict.violations.some(({ promise }) => promise === replay.violation.promise) }
}

/**
 * Whether a log, of a simulation or of a node, tells what the machine decides: the first difference, or undefined. The
 * plan and the limits are those of the boot.
 */
export const conforms = (
  plan: Plan.Plan,
  limits: Progress.Limits = Progress.defaultLimits,
  events: ReadonlyArray<BootEvent.BootEvent>
): Conformance.Difference | undefined => Conformance.check(plan, limits, events)
