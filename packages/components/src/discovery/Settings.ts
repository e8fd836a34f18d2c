/** The settings of discovery: how long a node that is gone is still found, and where it is looked for. */
import { Field } from "@novacron/config"
import { Schema } from "effect"

const etcd = Schema.Struct({
  endpoints: Field.withDefault(Schema.Array(Schema.NonEmptyString), []).annotate({
    description:
      "Members of an etcd, such as https://10.0.0.1:2379, where nodes are entered besides. None: only the database."
  }),
  namespace: Field.withDefault(Schema.NonEmptyString, "novacron").annotate({
    description: "The room of this cluster among others in the same etcd."
  }),
  ca: Schema.optionalKey(Schema.NonEmptyString.annotate({ description: "File (PEM) of who etcd is trusted by." })),
  certificate: Schema.optionalKey(
    Schema.NonEmptyString.annotate({ description: "File (PEM) of the certificate of this node for etcd." })
  ),
  key: Schema.optionalKey(Schema.NonEmptyString.annotate({ description: "File (PEM) of its private key." })),
  insecure: Field.withDefault(Schema.Boolean, false).annotate({
    description: "Whether endpoints without TLS (http://) are allowed."
  })
}).annotate({ description: "Discovery by etcd, for clusters that have one." })

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
  }),
  etcd: Field.withDefault(etcd, {})
}).annotate({ description: "Which nodes there are: each is entered in the database that they share." })

export type Settings = typeof Settings.Type
