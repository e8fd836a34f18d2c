/** The settings of the pre-flight: who has to answer before the node starts. */
import { Field } from "@novacron/config"
import { Schema } from "effect"

/** What it means when nobody answers: `enforce` ends the boot, `warn` says so and goes on. */
export const Policy = Schema.Literals(["warn", "enforce"])

const common = {
  name: Schema.NonEmptyString.annotate({ description: "What it is called in messages: database, redis." }),
  timeout: Field.withDefault(Field.duration, "2s").annotate({
    description: "How long the name and the connection may take together."
  }),
  policy: Field.withDefault(Policy, "warn").annotate({
    description: "`enforce` ends the boot when nobody answers, `warn` says so and goes on."
  }),
  wait: Field.withDefault(Field.duration, "0s").annotate({
    description: "How long it is tried again, for what starts beside the node, such as a sidecar; 0s: it is tried once."
  })
}

const TcpEndpoint = Schema.Struct({
  ...common,
  host: Schema.NonEmptyString.annotate({ description: "A name or an address." }),
  port: Field.port.annotate({ description: "The TCP port." }),
  ready: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(/^\/[!-~]*$/, { expected: "a path that begins with /" })).annotate({
      description:
        "A path such as /healthz/ready, where GET over plain HTTP has to be answered by 2xx. None unless set."
    })
  )
})

const UnixEndpoint = Schema.Struct({
  ...common,
  path: Schema.NonEmptyString.annotate({ description: "The path of a Unix socket." })
})

/** Somebody who should answer. */
export const Endpoint = Schema.Union([TcpEndpoint, UnixEndpoint])
export type Endpoint = typeof Endpoint.Type

export const Settings = Schema.Struct({
  enabled: Field.withDefault(Schema.Boolean, true).annotate({
    description: "Whether anybody is tried before the node starts; false: nobody, the database and the cache neither."
  }),
  endpoints: Field.withDefault(Schema.Array(Endpoint), []).annotate({
    description:
      "Who has to answer before the node starts: name and host with port, or path; timeout; policy; wait; ready."
  })
}).annotate({
  description: "Connections that are tried before the node starts. Nothing is sent, unless `ready` names a path."
})
