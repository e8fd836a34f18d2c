/**
 * One boot of a list of components in a world of its own, from a case that says everything: seed, faults, when it is
 * stopped. It is judged by the invariants of the kernel, by the books of the components, and by the machine that
 * decides. `Simulate`, `Sweep` and `Replay` are made of trials.
 */
import { Boot, type BootEvent, type Component, type Report } from "@novacron/boot"
import { Cause, Effect, Exit, Fiber } from "effect"
import { type Case, optionsOf, type Settings } from "./Case.ts"
import * as Fault from "./Fault.ts"
import * as Judge from "./Judge.ts"
import * as Ledger from "./Ledger.ts"
import * as Simulation from "./Simulation.ts"

/** What became of a trial. */
export interface Verdict {
  readonly violations: ReadonlyArray<Judge.Violation>
  readonly events: ReadonlyArray<BootEvent.BootEvent>
  /** How the boot ended, before anybody stopped it. */
  readonly outcome: Report.Report["outcome"]
  /** How often each fault of the case has struck. */
  readonly struck: ReadonlyArray<number>
  /** Components whose failures the caller of the boot was told of. */
  readonly failed: ReadonlyArray<string>
  /** Virtual milliseconds and turns of fibers, from begin to end. */
  readonly timeMs: number
  readonly steps: number
}

/** Components that need nobody else, with all of their severities handled; or what is missing, by name. */
export type Complete<Cs extends ReadonlyArray<Component.Any>> = Cs &
  Boot.Checked<Cs> &
  ([Boot.Requirements<Cs>] extends [never] ? unknown : { readonly "missing needs": Boot.Requirements<Cs> })

/** What trials need to know that a case cannot say. */
export interface Options {
  /** Options of the boot beside those of the case. */
  readonly boot?: Boot.RunOptions | undefined
  /** Typed failures to inject, by component; see {@link Fault.inject}. */
  readonly errors?: Fault.Errors | undefined
  /** Who else judges. Default: nobody. */
  readonly oracle?: Oracle | undefined
  /** Whether the log is also held against the machine. Default: true. */
  readonly conformance?: boolean
  /** Whether the awaits of attempts are counted. Default: false. */
  readonly counting?: boolean
  /** Whether errors have stacks, which take as long to make as all the rest of a failure. Default: true. */
  readonly stacks?: boolean
}

/**
 * Judges by promises of your own: hears of every boot once it is over, those for second runs and for shrinking included, and
 * says what it has broken.
 */
export type Oracle = (it: Case, verdict: Verdict) => ReadonlyArray<Judge.Violation>

/** Components on trial. Make it with {@link make}. */
export interface Trial {
  readonly components: ReadonlyArray<Component.Any>
  readonly options: Options
  readonly stands: Map<string, Stand>
}

/** Puts components on trial. */
export const make = (components: ReadonlyArray<Component.Any>, options: Options = {}): Trial => ({
  components,
  options,
  stands: new Map()
})

/** Runs a case, and judges it. */
export const run = (trial: Trial, it: Case): Verdict => {
  if (trial.options.stacks !== false) return judge(trial, it, perform(trial, it))
  const limit: unknown = Reflect.get(Error, "stackTraceLimit")
  Reflect.set(Error, "stackTraceLimit", 0)
  try {
    return judge(trial, it, perform(trial, it))
  } finally {
    Reflect.set(Error, "stackTraceLimit", limit)
  }
}

/** The log of a case as text: equal texts, equal boots. */
export const log = (verdict: Pick<Verdict, "events">): string =>
  verdict.events.map((event) => JSON.stringify(event)).join("\n")

/** How many awaits each attempt of a case came to; the trial has to be a counting one. */
export const awaits = (trial: Trial, it: Case): ReturnType<Fault.Injection<unknown>["awaits"]> => {
  run(trial, it)
  return standOf(trial, it.components).injection.awaits()
}

// -------------------------------------------------------------------------------------------------------- performing

/** Some of the components, ready to be booted again and again. */
interface Stand {
  readonly injection: Fault.Injection<ReadonlyArray<Component.Any>>
  readonly ledger: Ledger.Ledger
  readonly components: ReadonlyArray<Component.Any>
  /** What boots are held against, by settings; undefined when they cannot be planned. */
  readonly measures: Map<string, Judge.Measure | undefined>
}

const standOf = (trial: Trial, names: ReadonlyArray<string>): Stand => {
  const key = names.join("\n")
  const known = trial.stands.get(key)
  if (known !== undefined) return known
  const chosen = new Set(names)
  const components = trial.components.filter(({ recipe }) => chosen.has(recipe.name))
  const { errors } = trial.options
  const injection = Fault.inject(components, [], errors === undefined ? {} : { errors })
  const stand: Stand = { injection, ...Ledger.watch(injection.components), measures: new Map() }
  trial.stands.set(key, stand)
  return stand
}

interface Performance {
  readonly stand: Stand
  readonly run: Simulation.Run<void>
  /** How the boot began, or did not. */
  readonly exit: Exit.Exit<unknown, unknown> | undefined
  readonly events: ReadonlyArray<BootEvent.BootEvent>
  readonly abandoned: number
}

const perform = (trial: Trial, it: Case): Performance => {
  const stand = standOf(trial, it.components)
  const { injection, ledger } = stand
  const events: Array<BootEvent.BootEvent> = []
  let exit: Exit.Exit<unknown, unknown> | undefined
  let abandoned = 0
  let cancel: () => void = () => undefined
  Ledger.reset(ledger)
  injection.arm(it.faults, { cancel: () => cancel(), counting: trial.options.counting === true })
  const booting = boot(stand.components, {
    ...trial.options.boot,
    ...optionsOf(it.settings),
    // The judge does it, and collects what he finds.
    checked: false,
    observe: (event) => {
      events.push(event)
      if ("closing" in event && event.closing === "abandoned") {
        abandoned++
        Ledger.abandon(ledger, event.component)
      }
      trial.options.boot?.observe?.(event)
    }
  })
  const isCancelled = it.cancelAtMs !== null || it.faults.some((fault) => fault._tag === "Cancels")
  const begun = isCancelled
    ? cancellable(booting, it.cancelAtMs, (interrupt) => (cancel = interrupt))
    : Effect.exit(booting)
  const program = Effect.gen(function* () {
    // With the scope, the boot is stopped.
    yield* Effect.scoped(
      Effect.gen(function* () {
        exit = yield* begun
        if (Exit.isSuccess(exit)) yield* Effect.sleep(it.stopAfterMs)
      })
    )
  })
  const run = Simulation.run(program, {
    seed: it.seed,
    fuzz: it.fuzz,
    maxSteps: 200_000,
    // What was left behind may come back, and is closed then.
    lingerMs: () => (abandoned > 0 ? dayMs : 0)
  })
  return { stand, run, exit, events, abandoned }
}

const dayMs = 86_400_000

/** The types of what is put on trial were checked where it was handed in. */
const boot = (
  components: ReadonlyArray<Component.Any>,
  options: Boot.RunOptions
): ReturnType<typeof Boot.make<readonly []>> => Boot.make(components as readonly [], options)

const cancellable = <A, E, R>(
  booting: Effect.Effect<A, E, R>,
  atMs: number | null,
  handOut: (cancel: () => void) => void
): Effect.Effect<Exit.Exit<A, E>, never, R> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(booting)
    const cancel = () => fiber.interruptUnsafe()
    handOut(cancel)
    const canceller =
      atMs === null ? undefined : yield* Effect.forkChild(Effect.andThen(Effect.sleep(atMs), Effect.sync(cancel)))
    const exit = yield* Fiber.await(fiber)
    if (canceller !== undefined) yield* Fiber.interrupt(canceller)
    return exit
  })

// ----------------------------------------------------------------------------------------------------------- judging

const judge = (trial: Trial, it: Case, performance: Performance): Verdict => {
  const { events, exit, run, stand } = performance
  const struck = stand.injection.struck()
  const { broken, failed } = ending(exit, run)
  const verdict: Verdict = {
    // What follows upon a boot that hangs, or cannot be, is no news.
    violations: broken.length > 0 ? broken : examine(trial, it, performance, struck),
    events,
    outcome: outcomeOf(events),
    struck,
    failed,
    timeMs: run.timeMs,
    steps: run.steps
  }
  const { oracle } = trial.options
  return oracle === undefined ? verdict : { ...verdict, violations: [...verdict.violations, ...oracle(it, verdict)] }
}

const ending = (
  exit: Exit.Exit<unknown, unknown> | undefined,
  { exit: world, timeMs: atMs }: Simulation.Run<void>
): { readonly broken: ReadonlyArray<Judge.Violation>; readonly failed: ReadonlyArray<string> } => {
  const broken: Array<Judge.Violation> = []
  const failed = new Set<string>()
  if (Exit.isFailure(world)) {
    broken.push({ promise: "a boot never hangs", message: String(Cause.squash(world.cause)), atMs })
  }
  for (const reason of exit !== undefined && Exit.isFailure(exit) ? exit.cause.reasons : []) {
    if (Cause.isDieReason(reason)) {
      broken.push({ promise: "the kernel has no defects", message: String(reason.defect), atMs })
    } else if (Cause.isFailReason(reason)) {
      const { error } = reason
      if (error instanceof Boot.InvalidBoot) {
        broken.push({ promise: "the components can be booted", message: error.message, atMs })
      } else failed.add(componentOf(error))
    }
  }
  return { broken, failed: [...failed] }
}

const componentOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "component" in error ? String(error.component) : String(error)

const examine = (
  trial: Trial,
  it: Case,
  { abandoned, events, run, stand }: Performance,
  struck: ReadonlyArray<number>
): ReadonlyArray<Judge.Violation> => {
  const measure = measureOf(trial, stand, it.settings)
  const found = [...Judge.books(stand.ledger, it, struck, run.timeMs), ...Judge.testimony(it, struck, events)]
  if (measure !== undefined) {
    found.push(...Judge.audit(measure, events))
    if (trial.options.conformance !== false) found.push(...Judge.conformance(measure, events))
  }
  if (run.asleep > 0 && abandoned === 0) {
    const message = `Fibers still sleep when all is over: ${run.asleep}.`
    found.push({ promise: "nothing is left behind", message, atMs: run.timeMs })
  }
  return found
}

const measureOf = (trial: Trial, stand: Stand, settings: Settings): Judge.Measure | undefined => {
  const key = JSON.stringify(settings)
  if (stand.measures.has(key)) return stand.measures.get(key)
  const manifests = stand.components.map(({ manifest }) => manifest)
  const measure = Judge.measure(manifests, settings, trial.options.boot?.durationsMs)
  stand.measures.set(key, measure)
  return measure
}

const outcomeOf = (events: ReadonlyArray<BootEvent.BootEvent>): Verdict["outcome"] => {
  const ready = events.find((event) => event._tag === "BootReady")
  if (ready !== undefined) return ready.outcome
  const isCancelled =
    events.length === 0 || events.some((event) => event._tag === "RollbackStarted" && event.why === "cancelled")
  return isCancelled ? "cancelled" : "failed"
}
