/** The settings of discovery: how long a node that is gone is still found, and where it is looked for. */
import { Field } from "@novacron/config"
import { Schema } from "effect"

/** The registries beside the database, and how patient they are. */
export const Settings = Schema.Struct({
  enabled: Field.withDefault(Schema.Boolean, true).annotate({
    description: "Whether other nodes find this one, and it them."
  }),
  lease: Field.withDefault(Field.duration, "15s").annotate({
    description: "How long a node that died is still found; it says three times in that time that it is there."
  }),
  interval: Field.withDefault(Field.duration, "2s").annotate({
    description: "How often this node looks who else is there."
  }),
  advertise: Field.withDefault(Schema.Array(Schema.NonEmptyString), []).annotate({
    description: "Addresses that others reach this node at, as name=address, in place of those it listens on."
  })
}).annotate({ description: "Which nodes there are: each is entered in the database that they share." })

export type Settings = typeof Settings.Type
