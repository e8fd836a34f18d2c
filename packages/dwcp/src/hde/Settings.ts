/** The settings of HDE. An empty section compresses by the goal of the environment and keeps 64 baselines. */
import { Field } from "@novacron/config"
import { Schema } from "effect"

export const Settings = Schema.Struct({
  goal: Field.withDefault(Schema.Literals(["datacenter", "internet", "hybrid"]), "hybrid").annotate({
    description: "What the links ask for: speed (datacenter), size (internet), or whichever is over first (hybrid)."
  }),
  bandwidth: Field.withDefault(Field.size, "12.5 MB").annotate({
    description: "Bytes per second of a link nothing is known about. Default: 100 Mbit/s."
  }),
  threads: Field.withDefault(Field.count, 2).annotate({
    description: "Threads that encode and decode; each needs up to 160 MB for large files."
  }),
  maxContent: Field.withDefault(Field.size, "16 TiB").annotate({
    description: "Files of more bytes than this are refused before anything is allocated."
  }),
  maxMessage: Field.withDefault(Field.size, "1 GiB").annotate({
    description: "Content of more bytes than this is refused when it is to be decoded into memory."
  }),
  baselines: Field.withDefault(Field.count, 64).annotate({
    description: "Baselines that are kept; the ones not used for longest go first."
  }),
  baselineBytes: Field.withDefault(Field.size, "2 GiB").annotate({
    description: "Bytes of all baselines together."
  })
})
