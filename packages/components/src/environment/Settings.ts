/** The settings of the detection of the environment. */
import { Field } from "@novacron/config"
import { Schema } from "effect"

/** Where a node can be: its parts choose their parameters by it. */
export const Kind = Schema.Literals(["datacenter", "internet", "hybrid"])
export type Kind = typeof Kind.Type

/** `host:port`, `[::1]:9090` */
const Peer = Schema.String.check(
  Schema.isPattern(/^(?:\[[0-9a-fA-F:.]+\]|[^\s:[\]]+):\d{1,5}$/, { expected: "a host and a port such as db1:9090" })
)

export const Settings = Schema.Struct({
  kind: Field.withDefault(Schema.Literals(["auto", ...Kind.literals]), "auto").annotate({
    description: "datacenter, internet or hybrid; `auto` measures."
  }),
  peers: Field.withDefault(Schema.Array(Peer), []).annotate({
    description: "Other nodes as host:port, to measure the way to them. Without any the way stays unknown."
  }),
  samples: Field.withDefault(Field.count, 3).annotate({
    description: "How many connections are tried to each peer; the fastest counts."
  }),
  budget: Field.withDefault(Field.duration, "2s").annotate({
    description: "How long measuring may take. What is not known by then stays unknown."
  }),
  nearLatency: Field.withDefault(Field.duration, "10ms").annotate({
    description: "Peers within this round trip speak for a data centre."
  }),
  farLatency: Field.withDefault(Field.duration, "50ms").annotate({
    description: "Peers beyond this round trip speak for the internet."
  }),
  fastLink: Field.withDefault(Field.count, 1_000).annotate({
    description: "A link of this many Mbit/s speaks for a data centre, a slower one for the internet."
  })
}).annotate({ description: "Where the node is, which decides how its parts are set." })
