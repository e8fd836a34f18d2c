/**
 * A boot inside a boot: how a group of components is started, probed and stopped as one.
 */
import { Context, Effect } from "effect"
import type { Driver } from "./Driver.ts"
import { launch } from "./Launch.ts"
import type * as Recipe from "./Recipe.ts"

class Members extends Context.Service<Members, Driver>()("@novacron/boot/Group/Members") {}

/** Boots the members, and yields all that they provide. */
export const build = (members: ReadonlyArray<Recipe.Recipe>): Pick<Recipe.Build, "start" | "yields" | "probe"> => ({
  start: Effect.map(launch(members), (driver) =>
    Context.add(Context.makeUnsafe<never>(driver.services.byKey), Members, driver)
  ),
  yields: "context",
  // `start` puts them there.
  probe: (built) => probeAll(Context.get(built as Context.Context<Members>, Members))
})

/** A group is as healthy as those of its members that it cannot do without. */
const probeAll = (driver: Driver): Recipe.AnyEffect =>
  Effect.forEach(
    driver.settings.plan.components.flatMap((member, i) => (member.severity === "critical" ? [i] : [])),
    (i) => driver.probe(i),
    { concurrency: "unbounded", discard: true }
  )
