/** The settings of the validation of resources. */
import { Field } from "@novacron/config"
import { Schema } from "effect"

export const Settings = Schema.Struct({
  policy: Field.withDefault(Schema.Literals(["warn", "enforce"]), "warn").annotate({
    description: "`enforce` ends the boot of a machine that is too small, `warn` says so and goes on."
  }),
  minCores: Field.withDefault(Field.count, 4).annotate({
    description: "Processors that this process may use, limits of its control group included."
  }),
  minMemory: Field.withDefault(Field.size, "8 GB").annotate({
    description: "Memory that this process may use, limits of its control group included."
  }),
  minDisk: Field.withDefault(Field.size, "100 GB").annotate({
    description: "The size of the file system of the data directory."
  }),
  minBandwidth: Field.withDefault(Field.count, 1_000).annotate({
    description: "The speed of the fastest link that is up, in Mbit/s. Virtual links tell none; that is only a warning."
  }),
  wantedBandwidth: Schema.optionalKey(
    Field.count.annotate({
      description: "The speed that a node of its kind is meant to have, in Mbit/s. Less is a warning under each policy."
    })
  )
}).annotate({ description: "What the machine must have." })
