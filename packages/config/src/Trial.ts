/**
 * What a node tries out of experiments, and whether each of their variants could be used: also those that others get.
 */
import * as Experiment from "./Experiment.ts"
import * as Gather from "./Gather.ts"
import * as Keys from "./Keys.ts"
import { codes, type Problem } from "./Problem.ts"
import * as Verdict from "./Verdict.ts"

/** What a rule about several keys found. */
export interface Found {
  readonly code: Problem["code"]
  readonly keys: readonly [string, ...ReadonlyArray<string>]
  readonly message: string
}

interface Definition<A, E> {
  readonly schema: Keys.SettingsSchema<A, E>
  readonly keys: Keys.Keys
  readonly experiments?: string
}

/** Settings with what this node tries out. */
export interface Tried<A> {
  readonly gathered: Gather.Gathered
  readonly verdict: Verdict.Verdict<A>
  /** What is wrong with experiments. */
  readonly problems: ReadonlyArray<Problem>
  /** What this node got, by experiment. */
  readonly variants: { readonly [experiment: string]: string }
}

/** Gathers and judges. Nobody tries out anything while one of the variants is wrong. */
export const tryOut = <A, E>(
  { experiments: section, keys, schema }: Definition<A, E>,
  from: Gather.From,
  node: string | undefined,
  constrain: (settings: A, problems: ReadonlyArray<Problem>) => ReadonlyArray<Found>
): Tried<A> => {
  const judged = (variants: ReadonlyArray<Experiment.Chosen>) => {
    const gathered = Gather.gather({ ...from, variants })
    return { gathered, verdict: Verdict.judge(schema, keys, gathered, from.file?.path, from.file?.item) }
  }
  const bare = judged([])
  const nothing = { ...bare, problems: [], variants: {} }
  const settings = bare.verdict.settings
  if (section === undefined || settings === undefined) return nothing
  // The definition says that `Experiment.Settings` stands there, and the Schema has let it pass.
  const experiments = Keys.at(settings.value, Keys.find(keys, section)?.path ?? []) as Experiments | undefined
  const all = Experiment.every(experiments ?? {})
  if (experiments === undefined || all.length === 0) return nothing

  const usual = new Set(constrain(settings.value, []).map(({ message }) => message))
  const unusable = all.flatMap((one): ReadonlyArray<Problem> => {
    const { gathered, verdict } = judged([one])
    const source = { _tag: "Variant", experiment: one.experiment, variant: one.variant } as const
    const nested = Object.keys(one.set).filter((key) => key === section || key.startsWith(`${section}.`))
    const own = [
      ...nested.map((key) => ({ code: codes.experiment, key, message: "An experiment cannot be tried out.", source })),
      ...[...gathered.problems, ...verdict.problems].filter(({ source }) => source?._tag === "Variant")
    ]
    if (verdict.settings === undefined) {
      // Section by section all was well before: it is what this variant sets that does not go together with the rest.
      return own.length > 0 ? own : verdict.problems.map((problem) => ({ ...problem, source }))
    }
    const clashes = constrain(verdict.settings.value, own).filter(({ message }) => !usual.has(message))
    return [...own, ...clashes.map(({ code, keys: [key], message }) => ({ code, key, message, source }))]
  })
  const contested = [...Experiment.contested(all)].map(([key, names]) => ({
    code: codes.experiment,
    key,
    message: `More than one experiment sets this: ${names.join(", ")}. Nobody could tell what made the difference.`,
    source: undefined
  }))
  const problems = [...unusable, ...contested]
  const chosen = node === undefined || problems.length > 0 ? [] : Experiment.chosen(experiments, node)
  return {
    ...(chosen.length === 0 ? bare : judged(chosen)),
    problems,
    variants: Object.fromEntries(chosen.map(({ experiment, variant }) => [experiment, variant]))
  }
}

type Experiments = { readonly [name: string]: Experiment.Experiment }
