/**
 * What `novacron dwcp serve`, `send` and `probe` do. Words and progress bars are made of what these give by whoever calls.
 */
import { Clock, Effect, type FileSystem, Schema, type Scope } from "effect"
import type * as Preference from "../acp/Preference.ts"
import { Detector, Measure } from "../mode/index.ts"
import { Amst, type Address, type Listener, type Peer, type TransferError } from "./Amst.ts"
import type { FileUnavailable, ListenFailed, PeerLost } from "./Failures.ts"
import { Settings } from "./Settings.ts"

export interface Serving extends Omit<Address, "directory" | "host" | "port"> {
  /** `HOST:PORT`; an IPv6 address in brackets. */
  readonly listen: { readonly host: string; readonly port: number }
  readonly dir: string
}

/** Takes files into `dir` until its scope closes. */
export const serve = Effect.fn("Command.serve")(function* ({
  dir,
  listen,
  ...rest
}: Serving): Effect.fn.Return<Listener, ListenFailed, Amst | Scope.Scope> {
  const amst = yield* Amst
  return yield* amst.listen({ ...rest, ...listen, directory: dir })
})

export interface Progress {
  readonly arrivedBytes: number
  readonly size: number
  readonly streams: number
  /** Bytes per second that arrive just now. */
  readonly bytesPerSecond: number
}

export interface SendArguments {
  readonly streams?: number | "auto"
  /** `auto`, or a congestion control by name. */
  readonly congestion?: string
  readonly environment?: Preference.Environment
  readonly tls?: Peer["tls"]
  /** Called ten times a second at most. */
  readonly onProgress?: (progress: Progress) => void
}

/** What `send --json` prints. */
export interface Sent {
  readonly file: string
  readonly bytes: number
  readonly resumedBytes: number
  readonly sha256: string
  readonly seconds: number
  readonly mbitPerSecond: number
  /** The most streams at once. */
  readonly streams: number
  readonly congestion: Preference.Report
  readonly carrier: "tcp"
  readonly retransmits: number
  readonly retransmittedBytes: number
  readonly streamsLost: number
  readonly rttMillis: number
}

/** Sends a file, and is done when the other side has verified its hash. Sent again, it continues where it was. */
export const send = Effect.fn("Command.send")(function* (
  file: string,
  host: string,
  port: number,
  { congestion, environment, onProgress, streams, tls }: SendArguments = {}
): Effect.fn.Return<Sent, TransferError | FileUnavailable, Amst> {
  const amst = yield* Amst
  const began = yield* Clock.currentTimeMillis
  const clock = yield* Clock.Clock
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const settings: Partial<typeof Settings.Type> = {
        ...(streams === undefined ? {} : { streams }),
        ...(congestion === undefined ? {} : { congestion }),
        ...(environment === undefined ? {} : { environment })
      }
      const link = yield* amst.connect(tls === undefined ? { host, port } : { host, port, tls }, settings)
      let toldMillis = 0
      const receipt = yield* link.sendFile(file, {
        onProgress: (arrivedBytes, size) => {
          const now = clock.currentTimeMillisUnsafe()
          if (onProgress === undefined || (now - toldMillis < 100 && arrivedBytes < size)) return
          toldMillis = now
          const { deliveryRate, ready } = Effect.runSync(link.status)
          onProgress({ arrivedBytes, size, streams: ready, bytesPerSecond: deliveryRate })
        }
      })
      const seconds = ((yield* Clock.currentTimeMillis) - began) / 1_000
      const status = yield* link.status
      return {
        file,
        bytes: receipt.bytes,
        resumedBytes: receipt.resumedBytes,
        sha256: receipt.hash,
        seconds,
        mbitPerSecond: ((receipt.bytes - receipt.resumedBytes) * 8) / 1e6 / Math.max(seconds, 1e-3),
        streams: status.most,
        congestion: status.congestion,
        carrier: status.carrier,
        retransmits: status.retransmits,
        retransmittedBytes: status.retransmittedBytes,
        streamsLost: status.died,
        rttMillis: status.srttMillis
      }
    })
  )
})

/** What `probe --json` prints. */
export interface Probed {
  readonly mode: Detector.Mode
  readonly evidence: Detector.Evidence
  readonly echoMillis: ReadonlyArray<number>
  readonly connectMillis: number
  readonly probeBytes: number
  readonly rdmaDevices: ReadonlyArray<string>
}

/** Three probes, one mode, and what it was concluded from. */
export const probe = Effect.fn("Command.probe")(function* (
  host: string,
  port: number,
  tls?: Peer["tls"]
): Effect.fn.Return<Probed, PeerLost, Amst | FileSystem.FileSystem> {
  const amst = yield* Amst
  const peer = tls === undefined ? { host, port } : { host, port, tls }
  const rdmaDevices = yield* Measure.rdmaDevices()
  const probes = yield* Effect.forEach(Array.from({ length: Detector.settings.confident }), () => amst.probe(peer))
  let state = Detector.initial
  for (const { sample } of probes) {
    ;[state] = Detector.step(state, { ...sample, rdma: rdmaDevices.length > 0 }, yield* Clock.currentTimeMillis)
  }
  return {
    mode: state.mode,
    evidence: state.evidence,
    echoMillis: probes.flatMap(({ echoMillis }) => echoMillis),
    connectMillis: Math.min(...probes.map(({ connectMillis }) => connectMillis)),
    probeBytes: probes.reduce((sum, { bytes }) => sum + bytes, 0),
    rdmaDevices
  }
})

/** The settings of a command line: an empty section. */
export const settings: Effect.Effect<typeof Settings.Type> = Effect.orDie(Schema.decodeUnknownEffect(Settings)({}))
