/**
 * What an operator may do to one component of a running boot, and what that would mean before it is done: restore it,
 * restart it, stop it alone.
 */
import { Data, Effect } from "effect"
import * as ByHand from "./ByHand.ts"
import type { ByHand as Asked } from "./BootEvent.ts"
import type { Driver } from "./Driver.ts"
import * as Progress from "./Progress.ts"

/** There is nothing to restore under that name. */
export class CannotRestore extends Data.TaggedError("CannotRestore")<{
  readonly component: string
  readonly reason: string
}> {
  override get message() {
    return `"${this.component}" cannot be restored: ${this.reason}`
  }
}

/** A component was not restarted or stopped: nothing was done, or what was done did not end well. */
export class NotDone extends Data.TaggedError("NotDone")<{
  readonly component: string
  readonly what: "restarted" | "stopped"
  /** Whether nothing was done at all. */
  readonly refused: boolean
  readonly reason: string
}> {
  override get message() {
    const { component, reason, refused, what } = this
    return `"${component}" ${refused ? "cannot be" : "was not"} ${what}: ${reason}`
  }
}

/** What a request would do, or has done. */
export interface Prospect {
  readonly component: string
  /** Its state at that moment. */
  readonly state: string
  /** `exchange`: nobody notices; `restart`, `stop`: it goes down; `restore`: it is not up, and is started. */
  readonly how: Asked["how"] | "restore"
  /** Who else goes down, dependents before what they need; with `restart` they come back in the reverse. */
  readonly holders: ReadonlyArray<string>
  /** Those of all of them without which the node takes no work until they are back. */
  readonly critical: ReadonlyArray<string>
  /** Why it cannot be done; undefined when it can. */
  readonly objection: string | undefined
  /** Who has gone down and is not up again; empty before. */
  readonly lost: ReadonlyArray<string>
}

/** How a restart is meant. */
export interface RestartOptions {
  /**
   * Takes the component down, with all who hold it, even where it could be exchanged. Default: false, which exchanges it
   * behind its face if it has one, restarts it if nobody holds it, and does nothing otherwise.
   */
  readonly withDependents?: boolean
}

/** What an operator may do. */
export interface Operator {
  /** Builds a degraded, absent, skipped or stopped component again, now; its progress is in the status. */
  readonly restore: (name: string) => Effect.Effect<void, CannotRestore>
  /** What a restart would do. */
  readonly wouldRestart: (name: string, options?: RestartOptions) => Effect.Effect<Prospect>
  /**
   * Builds a component that is up once more. Succeeds when it is up again, and those that went down with it are up or
   * known not to come. When an exchange fails the old one goes on; a restart ends as its policy says.
   */
  readonly restart: (name: string, options?: RestartOptions) => Effect.Effect<Prospect, NotDone>
  /** What stopping it alone would do. */
  readonly wouldStop: (name: string) => Effect.Effect<Prospect>
  /** Takes a component down that the node can do without, and whoever cannot do without it; `restore` brings it back. */
  readonly stopComponent: (name: string) => Effect.Effect<Prospect, NotDone>
}

/** The operator of a boot. */
export const make = (driver: Driver): Operator => ({
  restore: (name) => restore(driver, name),
  wouldRestart: (name, options = {}) => Effect.sync(() => wouldRestart(driver, name, options)),
  restart: (name, options = {}) => restart(driver, name, options),
  wouldStop: (name) => Effect.sync(() => wouldStop(driver, name)),
  stopComponent: (name) => stop(driver, name)
})

// ----------------------------------------------------------------------------------------------------------- looking

const wouldRestart = (driver: Driver, name: string, { withDependents = false }: RestartOptions): Prospect => {
  const { plan } = driver.settings
  const i = plan.index.get(name)
  if (i === undefined) return unknown(driver, name, "restart")
  if (isDown(driver, i)) {
    return { ...prospect(driver, i, "restart"), how: "restore", holders: [], objection: unrestorable(driver, i) }
  }
  const how = !withDependents && ByHand.hasFace(driver.state, i) ? "exchange" : "restart"
  const found = prospect(driver, i, how)
  if (found.objection !== undefined || how === "exchange" || withDependents || found.holders.length === 0) return found
  const are = found.holders.length === 1 ? "holds" : "hold"
  const objection = `${found.holders.join(", ")} ${are} it, and it has no fallback behind which it could be exchanged`
  return { ...found, objection }
}

const wouldStop = (driver: Driver, name: string): Prospect => {
  const i = driver.settings.plan.index.get(name)
  return i === undefined ? unknown(driver, name, "stop") : prospect(driver, i, "stop")
}

const prospect = (driver: Driver, i: number, how: Asked["how"]): Prospect => {
  const { components } = driver.settings.plan
  const down = how === "exchange" ? [i] : ByHand.withHolders(driver.state, i)
  const nameOf = (at: number) => components[at]!.name
  return {
    component: nameOf(i),
    state: stateOf(driver, i),
    how,
    holders: down.filter((at) => at !== i).map(nameOf),
    critical: how === "exchange" ? [] : down.filter((at) => components[at]!.severity === "critical").map(nameOf),
    objection: driver.objection(i, how),
    lost: []
  }
}

const unknown = (driver: Driver, component: string, how: Asked["how"]): Prospect => {
  const objection = whyUnknown(driver, component)
  return { component, state: "", how, holders: [], critical: [], objection, lost: [] }
}

const whyUnknown = ({ settings }: Driver, component: string): string => {
  const slash = component.indexOf("/")
  const group = slash > 0 ? component.slice(0, slash) : undefined
  const isInside = group !== undefined && settings.plan.index.has(group)
  return isInside ? `it is a part of ${group}, which goes as a whole` : "there is no component of that name"
}

const stateOf = ({ state }: Driver, i: number): string => Progress.statusNames[state.status[i] ?? 0] ?? ""

const isDown = (driver: Driver, i: number): boolean => downStates.has(stateOf(driver, i))

const downStates: ReadonlySet<string> = new Set(["absent", "skipped", "stopped"])

// ------------------------------------------------------------------------------------------------------------- doing

const restart = (driver: Driver, name: string, options: RestartOptions): Effect.Effect<Prospect, NotDone> =>
  Effect.suspend(() => {
    const found = wouldRestart(driver, name, options)
    const { how, objection } = found
    const i = driver.settings.plan.index.get(name)
    const notDone = (reason: string, refused: boolean) =>
      new NotDone({ component: name, what: "restarted", refused, reason })
    if (i === undefined || objection !== undefined) return notDone(objection ?? "", true)
    if (how === "restore") {
      return Effect.as(
        Effect.mapError(restore(driver, name), ({ reason }) => notDone(reason, true)),
        found
      )
    }
    const before = driver.instanceOf(i)
    return Effect.flatMap(driver.byHand(i, how), (failure) => {
      const isUp = Progress.isUp(driver.state, i)
      if (isUp && driver.instanceOf(i) !== before) return Effect.succeed(outcome(driver, i, found))
      const why = failure?.message.replace(/\.$/, "") ?? whyNot(driver, isUp)
      return notDone(`${why}. ${isUp ? "The one that served goes on." : `It is ${stateOf(driver, i)}.`}`, false)
    })
  })

const stop = (driver: Driver, name: string): Effect.Effect<Prospect, NotDone> =>
  Effect.suspend(() => {
    const found = wouldStop(driver, name)
    const i = driver.settings.plan.index.get(name)
    const { objection } = found
    if (i === undefined || objection !== undefined) {
      return new NotDone({ component: name, what: "stopped", refused: true, reason: objection ?? "" })
    }
    return Effect.map(driver.byHand(i, "stop"), () => outcome(driver, i, found))
  })

/** How it is now, and who is not back. */
const outcome = (driver: Driver, i: number, found: Prospect): Prospect => {
  const { index } = driver.settings.plan
  const lost = found.holders.filter((name) => !Progress.isUp(driver.state, index.get(name) ?? i))
  return { ...found, state: stateOf(driver, i), lost }
}

/** No failure is the reason. */
const whyNot = ({ state }: Driver, isUp: boolean): string => {
  if (state.stage !== "ready") return "the node goes down"
  return isUp ? "something else came first" : "it could not be closed in time"
}

const restore = (driver: Driver, name: string): Effect.Effect<void, CannotRestore> =>
  Effect.suspend(() => {
    const i = driver.settings.plan.index.get(name)
    if (i === undefined) return new CannotRestore({ component: name, reason: whyUnknown(driver, name) })
    const reason = unrestorable(driver, i)
    if (reason !== undefined) return new CannotRestore({ component: name, reason })
    driver.tell({ _tag: "Restore", atMs: driver.now(), component: i })
    return Effect.void
  })

const unrestorable = (driver: Driver, i: number): string | undefined => {
  const state = stateOf(driver, i)
  if (state !== "degraded" && !downStates.has(state)) return `it is ${state}`
  const { components, hard } = driver.settings.plan
  const missing = hard[i]!.find((need) => !Progress.isUp(driver.state, need))
  return missing === undefined
    ? undefined
    : `it needs ${components[missing]!.name}, which is ${stateOf(driver, missing)}`
}
