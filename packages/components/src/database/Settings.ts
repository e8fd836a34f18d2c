/**
 * The settings of the database: where it is, how many connections, how long anything may take. Everything has a default;
 * without a `url` the node runs a PostgreSQL server of its own.
 */
import { Field } from "@novacron/config"
import { Duration, Schema } from "effect"

/** How the connection is encrypted, in libpq's words. */
export const SslMode = Schema.Literals(["disable", "require", "verify-ca", "verify-full"])
export type SslMode = typeof SslMode.Type

const Pool = Schema.Struct({
  min: Field.withDefault(Field.count, 5).annotate({
    description: "Connections that are open before the node is ready, and stay open."
  }),
  max: Field.withDefault(Field.count, 50).annotate({ description: "The most connections at once." }),
  acquireTimeout: Field.withDefault(Field.duration, "30s").annotate({
    description: "How long a call waits for a free connection before it fails."
  }),
  idleTimeout: Field.withDefault(Field.duration, "10m").annotate({
    description: "Connections beyond `min` are closed after this long without use."
  }),
  lifetime: Field.withDefault(Field.duration, "1h").annotate({
    description: "A connection older than this is replaced at its next use."
  })
}).check(
  Schema.makeFilter(({ max, min }: { readonly min: number; readonly max: number }) => min <= max, {
    expected: "pool.min to be at most pool.max"
  })
)

const Migrations = Schema.Struct({
  enabled: Field.withDefault(Schema.Boolean, true).annotate({
    description: "Whether this node changes the schema. When false it only checks that others have."
  }),
  lockTimeout: Field.withDefault(Field.duration, "10s").annotate({
    description: "How long to wait while another node migrates, before the attempt fails and is made again."
  })
})

const Breaker = Schema.Struct({
  failures: Field.withDefault(Field.count, 3).annotate({
    description: "Lost connections in a row after which calls fail at once."
  }),
  openFor: Field.withDefault(Field.duration, "30s").annotate({
    description: "How long calls fail at once before one is let through to see. A passed health check ends it sooner."
  })
})

const Embedded = Schema.Struct({
  enabled: Field.withDefault(Schema.Boolean, true).annotate({
    description: "Whether the node runs a PostgreSQL server of its own when `url` is not set."
  }),
  dataDir: Schema.optionalKey(Schema.NonEmptyString).annotate({
    description: "Where that server keeps its data. Default: `postgresql` in the data directory of the node."
  })
})

/** The section `database`. */
export const Settings = Schema.Struct({
  url: Schema.optionalKey(Field.secret).annotate({
    description:
      "postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…; HOST may be the directory of a unix socket, as ?host=/DIR."
  }),
  passwordSecret: Schema.optionalKey(Schema.NonEmptyString).annotate({
    description:
      "The name of a secret that holds the password, instead of the one in `url`; asked for at each new connection."
  }),
  sslmode: Field.withDefault(SslMode, "require").annotate({
    description:
      "How the connection to `url` is encrypted, unless `url` says so itself: disable, require (encrypted), verify-ca " +
      "(the certificate is checked), verify-full (and its name). A unix socket is not encrypted."
  }),
  sslRootCert: Schema.optionalKey(Schema.NonEmptyString).annotate({
    description: "A PEM file with the authorities that verify-ca and verify-full trust. Default: those of Node.js."
  }),
  connectTimeout: Field.withDefault(Field.duration, "5s").annotate({
    description: "How long one connection may take to open."
  }),
  statementTimeout: Field.withDefault(Field.duration, "30s").annotate({
    description: "How long the server works on one statement before it gives up."
  }),
  slowQuery: Field.withDefault(Field.duration, "1s").annotate({
    description: "A statement that takes longer is logged, without its parameters."
  }),
  pool: Field.withDefault(Pool, {}).annotate({ description: "The connections that are kept open." }),
  breaker: Field.withDefault(Breaker, {}).annotate({
    description: "When calls to a database that is away fail at once."
  }),
  migrations: Field.withDefault(Migrations, {}).annotate({ description: "Changes of the schema at boot." }),
  embedded: Field.withDefault(Embedded, {}).annotate({ description: "The PostgreSQL server of the node itself." })
}).annotate({ description: "PostgreSQL: by URL, or a server of the node's own." })
export type Settings = typeof Settings.Type

/** How long a statement may take on our side, in milliseconds: the server's own limit, and the way there and back. */
export const patienceMs = ({ statementTimeout }: Settings): number => Duration.toMillis(statementTimeout) + 5_000
