/**
 * TLS of the dashboard with the certificate of the node, from before the boot: what security would make in its start is
 * made here, in the same place and in the same way, when it is not there yet.
 */
import type { TlsOptions } from "node:tls"
import { Effect } from "effect"
import * as Certificates from "../security/Certificates.ts"
import * as PrivateFiles from "../security/PrivateFiles.ts"
import type { Settings } from "../security/Settings.ts"
import * as Tls from "../security/Tls.ts"

/** What a browser is shown. It has no certificate of its own to show: it has a session. */
export const make = (settings: typeof Settings.Type, dataDir: string, nodeId: string) =>
  Effect.gen(function* () {
    const files = yield* PrivateFiles.open(`${dataDir}/security`)
    const identity = yield* Certificates.load({ settings: settings.tls, nodeId, files })
    yield* Certificates.checkValidity(identity)
    const options: TlsOptions = Tls.server(identity, settings.tls.minVersion, "none")
    return options
  })
