/** The settings of ASS. An empty section keeps state in the database of the node, alone. */
import { Field } from "@novacron/config"
import { Schema } from "effect"

const etcd = Schema.Struct({
  endpoints: Field.withDefault(Schema.Array(Schema.String), []).annotate({
    description: "Members of etcd, such as https://10.0.0.1:2379. The next one is asked when one does not answer."
  }),
  ca: Schema.optionalKey(Schema.String).annotate({
    description: "File (PEM) of the authorities that etcd is trusted by."
  }),
  certificate: Schema.optionalKey(Schema.String).annotate({
    description: "File (PEM) of the certificate of this node."
  }),
  key: Schema.optionalKey(Schema.String).annotate({ description: "File (PEM) of its private key." }),
  insecure: Field.withDefault(Schema.Boolean, false).annotate({
    description: "Whether endpoints without TLS (http://) are allowed: for machines of one rack, or for tests."
  }),
  attempt: Field.withDefault(Field.duration, "1s").annotate({ description: "How long one member may take to answer." }),
  timeout: Field.withDefault(Field.duration, "5s").annotate({
    description: "How long all members together may take; an election has to fit in."
  })
})

const gossip = Schema.Struct({
  listen: Field.withDefault(Schema.Array(Schema.String), ["/ip4/0.0.0.0/tcp/7946"]).annotate({
    description: "Addresses to listen at (multiaddr)."
  }),
  announce: Field.withDefault(Schema.Array(Schema.String), []).annotate({
    description: "Addresses that others reach this node at, where they are not those it listens at."
  }),
  seeds: Field.withDefault(Schema.Array(Schema.String), []).annotate({
    description: "Addresses of some other nodes; the rest is learned from them."
  }),
  secret: Schema.optionalKey(Field.secret).annotate({
    description: "What all nodes of the cluster know: whoever does not is not heard. At least 16 characters."
  }),
  interval: Field.withDefault(Field.duration, "5s").annotate({
    description: "How often a node compares what it knows with others."
  }),
  fanout: Field.withDefault(Field.count, 3).annotate({ description: "With how many others it compares each time." }),
  maxPeers: Field.withDefault(Field.count, 256).annotate({ description: "Nodes that are remembered." }),
  maxDocument: Field.withDefault(Field.size, "64 MiB").annotate({
    description: "Bytes of all keys and values together; beyond that puts are refused, as with a full disk."
  }),
  compactAt: Field.withDefault(Field.size, "4 MiB").annotate({
    description: "History beyond this is cut off, as far as all nodes have seen it."
  }),
  forget: Field.withDefault(Field.duration, "1d").annotate({
    description: "History is no longer kept for a node that was not seen for this long; it starts from a snapshot then."
  }),
  directory: Schema.optionalKey(Schema.String).annotate({
    description:
      "Where the document is kept; without, a node that starts has what others tell it, and its own are lost."
  })
})

export const Settings = Schema.Struct({
  environment: Field.withDefault(Schema.Literals(["datacenter", "internet", "hybrid", "alone"]), "alone").annotate({
    description: "Who keeps the state: etcd, gossip, etcd with gossip behind it, or the database of this node alone."
  }),
  namespace: Field.withDefault(Schema.NonEmptyString, "novacron").annotate({
    description: "The room of this cluster among others in the same store. Nodes of other rooms are not heard."
  }),
  maxValue: Field.withDefault(Field.size, "1 MiB").annotate({ description: "The largest value that is taken." }),
  lease: Field.withDefault(Field.duration, "10s").annotate({
    description: "How long the ephemeral keys of a node stay after it died. In etcd no less than 2 s."
  }),
  budget: Field.withDefault(Field.duration, "100ms").annotate({
    description: "Hybrid: how long a majority may take before gossip takes over."
  }),
  poll: Field.withDefault(Field.duration, "1s").annotate({
    description: "Alone: how often the database is asked for changes, where it does not tell them."
  }),
  etcd: Field.withDefault(etcd, {}).annotate({ description: "The engine of a datacenter." }),
  gossip: Field.withDefault(gossip, {}).annotate({ description: "The engine of the internet." })
})
