/** The settings of the dashboard. */
import { Field } from "@novacron/config"
import { Schema } from "effect"

export const Settings = Schema.Struct({
  enabled: Field.withDefault(Schema.Boolean, true).annotate({
    description: "Whether the node serves its dashboard. novacron dashboard prints the address."
  }),
  host: Field.withDefault(Schema.NonEmptyString, "127.0.0.1").annotate({
    description: "The address that the dashboard listens on. On any other than the loopback interface it speaks TLS."
  }),
  port: Field.withDefault(Field.port, 9092).annotate({
    description: "The port of the dashboard. When it is taken, or 0, the system chooses another one."
  }),
  names: Field.withDefault(Schema.Array(Schema.NonEmptyString), []).annotate({
    description: "Names that browsers may ask for besides `host` and the local ones, as behind a proxy."
  }),
  session: Field.withDefault(Field.duration, "12h").annotate({
    description: "How long a browser may look before it needs a new link from novacron dashboard."
  }),
  sampleInterval: Field.withDefault(Field.duration, "5s").annotate({
    description: "How often the health of each part is noted down. The last 720 notes are kept."
  }),
  maxConnections: Field.withDefault(Field.count, 64).annotate({
    description: "Connections open at the same time; more are refused. A page that is open holds one or two."
  })
}).annotate({ description: "The pages on which a person looks at the node: graph, timeline, health, journals." })
export type Settings = typeof Settings.Type
