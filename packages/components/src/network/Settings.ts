/** What a person may say about the network. */
import { Field } from "@novacron/config"
import { Schema } from "effect"
import * as Cidr from "./Cidr.ts"

/** The section `network`. */
export const Settings = Schema.Struct({
  listenAddress: Field.withDefault(Schema.String.check(Schema.isPattern(/\S/)), "127.0.0.1").annotate({
    description:
      "The address peers reach this node at. 0.0.0.0 and :: are all there are; 127.0.0.1 is this machine alone."
  }),
  bindPort: Field.withDefault(Field.port, 9090).annotate({
    description: "The port peers reach this node at; 0 lets the system choose."
  }),
  serverName: Schema.optionalKey(Schema.NonEmptyString).annotate({
    description: "A name in the certificate of this node: its own probe asks for it. Default: the id of the node."
  }),
  maxConnections: Field.withDefault(Field.count, 10_000).annotate({
    description: "How many connections there may be. One more is closed before it has said anything."
  }),
  maxPerAddress: Field.withDefault(Field.count, 1_024).annotate({
    description: "How many of them may come from one address."
  }),
  maxPerNode: Field.withDefault(Field.count, 1_024).annotate({
    description: "How many of them one node may have, by the name in its certificate, from whichever address."
  }),
  handshakeTimeout: Field.withDefault(Field.duration, "10s").annotate({
    description: "How long a peer may take to prove who it is and to say what it wants."
  }),
  minRate: Field.withDefault(Field.size, "64 B").annotate({
    description: "What a peer must send each second until then, after the first one."
  }),
  idleTimeout: Field.withDefault(Field.duration, "2m").annotate({
    description: "How long a peer may say nothing while this node waits for it."
  }),
  connTimeout: Field.withDefault(Field.duration, "30s").annotate({
    description: "How long a connection to a peer may take, and how long a peer may refuse to read."
  }),
  maxFrame: Field.withDefault(Field.size, "1 MiB").annotate({
    description: "The largest frame. No connection keeps more than two of these in memory."
  }),
  drainTimeout: Field.withDefault(Field.duration, "10s").annotate({
    description: "How long peers may take to finish when the node stops. Whoever is still there is cut off."
  }),
  allow: Field.withDefault(Schema.Array(Cidr.Cidr), []).annotate({
    description: "From which networks peers may come, such as 10.0.0.0/8 or fd00::/8. Empty: from all."
  }),
  deny: Field.withDefault(Schema.Array(Cidr.Cidr), []).annotate({
    description: "From which networks they may not, even where `allow` says they may."
  })
})

export type Settings = typeof Settings.Type
