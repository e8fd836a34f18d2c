/**
 * Settings that are tried out: some nodes get one variant of them, some another, each node always the same one.
 *
 * **Example** (half of the nodes take part, a third of those as they were)
 *
 * ```yaml
 * experiments:
 *   larger_pool:
 *     share: 50
 *     variants:
 *       control: { weight: 1 }
 *       forty: { weight: 1, set: { database.pool.max: 40 } }
 *       eighty: { weight: 1, set: { database.pool.max: 80 } }
 * ```
 *
 * **Details**
 *
 * What a variant sets is stronger than the file and weaker than the environment and flags: who runs a node has the last
 * word. Every variant is judged on every node, also those that it does not get, so that a bad one is found before it is
 * anybody's. Whether a node takes part, and as what, is decided by SHA-256 of the experiment and the node's id: experiments
 * do not depend on each other, and a larger share leaves everybody where he was.
 *
 * **Gotchas**
 *
 * A secret cannot be tried out, nor can an experiment. Two experiments may not set the same key.
 */
import { createHash } from "node:crypto"
import { Schema } from "effect"
import * as Field from "./Field.ts"

const Value = Schema.Union([Schema.String, Schema.Finite, Schema.Boolean, Schema.Array(Schema.String)])

/** What some nodes have. */
export const Variant = Schema.Struct({
  weight: Field.withDefault(Field.count, 1).annotate({
    description: "How many nodes get it, in proportion to the weights of the other variants"
  }),
  set: Field.withDefault(Schema.Record(Schema.String, Value), {}).annotate({
    description: "What is set: dotted keys and their values. Nothing: as it was, to compare with"
  })
})

/** One experiment. */
export const Experiment = Schema.Struct({
  share: Field.withDefault(Field.percent, 100).annotate({ description: "The share of nodes that take part" }),
  stopped: Field.withDefault(Schema.Boolean, false).annotate({
    description: "Nobody takes part, whatever else is said"
  }),
  variants: Schema.Record(Schema.String, Variant).annotate({ description: "By their names, one of which a node gets" })
})
export type Experiment = typeof Experiment.Type

/** Experiments by their names, as a section of settings. */
export const Settings = Field.withDefault(Schema.Record(Schema.String, Experiment), {})

/** What a node got. */
export interface Chosen {
  readonly experiment: string
  readonly variant: string
  /** By dotted key, as in a file. */
  readonly set: { readonly [key: string]: unknown }
}

/** What a node gets of an experiment; `undefined` when it takes no part. */
export const variantOf = (name: string, { share, stopped, variants }: Experiment, node: string): string | undefined => {
  const names = Object.keys(variants).toSorted()
  const total = names.reduce((sum, variant) => sum + (variants[variant]?.weight ?? 0), 0)
  if (stopped || total === 0) return undefined
  const digest = createHash("sha256")
    .update(JSON.stringify([name, node]))
    .digest()
  if (digest.readUInt32BE(0) >= (share / 100) * 2 ** 32) return undefined
  let at = (digest.readUInt32BE(4) / 2 ** 32) * total
  return names.find((variant) => (at -= variants[variant]?.weight ?? 0) < 0)
}

/** All that a node gets, by the names of experiments. */
export const chosen = (experiments: { readonly [name: string]: Experiment }, node: string): ReadonlyArray<Chosen> =>
  every(experiments).filter(({ experiment, variant }) => {
    const one = experiments[experiment]
    return one !== undefined && variantOf(experiment, one, node) === variant
  })

/** Every variant of every experiment. */
export const every = (experiments: { readonly [name: string]: Experiment }): ReadonlyArray<Chosen> =>
  Object.keys(experiments)
    .toSorted()
    .flatMap((experiment) =>
      Object.entries(experiments[experiment]?.variants ?? {}).map(([variant, { set }]) => ({
        experiment,
        variant,
        set
      }))
    )

/** Keys that more than one experiment sets, with the names of those. */
export const contested = (all: ReadonlyArray<Chosen>): ReadonlyMap<string, ReadonlyArray<string>> => {
  const by = new Map<string, Set<string>>()
  for (const { experiment, set } of all) {
    for (const key of Object.keys(set)) by.set(key, (by.get(key) ?? new Set()).add(experiment))
  }
  return new Map([...by].filter(([, names]) => names.size > 1).map(([key, names]) => [key, [...names]]))
}
