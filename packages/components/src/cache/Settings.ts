/** What a person may say about the cache. */
import { Field } from "@novacron/config"
import { Schema } from "effect"

/**
 * The section `cache`. Without a `url` the cache is memory of this node alone, which is a choice and no failure.
 */
export const Settings = Schema.Struct({
  url: Schema.optionalKey(Field.secret).annotate({
    description: "Where Redis is: redis://user:password@host:6379/0, or rediss:// for TLS. Without it: memory alone."
  }),
  trust: Field.withDefault(Schema.Literals(["node", "system"]), "node").annotate({
    description: "Who signed the certificate of a rediss:// server: the CA of this node, or one the system knows."
  }),
  ttl: Field.withDefault(Field.duration, "1h").annotate({
    description: "How long a value is good for, unless whoever keeps it says otherwise."
  }),
  maxMemory: Field.withDefault(Field.size, "64 MiB").annotate({
    description: "The most that values may take in the memory of this node. No larger value is kept anywhere."
  }),
  maxEntries: Field.withDefault(Field.count, 100_000).annotate({
    description: "How many values there may be in the memory of this node; those not used for longest go first."
  }),
  retries: Field.withDefault(Field.count, 3).annotate({
    description: "How often a connection to Redis is attempted before memory serves instead."
  }),
  commandTimeout: Field.withDefault(Field.duration, "1s").annotate({
    description: "How long Redis may take for one command. Beyond it, what was asked for counts as not there."
  }),
  prefix: Field.withDefault(Schema.String.check(Schema.isMaxLength(64)), "novacron:").annotate({
    description: "What all keys in Redis begin with. Nodes that share a cache share the prefix."
  })
})

export type Settings = typeof Settings.Type
