/** The settings of the node itself: who it is, where it keeps things, how long it may take. */
import { Logger } from "@novacron/components/early"
import { Field } from "@novacron/config"
import { Schema } from "effect"

/** The section `system`. */
export const Settings = Schema.Struct({
  nodeId: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
        expected: "a name of letters, digits, '.', '_' and '-', 64 at the most"
      })
    ).annotate({
      description:
        "The name of this node, which its certificate bears. Default: kept from the first boot, the host's name."
    })
  ),
  dataDir: Schema.optionalKey(
    Schema.NonEmptyString.annotate({
      description:
        "Where everything is kept. Default: novacron below $STATE_DIRECTORY or $XDG_STATE_HOME, else .novacron."
    })
  ),
  logLevel: Schema.optionalKey(
    Logger.Level.annotate({ description: "What is logged: this and what is worse. Stronger than logger.level." })
  ),
  healthCheckPort: Schema.optionalKey(
    Field.port.annotate({ description: "The port of the health endpoints, 0 for any. Stronger than health.port." })
  ),
  maxConcurrency: Field.withDefault(Field.count, 1_000).annotate({
    description:
      "How many components may start at the same time at the most; the machine and the environment may say less."
  }),
  bootTimeout: Field.withDefault(Field.duration, "30s").annotate({
    description:
      "How long the boot may take before it is given up and rolled back. The template of the environment sets it: 45s " +
      "hybrid, 60s internet."
  }),
  shutdownTimeout: Field.withDefault(Field.duration, "30s").annotate({
    description:
      "How long everything may take to stop, or to be rolled back, before what is left is abandoned. The template of the " +
      "environment sets it: 30s datacenter, 45s hybrid, 60s internet."
  }),
  monitorInterval: Field.withDefault(Field.duration, "5s").annotate({
    description: "How often every component is probed while the node runs."
  })
}).annotate({ description: "The node itself." })

export type Settings = typeof Settings.Type
