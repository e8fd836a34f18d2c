/** When the certificate of the node runs out, as a figure: an alert says so long before it does. */
import { X509Certificate } from "node:crypto"
import { DateTime, Effect, Option } from "effect"
import type { Figure } from "../post/StartupMetrics.ts"
import type { Security } from "../security/Security.ts"

/** The certificate that the node shows now. One that cannot be read is not there. */
export const figures = ({ serverTls }: Pick<Security["Service"], "serverTls">): Effect.Effect<ReadonlyArray<Figure>> =>
  Effect.gen(function* () {
    const { cert } = yield* serverTls()
    const [first] = Array.isArray(cert) ? cert : [cert]
    if (first === undefined) return []
    const until = yield* Effect.option(Effect.try(() => new X509Certificate(first).validTo))
    return Option.match(Option.flatMap(until, DateTime.make), {
      onNone: () => [],
      onSome: (at) => [
        {
          name: "novacron_certificate_expiry_timestamp_seconds",
          labels: { certificate: "node" },
          value: DateTime.toEpochMillis(at) / 1_000
        }
      ]
    })
  })
