/**
 * From recipes to a running boot: options are settled, the plan is made, a driver begins, and whoever asked waits until
 * everything is up or everything is down again. A group inside a boot takes the same road.
 */
import { Cause, Config, Context, Data, Deferred, Duration, Effect, Random, Result, type Scope } from "effect"
import type { BootEvent } from "./BootEvent.ts"
import { Driver, Enclosing, type Settings } from "./Driver.ts"
import { Environment } from "./Environment.ts"
import type { Journal, Unfinished } from "./Journal.ts"
import type { Phase } from "./Phase.ts"
import type * as Plan from "./Plan.ts"
import * as Policy from "./Policy.ts"
import * as Preparation from "./Preparation.ts"
import * as Progress from "./Progress.ts"
import type * as Recipe from "./Recipe.ts"
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
  /** Hears every event, in order, at once; it must be quick. That it threw is told by the log, and the boot goes on. */
  readonly observe?: (event: BootEvent) => void
  /** Durations learned from earlier boots, in milliseconds by name: the longest path goes first when slots are scarce. */
  readonly durationsMs?: { readonly [name: string]: number }
  /** What a boot that was killed had acquired: those components run their `recover`. */
  readonly previous?: Unfinished | undefined
  /** Takes secrets out of the text of errors, for events and `health`; where it throws there is no text. Default: none. */
  readonly redact?: (text: string) => string
  /** How long calls in flight keep a service that was exchanged. Default: 10 seconds. */
  readonly drain?: Duration.Input
  /** Why its scope closes, asked when it does: the name of a signal, for instance. Default: nobody knows. */
  readonly because?: () => string | undefined
  /** Whether the kernel's invariants are checked after every event. Default: whether `CI` is set. */
  readonly checked?: boolean
}

/** What only a boot with a running process asks for. */
export interface RunOptions extends Options {
  /** Probes all components at this interval; an unhealthy one with a fallback gives way to it. Default: not at all. */
  readonly monitor?: Duration.Input
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
  Effect.flatMap(begin(recipes, options), (driver) => Effect.as(Deferred.await(driver.settled), driver))

/**
 * The same, and succeeds as soon as the first components start; the driver's `settled` says when the boot is ready. All of
 * it is one step of one fiber: there is nothing to wait for before.
 */
export const begin = (
  recipes: ReadonlyArray<Recipe.Recipe>,
  options: RunOptions
): Effect.Effect<Driver, InvalidBoot, Scope.Scope> =>
  Effect.withFiber<Driver, InvalidBoot, Scope.Scope>((fiber) => {
    const env = fiber.context
    const started = (checked: boolean) => {
      const settled = settle(recipes, options, env, checked)
      if (Result.isFailure(settled)) return Effect.fail(settled.failure)
      const settings = settled.success
      const inner = env.pipe(Context.add(Enclosing, undefined), Context.add(Environment, settings.plan.environment))
      const driver = new Driver(settings, inner, fiber.currentDispatcher)
      const stop = Effect.flatMap(why(options), (because = "the closing of its scope") => driver.stop(because))
      return Effect.map(
        Effect.addFinalizer(() => Effect.andThen(stop, closed(driver))),
        () => {
          driver.begin()
          return driver
        }
      )
    }
    const checked = options.checked ?? Context.get(env, Enclosing)?.driver.settings.checked
    return checked === undefined ? Effect.flatMap(inContinuousIntegration, started) : started(checked)
  })

/** That nobody can say why keeps nothing from being stopped. */
const why = ({ because }: Options): Effect.Effect<string | undefined> =>
  Effect.catchCause(
    Effect.sync(() => because?.()),
    (cause) => Effect.as(Effect.logError("`because` of the boot threw", cause), undefined)
  )

/** Everything that a driver is told, or all that is wrong with it. */
const settle = (
  recipes: ReadonlyArray<Recipe.Recipe>,
  options: RunOptions,
  env: Context.Context<never>,
  checked: boolean
): Result.Result<Settings, InvalidBoot> => {
  const enclosing = Context.get(env, Enclosing)
  const outer = enclosing?.driver.settings
  const limits = limitsOf(options, outer?.limits)
  if (Result.isFailure(limits)) return Result.fail(limits.failure)
  const prepared = Preparation.make(recipes, {
    environment: options.environment ?? outer?.plan.environment ?? Context.get(env, Environment),
    durationsMs: options.durationsMs ?? costsOf(outer?.plan.groups.get(enclosing?.path ?? "")),
    outside: () => env.mapUnsafe
  })
  if (Result.isFailure(prepared)) {
    return Result.fail(new InvalidBoot({ problems: prepared.failure.message.split("\n"), cause: prepared.failure }))
  }
  const { drain, redact, restoration } = options
  const observe = options.observe && heard("observe", options.observe, env)
  const { journal } = options
  return Result.succeed({
    ...prepared.success,
    limits: limits.success,
    bootId: options.bootId ?? outer?.bootId ?? randomId(Context.get(env, Random.Random)),
    nodeId: options.nodeId ?? outer?.nodeId ?? "",
    configVersion: options.configVersion ?? outer?.configVersion ?? "",
    restoration:
      restoration === "off"
        ? undefined
        : (restoration ?? (outer === undefined ? Policy.restoration : outer.restoration)),
    journal: journal && { append: heard("append", (event) => journal.append(event), env), flush: journal.flush },
    observe:
      enclosing === undefined
        ? observe
        : (event) => {
            enclosing.driver.tellOfMember(enclosing.path, event)
            observe?.(event)
          },
    previous: options.previous ?? (outer?.previous && inside(outer.previous, `${enclosing?.path}/`)),
    redact: redact === undefined ? (outer?.redact ?? bounded) : told(redact),
    drainMs: drain === undefined ? 10_000 : Duration.toMillis(drain),
    persistMs: 5_000,
    isInside: enclosing !== undefined,
    checked
  })
}

/** What listens with a bug must not stop what it listens to: that is in the log, the first time. */
const heard = (
  name: "observe" | "append",
  tell: (event: BootEvent) => void,
  env: Context.Context<never>
): ((event: BootEvent) => void) => {
  const whose = name === "observe" ? "`observe` of the boot" : "`append` of its journal"
  let hasThrown = false
  return (event) => {
    try {
      tell(event)
    } catch (defect) {
      if (!hasThrown) Effect.runForkWith(env)(Effect.logError(`${whose} threw`, Cause.die(defect)))
      hasThrown = true
    }
  }
}

/** The text of an error as anybody may see it. What cannot be redacted may hold a secret. */
const told =
  (redact: (text: string) => string) =>
  (text: string): string => {
    try {
      return bounded(redact(text))
    } catch {
      return "what it says was left out, because `redact` of the boot threw"
    }
  }

/** A page of HTML is no message: records and reports hold what somebody reads. */
const bounded = (text: string): string => {
  const most = 4_000
  return text.length <= most ? text : `${text.slice(0, most)}… and ${text.length - most} more characters`
}

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
const costsOf = (plan: Plan.Plan | undefined): { readonly [name: string]: number } | undefined => {
  if (plan === undefined) return undefined
  const known = costs.get(plan) ?? Object.fromEntries(plan.components.map(({ name }, i) => [name, plan.cost[i]!]))
  costs.set(plan, known)
  return known
}

const costs = new WeakMap<Plan.Plan, { readonly [name: string]: number }>()

const randomId = (random: Random.Random): string => randomWord(random) + randomWord(random)
const randomWord = (random: Random.Random): string =>
  Math.floor(random.nextDoubleUnsafe() * 2 ** 32)
    .toString(16)
    .padStart(8, "0")

const limitsOf = (
  options: RunOptions,
  outer: Progress.Limits | undefined
): Result.Result<Progress.Limits, InvalidBoot> => {
  const base = outer ?? Progress.defaultLimits
  const problems: Array<string> = []
  const slots = options.concurrency ?? base.slots
  if (!(Number.isInteger(slots) && slots >= 1)) {
    problems.push(`concurrency is ${slots}: it must be a whole number from 1, or nothing could ever start.`)
  }
  const positive = (name: string, input: Duration.Input | undefined, otherwise: number): number => {
    if (input === undefined) return otherwise
    const ms = Duration.toMillis(input)
    if (!(ms > 0)) problems.push(`${name} is ${ms} ms: it must be longer than nothing.`)
    return ms
  }
  const phase = (name: Phase) => {
    const { maxMs, targetMs } = base.phases[name]
    const ms = positive(`the deadline of phase ${name}`, options.phases?.[name], maxMs)
    return { targetMs: Math.min(targetMs, ms), maxMs: ms }
  }
  const allPhases = () => ({ pre: phase("pre"), core: phase("core"), service: phase("service"), post: phase("post") })
  const limits: Progress.Limits = {
    slots,
    scheduling: options.scheduling ?? base.scheduling,
    bootMs: positive("deadline", options.deadline, base.bootMs),
    rollbackMs: positive("rollback", options.rollback, base.rollbackMs),
    phases: options.phases === undefined ? base.phases : allPhases()
  }
  // Of no interval a monitor would make a storm of probes.
  positive("monitor", options.monitor, Infinity)
  if (options.drain !== undefined && !(Duration.toMillis(options.drain) >= 0)) {
    problems.push(`drain is ${Duration.toMillis(options.drain)} ms: it must not be negative.`)
  }
  return problems.length === 0 ? Result.succeed(limits) : Result.fail(new InvalidBoot({ problems }))
}
