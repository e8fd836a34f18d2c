/**
 * A boot inside a boot: how a group of components is started, probed and stopped as one.
 */
import { Cause, Context, Effect } from "effect"
import type { Driver } from "./Driver.ts"
import { Environment } from "./Environment.ts"
import * as Health from "./Health.ts"
import { launch } from "./Launch.ts"
import { Status } from "./Progress.ts"
import type * as Recipe from "./Recipe.ts"
import { Critical, Defect, wrap } from "./Severity.ts"

class Members extends Context.Service<Members, Driver>()("@novacron/boot/Group/Members") {}

/** Boots the members, and yields all that they provide. */
export const build = (
  members: ReadonlyArray<Recipe.Recipe>
): Pick<Recipe.Build, "start" | "yields" | "probe" | "isGroup"> => ({
  isGroup: true,
  // Their settings have been checked with those of everybody else.
  start: Effect.map(Effect.catchCause(launch(members.map(validated)), buggy), (driver) => {
    // Among the others and not added to them: a context that something was added to is a copy of them, sooner or later.
    driver.services.byKey.set(Members.key, driver)
    return Context.makeUnsafe<never>(driver.services.offers)
  }),
  yields: "context",
  // `start` puts them there.
  probe: (built) => probeAll(Context.get(built as Context.Context<Members>, Members))
})

const validated = (member: Recipe.Recipe): Recipe.Recipe => ({ ...member, validate: undefined })

/** Checks the settings of all that exist in this environment; nothing to check is undefined. */
export const validate = (members: ReadonlyArray<Recipe.Recipe>): Recipe.AnyEffect | undefined => {
  const checks = members.flatMap(({ environments, name, validate }) =>
    validate === undefined ? [] : [{ environments, check: Effect.mapError(validate, (e) => wrap("Critical", name, e)) }]
  )
  if (checks.length === 0) return undefined
  return Effect.flatMap(Environment, (environment) => {
    const here = checks.filter(({ environments }) => environments?.includes(environment) !== false)
    return Effect.forEach(here, ({ check }) => check, { concurrency: "unbounded", discard: true })
  })
}

/** A member with a defect is a group with one: it is not tried again, whatever the group says of its failures. */
const buggy = <E>(cause: Cause.Cause<E>): Effect.Effect<never, E> => {
  for (const reason of cause.reasons) {
    if (Cause.isFailReason(reason) && reason.error instanceof Critical && reason.error.cause instanceof Defect) {
      return Effect.die(reason.error.cause)
    }
  }
  return Effect.failCause(cause)
}

/** A group is as healthy as those of its members that it cannot do without, and says what they say. */
const probeAll = (driver: Driver): Recipe.AnyEffect => {
  const { components } = driver.settings.plan
  const asked = components.flatMap(({ name, severity }, i) => {
    const isElsewhere = driver.state.status[i] === Status.Absent || driver.state.status[i] === Status.Skipped
    if (severity !== "critical" || isElsewhere) return []
    return [Effect.map(driver.probe(i), (said) => [name, Health.readingOf(said) ?? {}] as const)]
  })
  return Effect.map(Effect.all(asked, { concurrency: "unbounded" }), (said) => Health.together(new Map(said)))
}
