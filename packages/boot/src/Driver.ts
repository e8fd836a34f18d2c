/**
 * Carries out what `Progress` decides, with fibers, scopes and the clock, and reports back what became of it. It decides
 * nothing itself.
 *
 * **Details**
 *
 * Each attempt runs in a fiber and a scope of its own, with a context that holds the environment and what the component
 * declared as its needs. Facts go into an inbox that one loop empties: a component that comes up at once starts its
 * dependents from that loop and not from its own stack, so a chain of ten thousand is as safe as one of ten.
 *
 * **Gotchas**
 *
 * A fiber that does not answer to interruption, or a finalizer that hangs, is abandoned when its deadline is over. Should
 * it come back after all, whatever it acquired is closed.
 */
import { Cause, Clock, Context, Deferred, Duration, Effect, Exit, Fiber, type Scheduler, Scope } from "effect"
import { Alarm } from "./Alarm.ts"
import type { BootEvent, ByHand, Closing, Failure } from "./BootEvent.ts"
import * as Handwork from "./ByHand.ts"
import * as Heap from "./Heap.ts"
import * as Instance from "./Instance.ts"
import * as Invariants from "./Invariants.ts"
import type { Journal, Unfinished } from "./Journal.ts"
import { type Opening, started } from "./Opening.ts"
import * as Policy from "./Policy.ts"
import type { Preparation } from "./Preparation.ts"
import * as Progress from "./Progress.ts"
import { InvariantBroken } from "./Promises.ts"
import type * as Recipe from "./Recipe.ts"
import { Services } from "./Services.ts"
import { Critical, Defect, NeedAbsent, TimedOut, Unhealthy } from "./Severity.ts"
import { Views } from "./Views.ts"
import { complaintOf, failureOf, record, worse } from "./Verdict.ts"

/** Everything a driver is told: what to boot, within which limits, and who listens. */
export interface Settings extends Opening, Preparation {
  readonly restoration: Policy.Policy | undefined
  readonly journal: Journal | undefined
  readonly observe: ((event: BootEvent) => void) | undefined
  /** What a boot that was killed has left behind. */
  readonly previous: Unfinished | undefined
  readonly redact: (text: string) => string
  /** How long calls in flight may keep a service that was exchanged. */
  readonly drainMs: number
  /** How long the last checkpoint may take to become durable before the boot goes on without. */
  readonly persistMs: number
  /** Whether it boots the members of a group. */
  readonly isInside: boolean
  /** Whether the invariants are checked after every event. */
  readonly checked: boolean
}

type Delays = ReturnType<typeof Policy.delays>

/** Time is told to the microsecond. */
const toGrain = (ms: number): number => Math.round(ms * 1e3) / 1e3

/** What became of the check of one component's settings. */
interface Checked {
  readonly i: number
  readonly exit: Exit.Exit<unknown, unknown>
}

/** How many facts are taken in one go before others get a turn on the thread. */
const batch = 512

/** A boot that is being carried out. */
export class Driver {
  readonly settings: Settings
  readonly state: Progress.State
  readonly services: Services
  /** Completes when the boot is ready, or has failed and is rolled back. */
  readonly settled = Deferred.makeUnsafe<void, Critical>()
  /** Completes when everything is down again; fails when that was because of a failure. */
  readonly ended = Deferred.makeUnsafe<void, Critical>()
  readonly views: Views

  private readonly env: Context.Context<never>
  private readonly clock: Clock.Clock
  private readonly dispatcher: Scheduler.SchedulerDispatcher
  private readonly originNanos: number
  private readonly checker: Invariants.Checker | undefined
  private readonly instances: Array<Instance.Instance | undefined>
  private readonly swaps: Array<Fiber.Fiber<unknown, unknown> | undefined>
  private readonly retries: Array<Delays | undefined>
  private readonly restorations: Array<Delays | undefined>
  private readonly errors: Array<unknown>
  /** How exchanges have left instances behind, to be told with the next closing. */
  private readonly left: Array<Closing | undefined>
  private readonly failures: Array<Critical> = []
  /** What could not be closed cleanly, by name. */
  private readonly unclosed = new Set<string>()
  private readonly inbox: Array<Progress.Input> = []
  private readonly output: Progress.Output = { events: [], commands: [] }
  private broken: unknown
  /** What an operator has asked for, and how it has gone so far. */
  private asked: (Handwork.Asked & { readonly over: Deferred.Deferred<void> }) | undefined
  /** Components that a killed boot has left something of, until they are up. */
  private readonly leftBehind: Set<string>
  private taking = false
  /** The checks of settings, as long as they go on. */
  private checking: Fiber.Fiber<ReadonlyArray<Checked>, unknown> | undefined
  private readonly alarm: Alarm

  constructor(settings: Settings, env: Context.Context<never>, dispatcher: Scheduler.SchedulerDispatcher) {
    const { limits, plan, recipes } = settings
    const n = recipes.length
    this.settings = settings
    this.state = Progress.make(plan, limits)
    this.env = env
    this.clock = Context.get(env, Clock.Clock)
    this.dispatcher = dispatcher
    this.views = new Views(env, dispatcher)
    this.originNanos = Number(this.clock.monotonicTimeNanosUnsafe())
    this.checker = settings.checked ? Invariants.make(plan, limits, { toleranceMs: Infinity }) : undefined
    this.instances = nothing(n)
    this.swaps = nothing(n)
    this.retries = nothing(n)
    this.restorations = nothing(n)
    this.errors = nothing(n)
    this.left = nothing(n)
    this.alarm = new Alarm(
      env,
      () => this.now(),
      () => this.tell({ _tag: "Tick", atMs: this.now() })
    )
    this.leftBehind = new Set(settings.previous?.acquired)
    this.services = new Services(settings, env, (i) => Progress.isUp(this.state, i))
  }

  // ------------------------------------------------------------------------------------------------ from outside

  /** Begins the boot: settings first, then components. */
  begin(): void {
    const { journal, observe } = this.settings
    const startedAt = this.clock.currentTimeMillisUnsafe()
    const opening = () => started(this.settings, startedAt)
    // It tells all of the plan: that is left until somebody looks, when nobody listens.
    if (journal === undefined && observe === undefined && this.checker === undefined) this.views.open(opening)
    else this.publish(opening())
    const { recipes, validated } = this.settings
    if (validated.length === 0) return this.tell({ _tag: "Begin", atMs: this.now() })
    const check = (i: number) => this.check(i, recipes[i]!.validate ?? Effect.void)
    this.checking = Instance.run(this.env, Effect.forEach(validated, check, { concurrency: "unbounded" }))
    this.checking.addObserver((exit) => {
      this.checking = undefined
      if (Exit.isFailure(exit)) return // it was stopped
      const failures = new Map<number, Failure>()
      for (const { exit: validated, i } of exit.value) {
        if (Exit.isFailure(validated)) failures.set(i, this.invalid(i, validated.cause))
      }
      this.tell(
        failures.size === 0 ? { _tag: "Begin", atMs: this.now() } : { _tag: "Invalid", atMs: this.now(), failures }
      )
    })
  }

  /** Checks settings as long as that may take. */
  private check(i: number, validate: Recipe.AnyEffect): Effect.Effect<Checked> {
    const { maxMs } = this.settings.limits.phases.pre
    const late = () => this.timedOut(i, "component", maxMs, "start")
    return Effect.map(Instance.patiently(this.env, validate, maxMs, late), (exit) => ({ i, exit }))
  }

  /** Asks everything to stop, now, and completes when it has. */
  stop(because: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      // Before anything has started, this is all there is to stop.
      if (this.checking !== undefined) return Effect.andThen(Fiber.interrupt(this.checking), this.stop(because))
      if (this.state.stage !== "ended") this.tell({ _tag: "Stop", atMs: this.now(), because })
      return Effect.ignoreCause(Deferred.await(this.ended))
    })
  }

  /** Does what an operator asks of one component. Completes when that is over, with what went wrong; a stop ends it. */
  byHand(i: number, how: ByHand["how"]): Effect.Effect<Failure | undefined> {
    return Effect.suspend(() => {
      const asked = (this.asked ??= { component: this.name(i), failure: undefined, over: Deferred.makeUnsafe<void>() })
      this.tell({ _tag: "ByHand", atMs: this.now(), component: i, how })
      return Effect.map(Deferred.await(asked.over), () => asked.failure)
    })
  }

  /** Why an operator cannot ask for this now; undefined when nothing stands against it. */
  objection(i: number, how: ByHand["how"]): string | undefined {
    const another = "another such request is under way; wait until it is over"
    return Handwork.objection(this.state, i, how) ?? (this.asked === undefined ? undefined : another)
  }

  /** What there is of a component now: another one after it was built again. */
  instanceOf(i: number): Instance.Instance | undefined {
    return this.instances[i]
  }

  /** Takes in a fact. */
  tell(input: Progress.Input): void {
    this.inbox.push(input)
    if (!this.taking) this.take()
  }

  /** Milliseconds since the boot began, to the microsecond. As numbers, nanoseconds of a clock are more exact than that. */
  now(): number {
    return toGrain((Number(this.clock.monotonicTimeNanosUnsafe()) - this.originNanos) / 1e6)
  }

  /** Publishes what happened inside a component that is itself a boot. */
  tellOfMember(path: string, event: BootEvent): void {
    if (!("component" in event)) return
    this.publish({ ...event, atMs: this.now(), component: `${path}/${event.component}` })
    if (!this.taking) this.views.publishSoon()
  }

  /** Runs the probe of what is up now; fails when it is not up. */
  probe(i: number): Effect.Effect<unknown, unknown> {
    return Effect.suspend(() => {
      const instance = this.instances[i]
      if (instance === undefined || !Progress.isUp(this.state, i)) {
        return Effect.fail(`${this.name(i)} is ${Progress.statusNames[this.state.status[i] ?? 0]}`)
      }
      return Effect.provideContext(Instance.trusted(Instance.probe(instance)), instance.context)
    })
  }

  /** Reports that continuous health has turned. */
  tellOfHealth(i: number, healthy: boolean, message: string): void {
    // Who is taken down with everything else is not sick.
    if (this.state.takedown !== undefined && !Progress.isUp(this.state, i)) return
    const { redact } = this.settings
    this.tell({ _tag: "HealthChanged", atMs: this.now(), component: i, healthy, message: redact(message) })
  }

  // ---------------------------------------------------------------------------------------------------- the loop

  private take(): void {
    this.taking = true
    let taken = 0
    try {
      for (; taken < this.inbox.length && taken < batch; taken++) {
        Progress.advance(this.state, this.inbox[taken]!, this.output)
        const { commands, events } = this.output
        for (let e = 0; e < events.length; e++) this.publish(events[e]!)
        for (let c = 0; c < commands.length; c++) this.execute(commands[c]!)
        Heap.clear(events)
        Heap.clear(commands)
      }
    } catch (defect) {
      return this.collapse(defect)
    }
    if (taken === this.inbox.length) Heap.clear(this.inbox)
    else this.inbox.splice(0, taken)
    this.taking = false
    if (this.inbox.length > 0) this.dispatcher.scheduleTask(() => this.take(), 0)
    else {
      this.views.publishSoon()
      if (!this.alarm.ringsBy(Progress.noWakeBeforeMs(this.state))) this.alarm.set(Progress.nextWakeMs(this.state))
      const { asked } = this
      if (asked !== undefined && this.state.byHand === 0) {
        this.asked = undefined
        Deferred.doneUnsafe(asked.over, Exit.void)
      }
    }
  }

  private publish(event: BootEvent): void {
    const { journal, observe } = this.settings
    if (journal !== undefined) journal.append(event)
    this.views.tell(event)
    observe?.(event)
    if (this.checker !== undefined) {
      const violation = Invariants.check(this.checker, event)
      if (violation !== undefined) this.break(violation)
    }
    if (this.asked !== undefined && "failure" in event) this.asked.failure = Handwork.blamed(this.asked, event)
    if (event._tag === "ComponentFailed") {
      // The member of a group has failed its group; what that means is told of the group.
      if (this.settings.plan.index.has(event.component))
        this.failures.push(this.critical(event.component, event.failure))
    } else if (event._tag === "ComponentStopping" && event.byHand !== undefined) this.withdraw(event.component)
    else if (event._tag === "BootReady") {
      this.views.publish()
      Deferred.doneUnsafe(this.settled, Exit.void)
    } else if ((event._tag === "ComponentStopped" || event._tag === "AttemptClosed") && event.closing !== "clean") {
      this.unclosed.add(event.component)
    }
  }

  /** What goes down by hand is there for nobody. */
  private withdraw(component: string): void {
    const i = this.settings.plan.index.get(component)
    if (i !== undefined) this.services.withdraw(i)
  }

  /** A broken invariant is a defect of the kernel: the boot dies of it, and what runs is stopped with the scope. */
  private break({ invariant, message, title }: Invariants.Violation): void {
    this.broken ??= new InvariantBroken(`invariant ${invariant} (${title}): ${message}`)
    Deferred.doneUnsafe(this.settled, Exit.die(this.broken))
  }

  /** What throws in the loop is a defect of ours. It cannot go on: all is let go, in no order, and nobody waits for it. */
  private collapse(defect: unknown): void {
    const died = Exit.die((this.broken ??= defect))
    this.alarm.stop()
    for (const [i, instance] of this.instances.entries()) {
      this.swaps[i]?.interruptUnsafe()
      instance?.fiber?.interruptUnsafe()
      if (instance?.closing === false) this.closeUnwatched(instance)
    }
    Deferred.doneUnsafe(this.settled, died)
    Deferred.doneUnsafe(this.ended, died)
    if (this.asked !== undefined) Deferred.doneUnsafe(this.asked.over, died)
  }

  private execute(command: Progress.Command): void {
    switch (command._tag) {
      case "Start":
        return this.start(command.component, command.variant, command.attempt)
      case "Interrupt":
        return this.interrupt(command.component, command.late)
      case "Release":
        return this.release(command.component)
      case "Abandon":
        return this.abandon(command.component)
      case "Persist":
        return this.persist()
      case "Swap":
        return this.swap(command.component, command.variant)
      case "End":
        return this.end()
    }
  }

  // ------------------------------------------------------------------------------------------------- one attempt

  private start(i: number, variant: number, attempt: number): void {
    const recipe = this.settings.recipes[i]!
    const instance = this.instance(i, variant)
    this.instances[i] = instance
    if (attempt === 1) this.retries[i] = undefined
    const { recover, start } = instance.build
    const recovers = recover !== undefined && attempt === 1 && this.leftBehind.has(recipe.name)
    const missing = this.services.missing(i)
    if (missing !== undefined) {
      const reason = `${recipe.name} needs ${missing.key}, which is not up although "${missing.provider}" is`
      return this.fail(i, instance, new NeedAbsent({ component: recipe.name, reason }))
    }
    const fiber = Instance.run(instance.context, recovers ? Effect.andThen(recover, start) : start)
    instance.fiber = fiber
    // Most of those that wait for nothing are done by now.
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) this.started(i, instance, exit)
    else fiber.addObserver((exit) => this.started(i, instance, exit))
  }

  private started(i: number, instance: Instance.Instance, exit: Exit.Exit<unknown, unknown>): void {
    if (instance.stop !== undefined) this.interrupted(i, instance)
    else if (Exit.isSuccess(exit)) this.acquired(i, instance, exit.value)
    else this.fail(i, instance, failureOf(this.name(i), exit.cause))
  }

  private instance(i: number, variant: number): Instance.Instance {
    const recipe = this.settings.recipes[i]!
    const scope = Scope.makeUnsafe()
    let context = this.services.contextOf(i)
    const build = recipe.builds[variant]!
    if (build.isGroup === true) context = Context.add(context, Enclosing, { driver: this, path: recipe.name })
    return Instance.make(build, scope, Context.add(context, Scope.Scope, scope))
  }

  private acquired(i: number, instance: Instance.Instance, built: unknown): void {
    instance.built = built
    instance.during = "probe"
    const probe = Instance.probe(instance)
    // A probe that has nothing to ask is no event of its own.
    if (Exit.isExit(probe) && Exit.isSuccess(probe)) return this.healthy(i, instance)
    this.tell({ _tag: "Acquired", atMs: this.now(), component: i })
    instance.fiber = Instance.run(instance.context, probe)
    instance.fiber.addObserver((exit) => {
      if (instance.stop !== undefined) this.interrupted(i, instance)
      else if (Exit.isSuccess(exit)) this.healthy(i, instance)
      else this.fail(i, instance, complaintOf(this.name(i), exit.cause))
    })
  }

  private healthy(i: number, instance: Instance.Instance): void {
    instance.fiber = undefined
    if (this.leftBehind.size > 0) this.leftBehind.delete(this.name(i))
    if (this.state.variant[i] === 0) this.restorations[i] = undefined
    this.services.install(i, instance.build, instance.built)
    this.tell({ _tag: "Healthy", atMs: this.now(), component: i })
  }

  private fail(i: number, instance: Instance.Instance, error: unknown): void {
    this.errors[i] = error
    const { policy } = instance.build
    const isDefect = error instanceof Defect
    const isRetried = !(isDefect || error instanceof NeedAbsent || policy === Policy.never)
    this.tell({
      _tag: "Failed",
      atMs: this.now(),
      component: i,
      failure: this.failureRecord(instance, error),
      retryInMs: isRetried ? this.draw((this.retries[i] ??= Policy.delays(policy))(error)) : null,
      restoreInMs: isDefect ? null : this.restoreDelay(i, policy, error)
    })
    this.close(i, instance, Exit.fail(error))
  }

  /** A phase or a boot that is out of time has its own judgement of who is critical. */
  private failureRecord({ build, stop }: Instance.Instance, error: unknown): Failure {
    const late = stop?.late
    return late !== undefined && (late.scope === "phase" || late.scope === "boot")
      ? late.failure
      : record(build, error, this.settings.redact)
  }

  /** An error that is never tried again is not restored in the background either. */
  private restoreDelay(i: number, policy: Policy.Policy, error: unknown): number | null {
    const { restoration } = this.settings
    if (restoration === undefined) return null
    if (Policy.forError(policy, error) !== policy && Policy.forError(policy, error).attempts === 1) return null
    return this.draw((this.restorations[i] ??= Policy.delays(restoration))(error))
  }

  private interrupt(i: number, late: Progress.Late | undefined): void {
    const instance = this.instances[i]
    if (instance === undefined) return
    instance.stop = { late }
    // What it has already said may still be in the inbox: being healthy no longer counts, being closed does.
    if (instance.closing) return
    if (instance.fiber === undefined) this.interrupted(i, instance)
    else instance.fiber.interruptUnsafe()
  }

  /** The attempt has ended after it was told to. Whatever it says now, it is over. */
  private interrupted(i: number, instance: Instance.Instance): void {
    const late = instance.stop?.late
    if (instance.abandoned) this.closeUnwatched(instance)
    else if (late === undefined) this.close(i, instance, Exit.interrupt())
    else this.fail(i, instance, this.timedOut(i, late.scope, late.afterMs, instance.during))
  }

  private timedOut(i: number, scope: Progress.Late["scope"], afterMs: number, during: TimedOut["during"]): TimedOut {
    return new TimedOut({ component: this.name(i), scope, afterMs, during, cause: this.errors[i] })
  }

  // ----------------------------------------------------------------------------------------------------- closing

  private close(i: number, instance: Instance.Instance, exit: Exit.Exit<unknown, unknown>): void {
    instance.closing = true
    const closing = Scope.closeUnsafe(instance.scope, exit)
    if (closing === undefined) this.closed(i, instance, "clean")
    else {
      const fiber = Instance.run(instance.context, closing, true)
      fiber.addObserver((exit) => this.closed(i, instance, Exit.isSuccess(exit) ? "clean" : "failed"))
    }
  }

  private closed(i: number, instance: Instance.Instance, closing: Closing): void {
    if (instance.abandoned) return
    this.instances[i] = undefined
    this.tell({ _tag: "Closed", atMs: this.now(), component: i, closing: worse(this.left[i], closing) })
    this.left[i] = undefined
  }

  private closeUnwatched(instance: Instance.Instance): void {
    const closing = Scope.closeUnsafe(instance.scope, Exit.interrupt())
    if (closing !== undefined) Instance.run(instance.context, closing, true)
  }

  private release(i: number): void {
    const swap = this.swaps[i]
    if (swap === undefined) return this.closeCurrent(i)
    swap.interruptUnsafe()
    swap.addObserver(() => this.closeCurrent(i))
  }

  private closeCurrent(i: number): void {
    const instance = this.instances[i]
    const why = this.state.takedown?.why ?? "stopped"
    const exit = why === "stopped" ? Exit.void : Exit.interrupt()
    if (instance !== undefined) this.close(i, instance, exit)
  }

  private abandon(i: number): void {
    const instance = this.instances[i]
    this.instances[i] = undefined
    if (instance === undefined) return
    instance.abandoned = true
    instance.stop ??= { late: undefined }
    // It was up, and waited for its dependents or its swap: now nobody waits any longer.
    if (!instance.closing && instance.fiber === undefined) this.closeUnwatched(instance)
  }

  /** Waits for the journal as long as it may take; one that hangs is left behind. */
  private persist(): void {
    const { journal, persistMs } = this.settings
    if (journal === undefined) return this.tell({ _tag: "Persisted", atMs: this.state.atMs })
    const done = () => this.tell({ _tag: "Persisted", atMs: this.now() })
    const flush = Instance.run(this.env, journal.flush)
    const patience = Instance.run(this.env, Effect.sleep(Duration.millis(persistMs)))
    patience.addObserver(() => {
      done()
      flush.interruptUnsafe()
    })
    flush.addObserver((exit) => {
      if (Exit.isFailure(exit)) Instance.run(this.env, Effect.logWarning("The journal is not durable", exit.cause))
      patience.interruptUnsafe()
    })
  }

  private end(): void {
    this.views.publish()
    const violation = this.checker === undefined ? undefined : Invariants.finish(this.checker)
    if (violation !== undefined) this.break(violation)
    this.alarm.stop()
    const [first, ...more] = this.unclosed
    const failures =
      first === undefined
        ? this.failures
        : this.failures.map(({ cause, component }) => new Critical({ component, cause, unclosed: [first, ...more] }))
    const reasons = failures.map((failure) => Cause.makeFailReason(failure))
    const failed = Exit.failCause(Cause.fromReasons(reasons))
    Deferred.doneUnsafe(this.settled, reasons.length === 0 ? Exit.interrupt() : failed)
    const ended = this.broken === undefined ? Exit.void : Exit.die(this.broken)
    Deferred.doneUnsafe(this.ended, reasons.length === 0 ? ended : failed)
  }

  // ---------------------------------------------------------------------------------------------- while running

  private swap(i: number, variant: number): void {
    const instance = this.instance(i, variant)
    const { build } = instance
    const component = this.name(i)
    const exchanged = Instance.exchange(instance, {
      stopMs: this.settings.plan.components[i]!.stopMs,
      drainMs: this.settings.drainMs,
      timedOut: () => this.timedOut(i, "attempt", build.timeoutMs, instance.during),
      unhealthy: (cause) => new Unhealthy({ component, cause }),
      closed: (closing) => {
        this.left[i] = worse(this.left[i], closing)
      },
      install: () => {
        const old = this.instances[i]
        this.instances[i] = instance
        return { old, generations: this.services.install(i, build, instance.built) }
      }
    })
    const fiber = Instance.run(instance.context, exchanged)
    this.swaps[i] = fiber
    fiber.addObserver((exit) => this.swapped(i, variant, instance, exit))
  }

  /** After a closing that was abandoned two instances might be alive: nothing is built again by itself. */
  private swapped(i: number, variant: number, instance: Instance.Instance, exit: Exit.Exit<Closing, unknown>): void {
    this.swaps[i] = undefined
    const { build } = instance
    const base = { atMs: this.now(), component: i, variant }
    if (Exit.isSuccess(exit)) {
      if (variant === 0) this.restorations[i] = undefined
      const isOver = variant === 0 || exit.value === "abandoned"
      const restoreInMs = isOver ? null : this.restoreDelay(i, build.policy, undefined)
      this.tell({ ...base, _tag: "Swapped", closing: worse(this.left[i], exit.value), restoreInMs })
      this.left[i] = undefined
    } else {
      const error = failureOf(this.name(i), exit.cause)
      const isOver = error instanceof Defect || instance.abandoned
      const retryInMs = isOver ? null : this.restoreDelay(i, build.policy, error)
      this.tell({ ...base, _tag: "SwapFailed", failure: record(build, error, this.settings.redact), retryInMs })
    }
  }

  // ------------------------------------------------------------------------------------------------------ private

  private name(i: number): string {
    return this.settings.plan.components[i]!.name
  }

  /** A delay in the grain of the clock. Drawing one waits for nothing. */
  private draw(delay: Effect.Effect<number | null>): number | null {
    const exit = Effect.runSyncExitWith(this.env)(delay)
    return Exit.isSuccess(exit) && exit.value !== null ? toGrain(exit.value) : null
  }

  private invalid(i: number, cause: Cause.Cause<unknown>): Failure {
    const error = failureOf(this.name(i), cause)
    this.errors[i] = error
    const failure = record(this.settings.recipes[i]!.builds[0], error, this.settings.redact)
    return { ...failure, severity: "critical" }
  }

  /** The failure of a component as the error that ends the boot, with the error object that the record describes. */
  private critical(component: string, failure: Failure): Critical {
    const i = this.settings.plan.index.get(component) ?? -1
    const last = this.errors[i]
    const { late = this.instances[i]?.stop?.late } = this.state
    const cause =
      failure.tag === "NeedAbsent"
        ? new NeedAbsent({ component, reason: failure.message })
        : failure.tag === "TimedOut" && late !== undefined && !(last instanceof TimedOut && last.scope === late.scope)
          ? this.timedOut(i, late.scope, late.afterMs, this.instances[i]?.during ?? "wait")
          : last
    return new Critical({ component, cause })
  }
}

/** Nothing yet of each component. */
const nothing = (n: number): Array<undefined> => new Array<undefined>(n).fill(undefined)

/** The boot inside which another one runs. */
export const Enclosing = Context.Reference<{ readonly driver: Driver; readonly path: string } | undefined>(
  "@novacron/boot/Driver/Enclosing",
  { defaultValue: () => undefined }
)
