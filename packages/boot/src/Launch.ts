/**
 * From recipes to a running boot: options are settled, the plan is made, a driver begins, and whoever asked waits until
 * everything is up or everything is down again. A group inside a boot takes the same road.
 */
import { Config, Context, Data, Deferred, Duration, Effect, Random, Result, type Scope } from "effect"
import type { BootEvent } from "./BootEvent.ts"
import { Driver, Enclosing } from "./Driver.ts"
import { Environment } from "./Environment.ts"
import type { Journal, Unfinished } from "./Journal.ts"
import type { Phase } from "./Phase.ts"
import * as Plan from "./Plan.ts"
import * as Policy from "./Policy.ts"
import * as Progress from "./Progress.ts"
import * as Recipe from "./Recipe.ts"
import type { Critical } from "./Severity.ts"

/** How to boot. Everything has a default. */
export interface Options {
  /** Identifies this boot in journal, report and traces. Default: drawn from `Random`. */
  readonly bootId?: string
  /** Default: empty. */
  readonly nodeId?: string
  /** Which settings it boots with, for the record. Default: empty. */
  readonly configVersion?: string
  /** Which components exist. Default: the `Environment` reference. */
  readonly environment?: string
  /** How many attempts run at the same time. Default: 16. */
  readonly concurrency?: number
  /** `phased` waits for each phase before the next one starts; `dataflow` waits for needs alone. Default: `dataflow`. */
  readonly scheduling?: "dataflow" | "phased"
  /** For the whole boot. Default: 30 seconds. */
  readonly deadline?: Duration.Input
  /** For the whole rollback, and for the whole stop. Default: 60 seconds. */
  readonly rollback?: Duration.Input
  /** For each phase, from the completion of those before it. Defaults: 10, 20, 20 and 10 seconds. */
  readonly phases?: { readonly [P in Phase]?: Duration.Input }
  /** How what is degraded or absent is built again while running; `"off"` for not at all. Default: `Policy.restoration`. */
  readonly restoration?: Policy.Policy | "off"
  /** Keeps the record. The last checkpoint is durable in it before the boot is ready. Default: none. */
  readonly journal?: Journal
  /** Hears every event, in order, at once; it must be quick and must not throw. */
  readonly observe?: (event: BootEvent) => void
  /** Durations learned from earlier boots, in milliseconds by name: the longest path goes first when slots are scarce. */
  readonly durationsMs?: { readonly [name: string]: number }
  /** What a boot that was killed had acquired: those components run their `recover`. */
  readonly previous?: Unfinished | undefined
  /** Takes secrets out of the text of errors before it reaches any event. Default: none. */
  readonly redact?: (text: string) => string
  /** How long calls in flight keep a service that was exchanged. Default: 10 seconds. */
  readonly drain?: Duration.Input
  /** Why its scope closes, asked when it does: the name of a signal, for instance. Default: nobody knows. */
  readonly because?: () => string | undefined
  /** Whether the kernel's invariants are checked after every event. Default: whether `CI` is set. */
  readonly checked?: boolean
}

/** The declarations or the options cannot be right; nothing was started. All problems at once. */
export class InvalidBoot extends Data.TaggedError("InvalidBoot")<{
  readonly problems: ReadonlyArray<string>
  /** When the plan is what is wrong: its problems as data. */
  readonly cause?: Plan.InvalidPlan
}> {
  override get message() {
    return this.problems.join("\n")
  }
}

/** Plans the recipes and begins; succeeds when the boot is ready. What it started is stopped with the scope. */
export const launch = (
  recipes: ReadonlyArray<Recipe.Recipe>,
  options: Options = {}
): Effect.Effect<Driver, Critical | InvalidBoot, Scope.Scope> =>
  Effect.gen(function* () {
    const env = yield* Effect.context()
    const enclosing = yield* Enclosing
    const outer = enclosing?.driver.settings
    const environment = options.environment ?? outer?.plan.environment ?? (yield* Environment)
    const limits = yield* limitsOf(options, outer?.limits)
    const planned = Plan.make(recipes.map(Recipe.manifest), {
      environment,
      provided: new Set(env.mapUnsafe.keys()),
      durationsMs: options.durationsMs ?? costsOf(outer?.plan.groups.get(enclosing?.path ?? ""))
    })
    if (Result.isFailure(planned)) {
      return yield* new InvalidBoot({ problems: planned.failure.message.split("\n"), cause: planned.failure })
    }
    const plan = planned.success
    const byName = new Map<string, Recipe.Recipe>()
    for (const recipe of recipes) byName.set(recipe.name, recipe)
    const dispatcher = yield* Effect.withFiber((fiber) => Effect.succeed(fiber.currentDispatcher))
    const observe = options.observe ?? (() => undefined)
    const driver = new Driver(
      {
        plan,
        // The plan was made of these recipes.
        recipes: plan.components.map(({ name }) => byName.get(name)!),
        limits,
        bootId: options.bootId ?? outer?.bootId ?? (yield* randomId),
        nodeId: options.nodeId ?? outer?.nodeId ?? "",
        configVersion: options.configVersion ?? outer?.configVersion ?? "",
        restoration:
          options.restoration === "off"
            ? undefined
            : (options.restoration ?? (outer === undefined ? Policy.restoration : outer.restoration)),
        journal: options.journal,
        observe:
          enclosing === undefined
            ? observe
            : (event) => {
                enclosing.driver.tellOfMember(enclosing.path, event)
                observe(event)
              },
        previous: options.previous ?? (outer?.previous && inside(outer.previous, `${enclosing?.path}/`)),
        redact: options.redact ?? outer?.redact ?? ((text) => text),
        drainMs: Duration.toMillis(options.drain ?? "10 seconds"),
        persistMs: 5_000,
        isInside: enclosing !== undefined,
        checked: options.checked ?? outer?.checked ?? (yield* inContinuousIntegration)
      },
      env.pipe(Context.add(Enclosing, undefined), Context.add(Environment, environment)),
      dispatcher
    )
    const stop = Effect.suspend(() => driver.stop(options.because?.() ?? "the closing of its scope"))
    yield* Effect.addFinalizer(() => Effect.andThen(stop, closed(driver)))
    driver.begin()
    yield* Deferred.await(driver.settled)
    return driver
  })

/** A group whose members did not close cleanly has not closed cleanly itself. */
const closed = ({ settings, state }: Driver): Effect.Effect<void> =>
  Effect.suspend(() =>
    settings.isInside && state.unclean ? Effect.die(new Error("not all members were closed cleanly")) : Effect.void
  )

/** The environment's word for "a machine runs this": the invariants are then checked for everybody's benefit. */
const inContinuousIntegration: Effect.Effect<boolean> = Effect.orElseSucceed(
  Effect.map(Config.option(Config.String("CI")), (ci) => ci._tag === "Some" && ci.value !== "" && ci.value !== "false"),
  () => false
)

/** What was left behind inside a group: the names without the path to them. */
const inside = (previous: Unfinished, path: string): Unfinished => {
  const names = (paths: ReadonlyArray<string>) =>
    paths.flatMap((it) => (it.startsWith(path) ? [it.slice(path.length)] : []))
  return { ...previous, started: names(previous.started), acquired: names(previous.acquired) }
}

/** A group is planned with the boot around it, which knows what its members took before. */
const costsOf = (plan: Plan.Plan | undefined): { readonly [name: string]: number } =>
  Object.fromEntries(plan?.components.map(({ name }, i) => [name, plan.cost[i]!]) ?? [])

const randomWord: Effect.Effect<string> = Effect.map(Random.next, (chance) =>
  Math.floor(chance * 2 ** 32)
    .toString(16)
    .padStart(8, "0")
)
const randomId: Effect.Effect<string> = Effect.flatMap(randomWord, (high) =>
  Effect.map(randomWord, (low) => high + low)
)

const limitsOf = (
  options: Options,
  outer: Progress.Limits | undefined
): Effect.Effect<Progress.Limits, InvalidBoot> => {
  const base = outer ?? Progress.defaultLimits
  const problems: Array<string> = []
  const slots = options.concurrency ?? base.slots
  if (!(Number.isInteger(slots) && slots >= 1)) {
    problems.push(`concurrency is ${slots}: it must be a whole number from 1, or nothing could ever start.`)
  }
  const positive = (name: string, input: Duration.Input | undefined, otherwise: number): number => {
    const ms = input === undefined ? otherwise : Duration.toMillis(input)
    if (!(ms > 0)) problems.push(`${name} is ${ms} ms: it must be longer than nothing.`)
    return ms
  }
  const phase = (name: Phase) => {
    const { maxMs, targetMs } = base.phases[name]
    const ms = positive(`the deadline of phase ${name}`, options.phases?.[name], maxMs)
    return { targetMs: Math.min(targetMs, ms), maxMs: ms }
  }
  const limits: Progress.Limits = {
    slots,
    scheduling: options.scheduling ?? base.scheduling,
    bootMs: positive("deadline", options.deadline, base.bootMs),
    rollbackMs: positive("rollback", options.rollback, base.rollbackMs),
    phases: { pre: phase("pre"), core: phase("core"), service: phase("service"), post: phase("post") }
  }
  return problems.length === 0 ? Effect.succeed(limits) : Effect.fail(new InvalidBoot({ problems }))
}
