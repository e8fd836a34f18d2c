/** What a person may say about the API. */
import { Field } from "@novacron/config"
import { Schema } from "effect"

const Rate = Schema.Struct({
  perMinute: Field.withDefault(Field.count, 1_000).annotate({
    description: "How many requests a caller may make in a minute, over time."
  }),
  burst: Field.withDefault(Field.count, 100).annotate({ description: "How many of them at once." }),
  failures: Field.withDefault(Field.count, 60).annotate({
    description: "How many tokens and certificates that nobody knows an address may show in a minute."
  })
})

const Grpc = Schema.Struct({
  enabled: Field.withDefault(Schema.Boolean, true).annotate({ description: "Whether gRPC is served." }),
  port: Field.withDefault(Field.port, 8_444).annotate({ description: "Where; 0 lets the system choose." })
})

const Sockets = Schema.Struct({
  max: Field.withDefault(Field.count, 10_000).annotate({ description: "How many WebSockets there may be." }),
  buffer: Field.withDefault(Field.size, "256 KiB").annotate({
    description: "What may wait for a reader that is slow. After that it gets the last version of each task only."
  }),
  patience: Field.withDefault(Field.duration, "30s").annotate({
    description: "How long a reader may take nothing at all before it is cut off."
  }),
  history: Field.withDefault(Field.count, 10_000).annotate({
    description: "How many events are kept for readers that come back, and no more of them than 64 MiB."
  })
})

const Tokens = Schema.Struct({
  store: Field.withDefault(Schema.Literals(["database", "file"]), "database").annotate({
    description: "Where tokens are kept: with all nodes of the database, or with this node, in a file of mode 0600."
  }),
  lifetime: Field.withDefault(Field.duration, "90d").annotate({
    description: "How long a token is valid, unless it is said when it is made."
  })
})

/** The section `api`. */
export const Settings = Schema.Struct({
  host: Field.withDefault(Schema.NonEmptyString, "127.0.0.1").annotate({
    description:
      "The address that the API listens at. 0.0.0.0 and :: are all there are; 127.0.0.1 is this machine alone."
  }),
  port: Field.withDefault(Field.port, 8_443).annotate({
    description: "The port of REST and WebSocket; 0 lets the system choose."
  }),
  grpc: Field.withDefault(Grpc, {}).annotate({ description: "The same over gRPC, on a port of its own." }),
  maxConnections: Field.withDefault(Field.count, 20_000).annotate({
    description: "How many connections there may be, of each server."
  }),
  maxBody: Field.withDefault(Field.size, "1 MiB").annotate({ description: "The largest body of a request." }),
  maxHeaders: Field.withDefault(Field.size, "16 KiB").annotate({ description: "The largest headers of a request." }),
  headersTimeout: Field.withDefault(Field.duration, "10s").annotate({
    description: "How long a handshake, and then the headers of a request, may take to arrive."
  }),
  requestTimeout: Field.withDefault(Field.duration, "30s").annotate({
    description: "How long a whole request may take to arrive, and how long its answer may take."
  }),
  idleTimeout: Field.withDefault(Field.duration, "60s").annotate({
    description: "How long a connection may wait for its next request."
  }),
  drainTimeout: Field.withDefault(Field.duration, "10s").annotate({
    description: "How long requests may take to finish when the node stops."
  }),
  retryAfter: Field.withDefault(Field.duration, "1s").annotate({
    description: "When to ask again while the orchestration starts."
  }),
  rate: Field.withDefault(Rate, {}).annotate({ description: "How often one may ask." }),
  sockets: Field.withDefault(Sockets, {}).annotate({ description: "Those who are told what happens." }),
  tokens: Field.withDefault(Tokens, {}).annotate({ description: "Tokens of programs." }),
  origins: Field.withDefault(Schema.Array(Schema.NonEmptyString), []).annotate({
    description: "Pages of other origins whose scripts may change things: https://console.example.org."
  })
})
export type Settings = typeof Settings.Type
