/**
 * One of the six as the group sees it: a place for a service that is built for a mode, exchanged when the mode changes,
 * watched by a probe, and, if it may be missing, stood in for by something simpler.
 *
 * **Details**
 *
 * `run` is what a supervisor holds: it builds the service, serves until the probe fails three times, and fails then. A
 * subsystem with a stand-in never fails: it has a supervisor of its own, and when that gives up the stand-in serves, and the
 * real one is tried again beside it, after a while.
 *
 * A change of mode builds first and closes later: calls that are in the old service end in it, for up to the drain time.
 */
import { Environment, Supervisor } from "@novacron/boot"
import { Cause, Clock, Deferred, Duration, Effect, Exit, Layer, Option, Queue, Schedule, Scope } from "effect"
import type { Mode } from "../mode/Detector.ts"

/** In the order in which they hear of a change of mode. */
export const names = ["amst", "hde", "pba", "ass", "acp", "itp"] as const
export type Name = (typeof names)[number]

export type Detail = { readonly [field: string]: unknown }

export interface Status {
  readonly name: Name
  /** `standIn`: something simpler serves, because the real one is broken; `off`: because its feature is. */
  readonly state: "starting" | "up" | "standIn" | "off" | "down"
  /** What serves: "v3", or the name of what stands in. */
  readonly serves: string
  /** The mode it was built for. */
  readonly mode: Mode
  /** Milliseconds since 1970 at which this began. */
  readonly sinceMillis: number
  readonly starts: number
  /** Changes of mode that it went through. */
  readonly changes: number
  readonly lastError: string | undefined
  readonly detail: Detail
}

export interface StandIn<S> {
  readonly name: string
  readonly build: (mode: Mode) => Effect.Effect<S, never, Scope.Scope>
}

export interface Options<S> {
  readonly name: Name
  readonly mode: () => Mode
  readonly build: (mode: Mode) => Effect.Effect<S, unknown, Scope.Scope>
  /** Without one the subsystem is one that nothing works without. */
  readonly standIn?: StandIn<S>
  /** Whether its feature is on. Without it the stand-in serves, if there is one. */
  readonly isOn: () => boolean
  /** There must not be two at a time: the old one is closed before another one is built. */
  readonly exclusive?: boolean
  readonly probe: (service: S) => Effect.Effect<unknown, unknown>
  readonly detail: (service: S) => Effect.Effect<Detail>
  /** Told before the service is gone. */
  readonly onDown?: Effect.Effect<void>
  /** Told when another service is there, after a change of mode. */
  readonly onChanged?: (mode: Mode) => Effect.Effect<void>
  readonly timing: Timing
}

/** How patient a subsystem is. */
export interface Timing {
  readonly start: Duration.Duration
  readonly probeEvery: Duration.Duration
  readonly probe: Duration.Duration
  readonly drain: Duration.Duration
  /** How long building for another mode may take. */
  readonly change: Duration.Duration
  /** After this long on a stand-in the real one is tried again. */
  readonly restore: Duration.Duration
  readonly intensity: number
  readonly period: Duration.Duration
  readonly backoff: Schedule.Schedule<unknown>
}

export const timing: Timing = {
  start: Duration.seconds(10),
  probeEvery: Duration.seconds(5),
  probe: Duration.seconds(2),
  drain: Duration.seconds(10),
  change: Duration.seconds(5),
  restore: Duration.seconds(30),
  intensity: 3,
  period: Duration.seconds(30),
  backoff: Supervisor.patient
}

export interface Subsystem<S> {
  readonly name: Name
  /** Runs in the service there is; waits while there is none. The service is not closed while this goes on. */
  readonly use: <A, E, R>(go: (service: S) => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly status: Effect.Effect<Status>
  /** Builds for the mode that is on, and exchanges. Whether it did. */
  readonly change: Effect.Effect<Exit.Exit<void, unknown>>
  /** Its feature was switched. */
  readonly switched: Effect.Effect<void>
  /** Makes it fail as it would by itself. For drills. */
  readonly drill: (cause: unknown) => Effect.Effect<void>
  readonly run: Effect.Effect<never, unknown>
}

/** One layer for each environment, and the one that `Environment` names. */
export const selected = <S, E, R>(layers: { readonly [M in Mode]: Layer.Layer<S, E, R> }): Layer.Layer<S, E, R> =>
  Layer.unwrap(Effect.map(Environment, (word) => layers[modeOf(word)]))

/** Environments that are none of the three are in between. */
export const modeOf = (word: string): Mode => (word === "datacenter" || word === "internet" ? word : "hybrid")

interface Generation<S> {
  readonly service: S
  readonly scope: Scope.Closeable
  readonly mode: Mode
  readonly serves: string
  users: number
  idle: (() => void) | undefined
}

type Command =
  | { readonly _tag: "Change"; readonly done: Deferred.Deferred<Exit.Exit<void, unknown>> }
  | { readonly _tag: "Switched" }
  | { readonly _tag: "Drill"; readonly cause: unknown }

/** Ends a service on purpose, because another one is to serve. */
class Exchanged extends Error {}

export const make = <S>(options: Options<S>): Effect.Effect<Subsystem<S>> =>
  Effect.gen(function* () {
    const { isOn, mode, name, standIn, timing } = options
    const commands = yield* Queue.unbounded<Command>()
    const arrived: Array<() => void> = []
    let current: Generation<S> | undefined
    let state: Status["state"] = "starting"
    let sinceMillis = yield* Clock.currentTimeMillis
    let starts = 0
    let changes = 0
    let lastError: string | undefined

    const enter = (next: Status["state"]) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        state = next
        sinceMillis = now
      })

    const open = (build: Options<S>["build"], serves: string, within: Scope.Scope) =>
      Effect.gen(function* () {
        const scope = yield* Scope.fork(within)
        const at = mode()
        const built = yield* build(at).pipe(
          Scope.provide(scope),
          Effect.tap((service) => Effect.timeout(options.probe(service), timing.probe)),
          Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
        )
        const generation: Generation<S> = { service: built, scope, mode: at, serves, users: 0, idle: undefined }
        return generation
      })

    const install = (generation: Generation<S>) =>
      Effect.sync(() => {
        current = generation
        for (const wake of arrived.splice(0)) wake()
      })

    const retire = (old: Generation<S>) =>
      Effect.callback<void>((resume) => {
        if (old.users === 0) return resume(Effect.void)
        old.idle = () => resume(Effect.void)
      }).pipe(
        Effect.timeoutOption(timing.drain),
        Effect.andThen(Scope.close(old.scope, Exit.void)),
        Effect.ignoreCause({ log: "Warn", message: `What served for ${name} before did not close as it should` })
      )

    const change = (build: Options<S>["build"], serves: string, within: Scope.Scope) =>
      Effect.gen(function* () {
        const before = current
        if (options.exclusive === true && before !== undefined) {
          current = undefined
          yield* retire(before)
        }
        const next = yield* open(build, serves, within).pipe(Effect.timeout(timing.change))
        yield* install(next)
        changes++
        if (options.onChanged !== undefined) yield* options.onChanged(next.mode)
        if (before !== undefined && options.exclusive !== true) yield* Effect.forkIn(retire(before), within)
      })

    /** Serves with one way to build until something is wrong with it. */
    const serve = (
      build: Options<S>["build"],
      serves: string,
      as: "up" | "standIn" | "off",
      until: Effect.Effect<void>
    ) =>
      Effect.scoped(
        Effect.gen(function* () {
          const within = yield* Effect.scope
          starts++
          const first = yield* open(build, serves, within).pipe(Effect.timeout(timing.start))
          // Said first: whoever waits for it looks at once.
          yield* enter(as)
          yield* install(first)
          yield* Effect.addFinalizer(() =>
            Effect.suspend(() => {
              current = undefined
              return options.onDown ?? Effect.void
            })
          )
          let failures = 0
          const watch = Effect.gen(function* () {
            const command = yield* Effect.timeoutOption(Queue.take(commands), timing.probeEvery)
            if (Option.isNone(command)) {
              if (current === undefined) return
              const probed = yield* Effect.exit(Effect.timeout(options.probe(current.service), timing.probe))
              failures = Exit.isSuccess(probed) ? 0 : failures + 1
              if (Exit.isFailure(probed) && failures >= 3) yield* Effect.failCause(probed.cause)
              return
            }
            switch (command.value._tag) {
              case "Drill":
                yield* Effect.fail(command.value.cause)
                return
              case "Switched":
                yield* Effect.fail(new Exchanged())
                return
              case "Change": {
                const done = yield* Effect.exit(change(build, serves, within))
                if (Exit.isFailure(done)) lastError = wordsOf(done.cause)
                yield* Deferred.succeed(command.value.done, done)
                // The old one is gone already: whoever watches over it starts it anew.
                if (Exit.isFailure(done) && current === undefined) yield* Effect.failCause(done.cause)
              }
            }
          })
          return yield* Effect.raceFirst(Effect.forever(watch), Effect.andThen(until, Effect.fail(new Exchanged())))
        })
      )

    const note = (cause: Cause.Cause<unknown>) =>
      Effect.suspend(() => {
        if (Cause.squash(cause) instanceof Exchanged) return Effect.void
        lastError = wordsOf(cause)
        return enter("down")
      })

    const real = serve(options.build, "v3", "up", Effect.never).pipe(Effect.onError(note))

    /** Tried beside the stand-in, so that nobody has to wait for what does not come. */
    const canBeBack = Effect.gen(function* () {
      yield* Effect.sleep(timing.restore)
      const trial = Effect.flatMap(Effect.scope, (within) => open(options.build, "v3", within))
      yield* Effect.scoped(trial).pipe(
        Effect.timeout(timing.start),
        Effect.tapCause((cause) => Effect.sync(() => void (lastError = wordsOf(cause))))
      )
    }).pipe(Effect.retry(Schedule.forever), Effect.orDie)

    /** With a stand-in nobody else has to hear of it. */
    const lenient = (instead: StandIn<S>) =>
      Effect.gen(function* () {
        if (!isOn()) {
          yield* Effect.flip(serve(instead.build, instead.name, "off", Effect.never))
          return
        }
        // A switch is no failure: it ends the supervisor, and is looked at again.
        const gone = yield* Deferred.make<void>()
        const exchanged = Effect.catchIf(real, isExchanged, () => Deferred.succeed(gone, undefined))
        const over = Supervisor.supervise([{ name, run: exchanged, restart: "transient" as const }], {
          intensity: timing.intensity,
          period: timing.period,
          backoff: timing.backoff
        })
        const gaveUp = yield* Effect.raceFirst(
          Effect.map(Effect.flip(over), Option.some),
          Effect.as(Deferred.await(gone), Option.none<Supervisor.GaveUp>())
        )
        if (Option.isNone(gaveUp)) return
        yield* Effect.logWarning(gaveUp.value.message, { instead: instead.name })
        yield* Effect.flip(serve(instead.build, instead.name, "standIn", canBeBack))
      }).pipe(Effect.forever)

    const use: Subsystem<S>["use"] = (go) =>
      Effect.suspend(() => {
        const at = current
        if (at === undefined) {
          return Effect.andThen(
            Effect.callback<void>((resume) => void arrived.push(() => resume(Effect.void))),
            use(go)
          )
        }
        at.users++
        return Effect.ensuring(
          go(at.service),
          Effect.sync(() => {
            at.users--
            if (at.users === 0) at.idle?.()
          })
        )
      })

    return {
      name,
      use,
      run: standIn === undefined ? real : lenient(standIn),
      change: Effect.gen(function* () {
        if (current === undefined) return Exit.void // it will be built for the mode that is on then
        const done = yield* Deferred.make<Exit.Exit<void, unknown>>()
        yield* Queue.offer(commands, { _tag: "Change", done })
        return yield* Deferred.await(done).pipe(
          Effect.timeoutOrElse({
            duration: Duration.sum(timing.change, timing.change),
            orElse: () => Effect.succeed(Exit.fail(new Error("It took too long.")))
          })
        )
      }),
      switched: Effect.suspend(() =>
        standIn === undefined ? Effect.void : Effect.asVoid(Queue.offer(commands, { _tag: "Switched" }))
      ),
      drill: (cause) => Effect.asVoid(Queue.offer(commands, { _tag: "Drill", cause })),
      status: Effect.suspend(() => {
        const at = current
        const told = at === undefined ? Effect.succeed<Detail>({}) : options.detail(at.service)
        return Effect.map(told, (detail): Status => {
          const off = standIn === undefined && state === "up" && !isOn()
          return {
            name,
            state: off ? "off" : state,
            serves: off ? "v1" : (at?.serves ?? "nothing"),
            mode: at?.mode ?? mode(),
            sinceMillis,
            starts,
            changes,
            lastError,
            detail
          }
        })
      })
    }
  })

const isExchanged = (error: unknown): error is Exchanged => error instanceof Exchanged

const wordsOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return (error instanceof Error ? error.message : String(error)).slice(0, 500)
}
