/**
 * Failures to look at: `SHORTENER_FAIL` names a component, `SHORTENER_HOW` what goes wrong with it (`Fails`, `Hangs`,
 * `Dies`, `FailsAcquired`, `FinalizerHangs` …, see `Fault` of `@novacron/simulation`). It strikes in the first three
 * attempts and not in those after them.
 */
import { Fault } from "@novacron/simulation"
import { Config, Effect, Option } from "effect"
import { shortener } from "./Shortener.ts"

const wanted = Config.all({
  component: Config.option(
    Config.Literals(
      shortener.map(({ manifest }) => manifest.name),
      "SHORTENER_FAIL"
    )
  ),
  how: Config.withDefault(Config.Literals(Fault.kinds, "SHORTENER_HOW"), "Fails")
})

/** The components of the shortener, with the faults that the environment asks for. */
export const sabotaged = Effect.map(wanted, ({ component, how }) => {
  const at = (component: string) => [1, 2, 3].map((attempt) => Fault.make(how, { component, variant: 0, attempt }))
  return Fault.inject(shortener, Option.match(component, { onNone: () => [], onSome: at })).components
})
