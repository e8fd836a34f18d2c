/** The settings of the single-instance lock. */
import { Field } from "@novacron/config"
import { Schema } from "effect"

export const Settings = Schema.Struct({
  file: Field.withDefault(Schema.NonEmptyString, "novacron.lock").annotate({
    description: "The name of the lock file, inside of the data directory."
  })
}).annotate({ description: "The lock that keeps a second node out of the data directory." })
