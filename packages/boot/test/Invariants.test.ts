import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { type BootEvent, type Closing, decode, type Failure } from "../src/BootEvent.ts"
import * as Invariants from "../src/Invariants.ts"
import * as Manifest from "../src/Manifest.ts"
import * as Phase from "../src/Phase.ts"
import * as Plan from "../src/Plan.ts"
import * as Progress from "../src/Progress.ts"

/** The first violation in a whole log. */
const audit = (plan: Plan.Plan, limits: Progress.Limits, log: ReadonlyArray<BootEvent>, worstCaseMs = Infinity) => {
  const checker = Invariants.make(plan, limits)
  for (const event of log) {
    const violation = Invariants.check(checker, event)
    if (violation !== undefined) return violation
  }
  return Invariants.finish(checker) ?? Invariants.checkLiveness(checker, { worstCaseMs })
}

const samePhases = (targetMs: number, maxMs: number): Progress.Limits["phases"] => ({
  pre: { targetMs, maxMs },
  core: { targetMs, maxMs },
  service: { targetMs, maxMs },
  post: { targetMs, maxMs }
})

// ------------------------------------------------------------------------------------------------ logs written by hand

/**
 * `k` is of phase pre, `z` of post, the others of core. `b` falls back on `memory`. `c`, `d` and `e` are warnings. `x`
 * is of another environment, and `y` needs it.
 */
const plan = (() => {
  const variant = (name: string) => ({ name, attempts: 3, retryMs: 20, timeoutMs: 40, deadlineMs: 90 })
  const warning = { severity: "warning", optional: true, stopMs: 10 } as const
  const own = (name: string) => ({ name, stopMs: 10, variants: [variant(name)] as const })
  return Result.getOrThrow(
    Plan.make(
      [
        Manifest.make({ ...own("k"), phase: "pre" }),
        Manifest.make({ ...own("a") }),
        Manifest.make({ ...own("b"), severity: "degraded", needs: ["a"], variants: [variant("b"), variant("memory")] }),
        Manifest.make({ ...own("c"), ...warning, needs: ["a"] }),
        Manifest.make({ ...own("d"), ...warning, needs: ["c"] }),
        Manifest.make({ ...own("e"), ...warning }),
        Manifest.make({ ...own("x"), environments: ["there"] }),
        Manifest.make({ ...own("y"), environments: ["here"], needs: ["x"] }),
        Manifest.make({ ...own("z"), phase: "post", needs: ["b", { key: "d", kind: "optional" }] })
      ],
      { environment: "here" }
    )
  )
})()

const limits: Progress.Limits = {
  slots: 2,
  scheduling: "dataflow",
  bootMs: 200,
  rollbackMs: 25,
  phases: samePhases(50, 120)
}

const failureOf = (severity = "critical") => ({ kind: "error", tag: "Broken", message: "it broke", severity })

const reasonOf = (word = "") => {
  const [tag, of] = word.split(":")
  if (tag === "need") return { _tag: "Need", need: of }
  if (tag === "elsewhere") return { _tag: "Environment", environment: "here", only: ["there"] }
  return tag === "rolled" ? { _tag: "RolledBack", because: "" } : { _tag: "Failed", failure: failureOf(of) }
}

/** The events of a line such as `5 start b 0 1`. */
const fields = (verb: string, x = "", y = "", z = ""): object => {
  const inMs = z === "null" ? null : Number(z)
  const component = x
  switch (verb) {
    case "begin":
      return {
        _tag: "BootStarted",
        version: 1,
        bootId: "",
        nodeId: "",
        environment: "here",
        configVersion: "",
        startedAt: 0,
        concurrency: 2,
        worstCaseMs: 0,
        components: []
      }
    case "mark":
      return { _tag: "CheckpointReached", checkpoint: x }
    case "phase":
      return { _tag: "PhaseStarted", phase: x }
    case "late":
      return { _tag: "PhaseSlow", phase: x, waitingFor: [y] }
    case "READY":
      return { _tag: "BootReady", outcome: x }
    case "rollback":
      return { _tag: "RollbackStarted", why: x, because: "", budgetMs: Number(y || limits.rollbackMs) }
    case "END":
      return { _tag: "BootEnded", outcome: x, clean: y === "clean" }
    case "start":
      return { _tag: "ComponentStarted", component, variant: Number(y), attempt: Number(z) }
    case "degraded":
      return { _tag: "ComponentDegraded", component, fallback: y, reason: reasonOf(z) }
    case "slow":
      return { _tag: "ComponentSlow", component, runningMs: 1 }
    case "fails":
      return { _tag: "AttemptFailed", component, attempt: 1, failure: failureOf(y), retryInMs: inMs }
    case "fails2":
      return { _tag: "AttemptFailed", component, attempt: 2, failure: failureOf(y), retryInMs: inMs }
    case "closed":
      return { _tag: "AttemptClosed", component, closing: y }
    case "delay":
      return { _tag: "ComponentBackoff", component, untilMs: Number(y) }
    case "fallback":
      return { _tag: "FallbackChosen", component, variant: Number(y), fallback: z }
    case "absent":
    case "skipped":
      return { _tag: verb === "absent" ? "ComponentAbsent" : "ComponentSkipped", component, reason: reasonOf(y) }
    case "FAILED":
      return { _tag: "ComponentFailed", component, failure: failureOf(y) }
    case "stopped":
      return { _tag: "ComponentStopped", component, closing: y }
    case "swap":
      return { _tag: "SwapStarted", component, variant: Number(y) }
    case "down": {
      const [how, of] = y.split(":")
      return { _tag: "ComponentStopping", component, byHand: { how, of } }
    }
    case "exchange":
      return { _tag: "SwapStarted", component, variant: Number(y), byHand: { how: "exchange", of: component } }
    case "swapped":
      return { _tag: "SwapCompleted", component, variant: Number(y), closing: z }
    case "unswapped":
      return { _tag: "SwapFailed", component, variant: Number(y), failure: failureOf("warning"), retryInMs: null }
    case "health":
      return { _tag: "HealthChanged", component, healthy: y === "good", message: "" }
    default:
      return { _tag: `Component${verb}`, component }
  }
}

const read = (line: string): BootEvent => {
  const [atMs, verb = "", ...words] = line.split(" ")
  return Result.getOrThrow(decode({ atMs: Number(atMs), ...fields(verb, ...words) }))
}

/** Lines, several of one moment behind each other: `5: Ready a, start b 0 1`. */
const lines = (text: string): ReadonlyArray<string> =>
  text
    .trim()
    .split("\n")
    .flatMap((row) => {
      const [atMs, said = ""] = row.trim().split(": ")
      return said.split(", ").map((words) => `${atMs} ${words}`)
    })

const opening = `
  0: begin, mark init_start, absent x elsewhere, skipped y need:x, phase pre, start k 0 1
  1: Acquired k
  2: Ready k, mark pre_init_complete, phase core, start a 0 1, start e 0 1
  3: Acquired a, Acquired e, Acquired a/inner`
const complete = "mark core_init_complete, phase service, mark service_init_complete"

const logs = {
  /** Everything comes up, and is stopped. */
  plain: lines(`${opening}
  5: Ready a, start b 0 1, Queued c
  6: slow b, Acquired b, Ready e, start c 0 1, Acquired c
  7: Ready b
  8: Ready c, start d 0 1
  9: Acquired d
  10: Ready d, ${complete}, phase post, start z 0 1
  12: Acquired z, Ready z, mark init_complete
  13: READY ready
  20: health b bad, swap b 1
  22: swapped b 1 clean
  23: swap b 0
  25: unswapped b 0
  30: rollback stopped, Stopping z, Stopping e, Stopping k
  31: stopped z clean, Stopping d, Stopping b
  32: stopped e failed, stopped d clean, Stopping c
  33: stopped c clean, stopped b clean, Stopping a
  40: stopped k abandoned
  41: stopped a clean, END stopped unclean`),

  /** `b` is tried again, falls back, is restored; everybody is stopped, and the budget ends it. */
  fallback: lines(`${opening}
  5: Ready a, start b 0 1, Queued c
  6: Ready e, start c 0 1, fails b degraded 3, Acquired c, Ready c, start d 0 1
  8: closed b clean, delay b 11, Acquired d, Ready d
  11: start b 0 2
  51: Interrupted b, fails2 b degraded null
  52: late core b
  53: closed b failed, fallback b 1 memory, start b 1 1
  54: Acquired b
  55: degraded b memory failed:degraded, ${complete}, phase post, start z 0 1
  56: Acquired z, Ready z, mark init_complete
  57: READY degraded
  70: swap b 0
  80: swapped b 0 clean
  90: rollback stopped, Stopping z, Stopping e, Stopping k
  91: stopped e clean, stopped k clean
  100: stopped z abandoned, Stopping b, Stopping d
  101: stopped d clean, Stopping c, stopped c clean
  110: stopped b abandoned, Stopping a
  115: stopped a abandoned, END stopped unclean`),

  /** `c` is absent and `d` skipped with it; both come late. */
  absent: lines(`${opening}
  5: Ready a, start b 0 1, Queued c
  6: Ready e, start c 0 1, Acquired b, Ready b
  7: fails c warning null
  17: closed c abandoned, absent c failed:warning, skipped d need:c, ${complete}, phase post, start z 0 1
  18: Acquired z, Ready z, mark init_complete
  19: READY ready
  50: start c 0 1
  51: Acquired c, Ready c, start d 0 1, Acquired d
  52: Ready d
  60: rollback stopped, Stopping z, Stopping e, Stopping k
  61: stopped z clean, Stopping b, Stopping d, stopped b clean, stopped d clean, Stopping c, stopped c clean, Stopping a
  62: stopped a clean, stopped e clean, stopped k clean, END stopped unclean`),

  /** `b` fails the boot while `c` starts; the finalizer of `a` fails, that of `k` hangs. */
  failed: lines(`${opening}
  5: Ready a, start b 0 1, Queued c
  6: Ready e, start c 0 1, fails b critical null
  7: closed b clean, FAILED b critical, rollback failed, Interrupted c, skipped d rolled, skipped z rolled, Stopping e
  7: Stopping k
  8: stopped e clean, closed c clean, skipped c rolled, Stopping a
  9: stopped a failed
  17: stopped k abandoned, END failed unclean`),

  /** A chain of hanging finalizers is longer than the budget, which meets `a` before its turn has come. */
  budget: lines(`${opening}
  5: Ready a, start b 0 1, Queued c
  6: Ready e, start c 0 1, Acquired b, Ready b, Acquired c, Ready c, start d 0 1, Acquired d
  7: Ready d, ${complete}, phase post, start z 0 1
  8: rollback cancelled, Interrupted z, Stopping e, Stopping k
  9: stopped e clean, stopped k clean
  18: closed z abandoned, skipped z rolled, Stopping b, Stopping d
  19: stopped b clean
  28: stopped d abandoned, Stopping c
  33: stopped a abandoned, stopped c abandoned, END cancelled unclean`),

  /** What `a` held cannot be closed, so it is not tried again. */
  hopeless: lines(`${opening}
  4: Ready e
  42: Interrupted a, fails a critical 5
  43: closed a clean, delay a 48
  48: start a 0 2
  52: late core a
  88: Interrupted a, fails2 a critical 9
  98: closed a abandoned, FAILED a critical, rollback failed, skipped b rolled, skipped c rolled, skipped d rolled
  98: skipped z rolled, Stopping e, Stopping k, stopped k clean, stopped e clean, END failed unclean`),

  /** `c` is restarted with all who hold it, `b` is exchanged, `e` is stopped and restored, and `c` is taken out. */
  byHand: lines(`${opening}
  5: Ready a, start b 0 1, Queued c
  6: Ready e, start c 0 1, Acquired b, Ready b, Acquired c, Ready c, start d 0 1, Acquired d
  7: Ready d, ${complete}, phase post, start z 0 1
  8: Acquired z, Ready z, mark init_complete
  9: READY ready
  20: down z restart:c
  21: stopped z clean, down d restart:c
  22: stopped d clean, down c restart:c
  23: stopped c clean, start c 0 1
  24: Acquired c, Ready c, start d 0 1
  25: Acquired d, Ready d, start z 0 1
  26: Acquired z, Ready z, exchange b 0
  27: swapped b 0 clean
  30: down e stop:e
  31: stopped e clean
  32: start e 0 1
  33: Acquired e, Ready e
  40: rollback stopped, Stopping z, Stopping e, Stopping k
  41: stopped z clean, Stopping d, Stopping b, stopped e clean, stopped k clean, stopped b clean
  42: stopped d clean, Stopping c
  43: stopped c clean, Stopping a
  44: stopped a clean, END stopped clean`),

  /** `c` cannot be closed when it is restarted, so it stays down, and `d` without it. */
  held: lines(`${opening}
  5: Ready a, start b 0 1, Queued c
  6: Ready e, start c 0 1, Acquired b, Ready b, Acquired c, Ready c, start d 0 1, Acquired d
  7: Ready d, ${complete}, phase post, start z 0 1
  8: Acquired z, Ready z, mark init_complete
  9: READY ready
  20: down z restart:c
  21: stopped z clean, down d restart:c
  22: stopped d clean, down c restart:c
  32: stopped c abandoned, skipped d need:c, start z 0 1
  33: Acquired z, Ready z
  40: rollback stopped, Stopping z, Stopping e, Stopping k
  41: stopped z clean, Stopping b, stopped b clean, stopped e clean, stopped k clean, Stopping a
  44: stopped a clean, END stopped unclean`),

  /** The phase core is out of time while `a` starts. */
  phaseDeadline: lines(`${opening}
  4: Ready e
  32: Interrupted a, rollback deadline, skipped b rolled, skipped c rolled, skipped d rolled, skipped z rolled
  32: Stopping e, Stopping k, fails a critical null
  33: closed a clean, FAILED a critical, stopped e clean, stopped k clean, END failed clean`),

  /** The boot is out of time while `a` waits for its next attempt. */
  bootDeadline: lines(`${opening}
  4: Ready e
  20: fails a critical 20
  21: closed a clean, delay a 41
  40: FAILED a critical, rollback deadline, skipped b rolled, skipped c rolled, skipped d rolled, skipped z rolled
  40: Stopping e, Stopping k
  41: stopped e clean, stopped k clean, END failed clean`),

  /** A setting of `a` cannot be right. */
  invalid: lines(`
  3: begin, FAILED a degraded, rollback failed, skipped b rolled, skipped c rolled, skipped d rolled, skipped e rolled
  3: skipped k rolled, skipped x rolled, skipped y rolled, skipped z rolled, END failed clean`),

  /** It is asked to stop before it has begun. */
  stillborn: lines(`
  0: begin, rollback cancelled, skipped a rolled, skipped b rolled, skipped c rolled, skipped d rolled, skipped e rolled
  0: skipped k rolled, skipped x rolled, skipped y rolled, skipped z rolled, END cancelled clean`)
}

type Name = keyof typeof logs
const isName = (name: string): name is Name => name in logs

const limitsOf = (name: Name): Progress.Limits =>
  name === "bootDeadline"
    ? { ...limits, bootMs: 40 }
    : name === "phaseDeadline"
      ? { ...limits, phases: samePhases(20, 30) }
      : limits

const auditOf = (name: Name, log = logs[name]) => audit(plan, limitsOf(name), log.map(read))

/**
 * Which promise is broken, in which log, when which line gives way to which others, and why; `=` is the line itself.
 */
const mutations = `
  0 | plain | 7 Ready b | 7 slow nobody | an unknown component
  0 | plain | 1 Acquired k | 1 begin | a beginning in the middle
  0 | plain | 7 Ready b | =, 7 Ready d | readiness of what has not started
  0 | failed | 8 closed c clean | 8 Ready c | readiness after an interruption
  0 | fallback | 55 degraded b memory failed:degraded | 55 Ready b | a fallback that says it is none
  0 | fallback | 70 swap b 0 | | the end of a swap that did not begin
  0 | fallback | 52 late core b | 52 late pre b | a slow phase that is complete
  0 | fallback | 52 late core b | 52 late core a | a phase that waits for what is up
  0 | failed | 17 END failed unclean | =, 18 health b bad | an event after the end
  1 | plain | 3 Acquired a | 3 start b 0 1 | a start before a hard need is up
  1 | plain | 9 Acquired d | 9 phase post, 9 start z 0 1 | a start before an optional need has settled
  1 | absent | 50 start c 0 1 | 50 start d 0 1 | a start while a need is absent
  1 | plain | 1 Acquired k | 1 phase core | a phase before pre is complete
  1 | plain | 3 Acquired a | 3 phase post | post before everything critical has settled
  1 | plain | 13 READY ready | =, 13 start x 0 1 | a start in another environment
  2 | plain | 7 Ready b | =, 7 start b 0 2 | a start of what is up
  2 | fallback | 51 Interrupted b | 51 start b 0 3 | a start of what is starting
  2 | plain | 6 Acquired b | =, = | two acquisitions in one attempt
  2 | fallback | 70 swap b 0 | =, = | two swaps at a time
  2 | plain | 12 Acquired z | =, 12 swap b 1 | a swap before the boot is ready
  3 | fallback | 11 start b 0 2 | 11 start b 0 3 | an attempt left out
  3 | fallback | 11 start b 0 2 | 10 start b 0 2 | a retry before its delay is over
  3 | fallback | 8 delay b 11 | 8 delay b 12 | another delay than the policy's
  3 | fallback | 6 fails b degraded 3 | 6 fails b degraded null | a retry after the end of the policy
  3 | hopeless | 98 FAILED a critical | 98 delay a 107 | a retry of what could not be closed
  3 | fallback | 53 fallback b 1 memory | 53 fallback b 2 memory | a fallback left out
  3 | fallback | 53 fallback b 1 memory | | a fallback that nobody chose
  3 | fallback | 51 fails2 b degraded null | 51 fails2 b critical null | a fallback after a critical failure
  3 | fallback | 51 Interrupted b | 52 Interrupted b | an attempt past its deadline
  3 | fallback | 6 fails b degraded 3 | =, = | two failures of one attempt
  3 | plain | 20 swap b 1 | 20 swap b 0 | a swap for the same
  4 | plain | 5 Queued c | 5 start c 0 1 | more attempts than slots
  5 | failed | 7 rollback failed | 7 start z 0 1 | a start after the failure
  5 | hopeless | 98 FAILED a critical | =, 99 health e bad | a failure that nothing follows
  5 | absent | 7 fails c warning null | 7 fails c critical null | a critical failure that is absorbed
  5 | plain | 30 rollback stopped | =, 30 swap b 1 | a swap during a rollback
  5 | phaseDeadline | 33 FAILED a critical | 33 delay a 40 | a retry during a rollback
  5 | failed | 7 Interrupted c | 7 Acquired c, 7 Ready c | readiness during a rollback
  6 | plain | 31 stopped z clean | =, = | a second release
  6 | fallback | 8 closed b clean | =, = | a second closing
  6 | plain | 41 stopped a clean | | a release left out
  6 | plain | 30 Stopping z | 30 Stopping b | a need that stops before its dependent
  6 | plain | 25 unswapped b 0 | =, 25 Stopping e | a stop while nothing is taken down
  6 | failed | 7 Interrupted c | | a closing of what was not told to stop
  6 | absent | 17 skipped d need:c | 17 skipped b need:a | something up that is skipped
  6 | plain | 41 END stopped unclean | | a log without an end
  7 | plain | 30 rollback stopped | =, = | a second rollback
  7 | plain | 30 rollback stopped | 30 rollback stopped 60 | another budget than the limits'
  7 | plain | 40 stopped k abandoned | 39 stopped k abandoned | a finalizer abandoned too soon
  7 | plain | 40 stopped k abandoned | 41 stopped k abandoned | a finalizer abandoned too late
  7 | fallback | 110 Stopping a | | a rollback that stands still
  7 | budget | 33 END cancelled unclean | 34 END cancelled unclean | a rollback longer than its budget
  8 | fallback | 53 fallback b 1 memory | 53 FAILED b degraded | a degraded failure that fails the boot
  8 | fallback | 53 fallback b 1 memory | 53 FAILED b critical | a degraded failure made critical
  9 | absent | 17 absent c failed:warning | 17 FAILED c warning | a warning that fails the boot
  9 | absent | 17 absent c failed:warning | 17 FAILED c critical | a warning made critical
  9 | absent | 5 Queued c | 5 Interrupted e | a warning that interrupts another
  9 | absent | 17 skipped d need:c | 17 skipped z need:c | a warning that skips who does not need it
  9 | absent | 17 skipped d need:c | 17 FAILED z critical | a warning that fails another
  9 | plain | 30 rollback stopped | 30 rollback failed | a boot that failed without a failure
  10 | plain | 13 READY ready | =, = | READY twice
  10 | plain | 12 mark init_complete | 12 READY ready | READY before the last checkpoint
  10 | absent | 19 READY ready | 19 READY degraded | READY with more lost than a warning
  10 | fallback | 57 READY degraded | 58 READY ready | READY as if on no fallback
  10 | failed | 7 rollback failed | =, 7 READY degraded | READY during a rollback
  10 | fallback | 53 fallback b 1 memory | 53 absent b failed:warning | something vital that is absent
  10 | plain | 9 Acquired d | 9 mark core_init_complete | a checkpoint of what has not settled
  10 | plain | 10 mark service_init_complete | | a checkpoint left out
  10 | plain | 2 mark pre_init_complete | =, = | a checkpoint twice
  10 | plain | 10 phase post | =, = | a phase twice
  10 | plain | 2 phase core | | a start before its phase
  14 | plain | 7 Ready b | 5 Ready b | time that runs backwards
  15 | failed | 7 skipped z rolled | | a story without an end
  15 | plain | 0 skipped y need:x | 0 absent y elsewhere | an absence that the environment does not explain
  15 | fallback | 55 degraded b memory failed:degraded | 55 degraded b memory need:a | a fallback without a failure
  15 | failed | 7 skipped d rolled | 7 skipped d need:c | a need as the reason for a rollback
  15 | plain | 41 END stopped unclean | 41 END failed unclean | another outcome than the reason
  15 | plain | 41 END stopped unclean | 41 END stopped clean | a clean end after a closing that was not
  15 | bootDeadline | 41 END failed clean | 41 END failed unclean | an unclean end after clean closings
  15 | plain | 30 rollback stopped | 30 rollback cancelled | a ready boot that is cancelled
  15 | budget | 8 rollback cancelled | 8 rollback stopped | a stop before it was ready
  15 | budget | 8 rollback cancelled | 8 rollback deadline | a deadline that has not passed
  18 | fallback | 8 delay b 11 | | a closed attempt that nothing follows
  19 | byHand | 20 down z restart:c | 20 down z restart:e | one that goes down for what it does not hold
  19 | byHand | 20 down z restart:c | 20 down z stop:c | one that goes down, and nothing goes without it
  19 | byHand | 24 start d 0 1 | =, 24 start z 0 1 | one that starts before all that went down with it is back
  19 | byHand | 27 swapped b 0 clean | =, 27 down z exchange:b | one that goes down for an exchange
  19 | byHand | 9 READY ready | 9 down z restart:z | one that goes down before the boot is ready
  6 | byHand | 21 down d restart:c | 21 Stopping d | one that goes down, and nobody has asked
  6 | byHand | 21 down d restart:c | 21 down c restart:c | a need that goes down before its dependent
  2 | byHand | 22 down c restart:c | 22 start c 0 1 | a start of what has not gone down
  9 | byHand | 24 start d 0 1 | 24 skipped d need:c | one that is skipped for want of what is back
  0 | byHand | 31 stopped e clean | =, 31 skipped e need:a | one taken out that is skipped
  3 | byHand | 26 exchange b 0 | 26 swap b 0 | an exchange that nobody has asked for
  9 | held | 32 skipped d need:c | 32 skipped d need:a | a need that is there as the reason
`
  .trim()
  .split("\n")
  .map((row) => row.split("|").map((cell) => cell.trim()))
  .map(([breaks = "", of = "", line = "", by = "", why = ""]) => ({ breaks: Number(breaks), of, line, by, why }))

/** The log with one line replaced. */
const mutate = (log: ReadonlyArray<string>, line: string, by: string): ReadonlyArray<string> => {
  assert.strictEqual(log.filter((one) => one === line).length, 1, `"${line}" is there, once`)
  const instead = by.split(", ").map((one) => (one === "=" ? line : one))
  return log.flatMap((one) => (one === line ? instead.filter((one) => one !== "") : [one]))
}

// ------------------------------------------------------------------------------------------ worlds, one for each seed

/** Numbers that are the same for the same seed (mulberry32). */
const chances = (seed: number) => {
  let a = seed | 0
  const next = () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (n: number) => Math.floor(next() * n)
  const oneOf = <A>(...options: readonly [A, ...ReadonlyArray<A>]): A => options[below(options.length)] ?? options[0]
  return { next, below, oneOf, happens: (share: number) => next() < share }
}

type Answer = (atMs: number) => Progress.Input

/** Boots a plan where things take their time, fail, hang, are restored and stopped, until everything is down. */
const bootInWorld = (plan: Plan.Plan, limits: Progress.Limits, seed: number): ReadonlyArray<BootEvent> => {
  const { below, happens, next, oneOf } = chances(seed)
  const state = Progress.make(plan, limits)
  const out: Progress.Output = { events: [], commands: [] }
  const log: Array<BootEvent> = []
  const pending: Array<{ readonly atMs: number; readonly answer: Answer; readonly counts: () => boolean }> = []
  const attempts = plan.components.map(() => 0)
  const [faults, hangs] = [oneOf(0, 0.05, 0.15, 0.4), oneOf(0, 0.05, 0.3)]
  const [inWholeMs, pace] = [happens(0.7), oneOf(3, 10, 25)]
  let nowMs = 0

  const delay = (mostMs: number) => (inWholeMs ? below(mostMs + 1) : next() * mostMs)
  const later = (inMs: number, answer: Answer, counts = () => true) => {
    pending.push({ atMs: nowMs + inMs, answer, counts })
  }
  /** What an attempt says no longer counts when it has been told to stop, or another one has begun. */
  const only = (i: number) => {
    const mine = ++attempts[i]!
    return () => attempts[i] === mine
  }
  const failure = (i: number): Failure => {
    const { optional, severity, variants } = plan.components[i]!
    const mild = severity === "degraded" || (optional && happens(0.3)) ? "degraded" : severity
    const isLast = state.variant[i]! + 1 >= variants.length
    const word = happens(0.15) || (mild === "degraded" && isLast) ? "critical" : mild
    return { kind: "error", tag: "Broken", message: "it broke", severity: word }
  }
  const fail = (i: number, why: Failure, inMs: number, counts: () => boolean) => {
    const { attempts, retryMs } = plan.components[i]!.variants[state.variant[i]!]!
    const retryInMs = attempts === 1 || happens(0.1) ? null : delay(retryMs / (attempts - 1))
    const restoreInMs = happens(0.5) ? null : delay(60)
    later(inMs, (atMs) => ({ _tag: "Failed", atMs, component: i, failure: why, retryInMs, restoreInMs }), counts)
  }
  const close = (i: number, inMs: number, counts: () => boolean) => {
    const closing: Closing = happens(0.15) ? "failed" : "clean"
    const tookMs = inMs + delay(happens(0.8) ? 3 : 30)
    if (!happens(hangs)) later(tookMs, (atMs) => ({ _tag: "Closed", atMs, component: i, closing }), counts)
  }
  const start = (i: number) => {
    const counts = only(i)
    const [acquiredMs, probedMs] = [delay(pace), delay(pace / 2)]
    const trouble = happens(hangs) ? "hangs" : happens(faults) ? oneOf("start", "probe") : "none"
    if (trouble === "hangs") return
    if (trouble !== "start") later(acquiredMs, (atMs) => ({ _tag: "Acquired", atMs, component: i }), counts)
    const inMs = acquiredMs + probedMs
    if (trouble === "none") return later(inMs, (atMs) => ({ _tag: "Healthy", atMs, component: i }), counts)
    fail(i, failure(i), inMs, counts)
    close(i, inMs, counts)
  }
  const interrupt = (i: number, late: Progress.Late | undefined) => {
    const counts = only(i)
    const inMs = happens(0.7) ? 0 : delay(10)
    if (late !== undefined) fail(i, late.failure, inMs, counts)
    else if (happens(0.2)) fail(i, failure(i), inMs, counts)
    close(i, inMs, counts)
  }
  const swap = (i: number, variant: number) => {
    const [base, inMs, why] = [{ component: i, variant }, delay(20), failure(i)]
    const [closing, restoreInMs] = [oneOf<Closing>("clean", "clean", "failed"), happens(0.5) ? null : delay(60)]
    if (happens(0.1)) return
    if (happens(0.7)) later(inMs, (atMs) => ({ ...base, _tag: "Swapped", atMs, closing, restoreInMs }))
    else later(inMs, (atMs) => ({ ...base, _tag: "SwapFailed", atMs, failure: why, retryInMs: restoreInMs }))
  }
  const execute = (command: Progress.Command) => {
    switch (command._tag) {
      case "Start":
        return start(command.component)
      case "Interrupt":
        return interrupt(command.component, command.late)
      case "Release":
        return close(command.component, 0, only(command.component))
      case "Abandon":
        return void only(command.component)
      case "Persist":
        return later(delay(3), (atMs) => ({ _tag: "Persisted", atMs }))
      case "Swap":
        return swap(command.component, command.variant)
      case "End":
        return
    }
  }
  const stop = (inMs: number) => later(inMs, (atMs) => ({ _tag: "Stop", atMs, because: "somebody" }))

  const n = plan.components.length
  const failures = new Map([
    [below(n), { ...failure(0), severity: oneOf<"critical" | "degraded">("critical", "degraded") }]
  ])
  if (happens(0.02)) stop(0)
  if (happens(0.02)) later(0, (atMs) => ({ _tag: "Invalid", atMs, failures }))
  later(0, (atMs) => ({ _tag: "Begin", atMs }))
  if (happens(0.3)) stop(delay(120))
  for (let k = below(6); k > 0; k--) {
    const [i, healthy] = [below(n), happens(0.2)]
    later(delay(600), (atMs) => ({ _tag: "Restore", atMs, component: i }))
    const how = oneOf<"exchange" | "restart" | "stop">("exchange", "restart", "restart", "stop")
    later(delay(600), (atMs) => ({ _tag: "ByHand", atMs, component: below(n), how }))
    const turned: Answer = (atMs) => ({ _tag: "HealthChanged", atMs, component: i, healthy, message: "" })
    later(delay(600), turned, () => Progress.isUp(state, i))
  }
  stop(1500)

  for (let steps = 0; state.stage !== "ended"; steps++) {
    assert.isBelow(steps, 20_000, "the boot comes to an end")
    const wakeMs = Progress.nextWakeMs(state) ?? Infinity
    const next = pending.reduce((first, { atMs }, k) => (atMs < (pending[first]?.atMs ?? Infinity) ? k : first), -1)
    const dueMs = pending[next]?.atMs ?? Infinity
    assert.isBelow(Math.min(wakeMs, dueMs), Infinity, "something will happen")
    const isTick = wakeMs < dueMs || (wakeMs === dueMs && happens(0.5))
    nowMs = Math.max(nowMs, Math.min(wakeMs, dueMs))
    const said = isTick ? undefined : pending.splice(next, 1)[0]
    if (said?.counts() === false) continue
    Progress.advance(state, said?.answer(nowMs) ?? { _tag: "Tick", atMs: nowMs }, out)
    log.push(...out.events.splice(0))
    for (const command of out.commands.splice(0)) execute(command)
  }
  return log
}

const anyVariant = fc.record({
  attempts: fc.integer({ min: 1, max: 3 }),
  capMs: fc.constantFrom(0, 5, 10),
  timeoutMs: fc.constantFrom(10, 20, 40),
  deadlineMs: fc.constantFrom(Infinity, Infinity, 30, 60)
})

const anyNode = fc.record({
  phase: fc.integer({ min: 0, max: 3 }),
  severity: fc.constantFrom<Failure["severity"]>("critical", "critical", "degraded", "warning", "warning"),
  needs: fc.array(
    fc.record({
      back: fc.nat({ max: 11 }),
      kind: fc.constantFrom<Manifest.Need["kind"]>("hard", "hard", "optional", "late"),
      isBrave: fc.nat({ max: 9 }).map((n) => n === 0)
    }),
    { maxLength: 3 }
  ),
  variants: fc.array(anyVariant, { minLength: 1, maxLength: 3 }),
  environments: fc.nat({ max: 15 }).map((n) => (n > 1 ? undefined : [n === 0 ? "here" : "there"])),
  slowMs: fc.constantFrom(5, 100),
  stopMs: fc.constantFrom(5, 10, 20),
  priority: fc.nat({ max: 2 })
})

/** What components can be made of: who is optional is a warning, and who is degraded has a fallback. */
const anyPlan = fc.array(anyNode, { minLength: 1, maxLength: 12 }).map((nodes) => {
  const phases = nodes.map(({ phase }) => phase).toSorted((a, b) => a - b)
  const name = (k: number) => `${"qwertyuiopas"[(k * 7) % 12]}${k}`
  const manifests = nodes.map(({ needs, severity, variants, ...node }, k) => {
    const [first, ...rest] = variants.map(({ capMs, ...variant }, at) => ({
      ...variant,
      name: `v${at}`,
      retryMs: capMs * (variant.attempts - 1)
    }))
    const optional = severity === "warning"
    return Manifest.make({
      ...node,
      name: name(k),
      phase: Phase.all[phases[k]!]!,
      severity: severity === "degraded" && rest.length === 0 ? "critical" : severity,
      optional,
      variants: [first!, ...rest],
      needs: (k === 0 ? [] : needs).map(({ back, isBrave, kind }) => {
        // Types forbid a hard need on what is optional; the brave ones fail with it, when nothing else may.
        const isForbidden = !optional && nodes[back % k]!.severity === "warning"
        const mayBe = !isForbidden || (isBrave && node.environments === undefined)
        return { key: name(back % k), kind: kind === "hard" && !mayBe ? "optional" : kind }
      })
    })
  })
  return Result.getOrThrow(Plan.make(manifests, { environment: "here" }))
})

const anyLimits = fc
  .record({
    slots: fc.integer({ min: 1, max: 4 }),
    scheduling: fc.constantFrom<Progress.Limits["scheduling"]>("dataflow", "phased"),
    bootMs: fc.constantFrom(80, 300, 5000),
    rollbackMs: fc.constantFrom(15, 60, 1000),
    phaseMs: fc.constantFrom(40, 200, 5000)
  })
  .map(({ phaseMs, ...limits }): Progress.Limits => ({ ...limits, phases: samePhases(phaseMs / 2, phaseMs) }))

/** What `BootStarted` promises, without the rollback. */
const worstCaseMs = (plan: Plan.Plan, limits: Progress.Limits) =>
  Math.min(Plan.worstCaseMs(plan, limits), limits.bootMs + Math.max(...plan.components.map(({ stopMs }) => stopMs)))

/** What the worlds must have shown for their silence to mean something. */
const everything = `
  ComponentQueued ComponentSlow ComponentDegraded ComponentBackoff FallbackChosen ComponentAbsent ComponentSkipped
  ComponentInterrupted PhaseSlow SwapCompleted SwapFailed HealthChanged ready degraded stopped cancelled failed deadline
  clean abandoned exchange restart stop`
  .trim()
  .split(/\s+/)

describe("Invariants", () => {
  it("finds nothing wrong with what Progress decides, in any world", () => {
    const seen = new Map<string, number>()
    const count = (word: string) => seen.set(word, (seen.get(word) ?? 0) + 1)
    const runs = Number(process.env["SEEDS"] ?? 4000)
    fc.assert(
      fc.property(anyPlan, anyLimits, fc.integer(), (plan, limits, seed) => {
        const log = bootInWorld(plan, limits, seed)
        for (const event of log) {
          count(event._tag)
          if ("byHand" in event && event.byHand !== undefined) count(event.byHand.how)
          if ("closing" in event) count(event.closing)
          if ("outcome" in event) count(event.outcome)
          if ("why" in event) count(event.why)
        }
        const violation = audit(plan, limits, log, worstCaseMs(plan, limits))
        const story = () => log.map((event) => JSON.stringify(event)).join("\n")
        if (violation !== undefined) assert.fail(`${violation.message}\n${story()}`)
      }),
      { numRuns: runs }
    )
    assert.isAbove(seen.get("ready") ?? 0, runs / 10)
    assert.deepStrictEqual(
      everything.filter((word) => !seen.has(word)),
      []
    )
  })

  it.each(Object.keys(logs).filter(isName))("finds nothing wrong with the log %j, which is legal", (name) => {
    assert.isUndefined(auditOf(name))
  })

  it.each(mutations)("breaks $breaks: $why", ({ breaks, by, line, of }) => {
    assert(isName(of))
    const violation = auditOf(of, mutate(logs[of], line, by))
    assert.strictEqual(violation?.invariant, breaks, violation?.message)
    assert.strictEqual(violation?.title, new Map(Object.entries(Invariants.titles)).get(`${breaks}`))
  })

  it("breaks every promise that it knows", () => {
    const broken = new Set(mutations.map(({ breaks }) => `${breaks}`))
    assert.deepStrictEqual(
      Object.keys(Invariants.titles).filter((number) => !broken.has(number)),
      []
    )
  })

  it("counts what delays and attempts add up to", () => {
    const policy = (attempts: number, retryMs: number) => {
      const variants = [{ name: "a", attempts, retryMs, timeoutMs: 40, deadlineMs: 40 }] as const
      return Result.getOrThrow(Plan.make([Manifest.make({ name: "a", variants })]))
    }
    const log = lines(`
      0: mark init_start, phase pre, mark pre_init_complete, phase core, start a 0 1
      5: fails a critical 10, closed a clean, delay a 15
      15: start a 0 2, fails2 a critical 10, closed a clean, delay a 25`).map(read)
    const judged = (plan: Plan.Plan, log: ReadonlyArray<BootEvent>) => {
      const checker = Invariants.make(plan, limits)
      return log.map((event) => Invariants.check(checker, event)?.message).find((message) => message !== undefined)
    }
    assert.isUndefined(judged(policy(3, 20), log))
    assert.strictEqual(judged(policy(3, 19), log), "a: Its delays add up to more than 19 ms.")
    assert.strictEqual(judged(policy(2, 20), log), "a: It is to be tried again after all 2 attempts.")
    const late = judged(policy(3, 20), [...log, read("41 start a 0 3")])
    assert.strictEqual(late, "a: Attempt 3 starts 1 ms after its deadline.")
  })

  it("holds each phase back until all before it have settled, when scheduling is phased", () => {
    const core = lines(`
      0: mark init_start, phase pre, mark pre_init_complete, phase core, start a 0 1, phase service`).map(read)
    const plan = Result.getOrThrow(
      Plan.make([Manifest.make({ name: "a" }), Manifest.make({ name: "b", phase: "service" })])
    )
    const brokenBy = (scheduling: Progress.Limits["scheduling"]) => {
      const checker = Invariants.make(plan, { ...limits, scheduling })
      return core.map((event) => Invariants.check(checker, event)?.invariant).at(-1)
    }
    assert.isUndefined(brokenBy("dataflow"))
    assert.strictEqual(brokenBy("phased"), 1)
  })

  it("misses the reason of what stays skipped for want of something that is back", () => {
    const withoutD = logs.absent.filter((line) => !/ d\b/.test(line) || line.startsWith("17 "))
    assert.include(auditOf("absent", withoutD)?.message, "d: It is skipped, and no chain of reasons")
  })

  it("excuses lateness within the tolerance, and never being early", () => {
    const within = (toleranceMs: number, [line, by]: readonly [string, string]) => {
      const checker = Invariants.make(plan, limits, { toleranceMs })
      const log = mutate(logs.plain, line, by).map(read)
      return log.map((event) => Invariants.check(checker, event)?.invariant).find((found) => found !== undefined)
    }
    const late = ["40 stopped k abandoned", "41 stopped k abandoned"] as const
    assert.strictEqual(within(0.5, late), 7)
    assert.isUndefined(within(1, late))
    assert.isUndefined(within(Infinity, late))
    assert.strictEqual(within(Infinity, ["40 stopped k abandoned", "39 stopped k abandoned"]), 7)
  })

  it("knows when a boot took longer than its worst case, or comes to nothing", () => {
    const log = logs.plain.map(read)
    assert.isUndefined(audit(plan, limits, log, 12))
    assert.strictEqual(audit(plan, limits, log, 11)?.invariant, 18)
    const checker = Invariants.make(plan, limits)
    for (const event of log.slice(0, 20)) Invariants.check(checker, event)
    assert.strictEqual(Invariants.checkLiveness(checker, { worstCaseMs: Infinity })?.invariant, 18)
  })

  it("says who broke what, when and how", () => {
    const log = mutate(logs.plain, "30 Stopping z", "30 Stopping b")
    assert.deepStrictEqual(auditOf("plain", log), {
      invariant: 6,
      title: "everything is released exactly once, dependents before what they need",
      component: "b",
      message: "b: It stops while z is up.",
      atMs: 30
    })
  })
})
