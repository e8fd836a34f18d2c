/**
 * What `novacron dwcp serve`, `send` and `probe` do. Words and progress bars are made of what these give by whoever calls.
 */
import { Clock, Effect, type FileSystem, Schema, type Scope } from "effect"
import type * as Preference from "../acp/Preference.ts"
import { Detector, Measure } from "../mode/index.ts"
import type { Hde, HdeError } from "../hde/index.ts"
import { Amst, type Address, type Link, type Listener, type Peer, type Receipt, type TransferError } from "./Amst.ts"
import * as Difference from "./Difference.ts"
import type { FileUnavailable, ListenFailed, PeerLost, TlsRefused, TransferRefused } from "./Failures.ts"
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
  /** A file that the receiver has too: only the difference to it is sent. */
  readonly base?: { readonly path: string; readonly hde: Hde["Service"] }
  /** The receiver has no such file, or could make nothing of the difference: all of it is sent. */
  readonly onFallback?: (because: TransferRefused) => void
}

/** What `send --json` prints. */
export interface Sent {
  readonly file: string
  readonly bytes: number
  /** Bytes that crossed the link in this go, and how many times more the file has than all that was to be sent. */
  readonly sentBytes: number
  readonly ratio: number
  readonly resumedBytes: number
  readonly sha256: string
  /** SHA-256 of the file that it was sent as a difference to. */
  readonly base: string | null
  /** Why there is no difference although one was asked for. */
  readonly fallback: string | null
  readonly seconds: number
  /** Of the file: a difference is faster than the link. */
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

/** Why a file could not be sent. */
export type SendError = TransferError | FileUnavailable | HdeError

/** Sends a file, and is done when the other side has verified its hash. Sent again, it continues where it was. */
export const send = Effect.fn("Command.send")(function* (
  file: string,
  host: string,
  port: number,
  { base, congestion, environment, onFallback, onProgress, streams, tls }: SendArguments = {}
): Effect.fn.Return<Sent, SendError, Amst | FileSystem.FileSystem> {
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
      const told = (arrivedBytes: number, size: number) => {
        const now = clock.currentTimeMillisUnsafe()
        if (onProgress === undefined || (now - toldMillis < 100 && arrivedBytes < size)) return
        toldMillis = now
        const { deliveryRate, ready } = Effect.runSync(link.status)
        onProgress({ arrivedBytes, size, streams: ready, bytesPerSecond: deliveryRate })
      }
      const whole = Effect.map(link.sendFile(file, { onProgress: told }), (receipt): Arrived => ({
        ...receipt,
        toSend: receipt.bytes,
        base: null,
        fallback: null
      }))
      const arrived =
        base === undefined
          ? yield* whole
          : yield* difference(link, file, base, told).pipe(
              Effect.catchIf(isUseless, (because) => {
                onFallback?.(because)
                return Effect.map(whole, (arrived): Arrived => ({ ...arrived, fallback: because.message }))
              })
            )
      const seconds = ((yield* Clock.currentTimeMillis) - began) / 1_000
      const status = yield* link.status
      const { bytes, fallback, hash, resumedBytes, toSend } = arrived
      const sentBytes = toSend - resumedBytes
      const goodput = arrived.base === null ? sentBytes : bytes
      return {
        file,
        bytes,
        sentBytes,
        ratio: bytes / Math.max(1, toSend),
        resumedBytes,
        sha256: hash,
        base: arrived.base,
        fallback,
        seconds,
        mbitPerSecond: (goodput * 8) / 1e6 / Math.max(seconds, 1e-3),
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

interface Arrived extends Receipt {
  /** Bytes that were to be sent for it. */
  readonly toSend: number
  readonly base: string | null
  readonly fallback: string | null
}

/** What is packed stays for another go, unless it has arrived or is of no use. */
const difference = (
  link: Link,
  file: string,
  { hde, path }: NonNullable<SendArguments["base"]>,
  onProgress: (arrivedBytes: number, size: number) => void
) =>
  Effect.gen(function* () {
    const { difference, over, path: packed, storedBytes } = yield* Difference.pack(hde, file, path)
    const name = `${difference.name}.hde`
    const { resumedBytes } = yield* link
      .sendFile(packed, { name, difference, onProgress })
      .pipe(Effect.tapError((error) => (isUseless(error) ? over : Effect.void)))
    yield* over
    const { hash, size } = difference.content
    const arrived: Arrived = {
      bytes: size,
      hash,
      resumedBytes,
      toSend: storedBytes,
      base: difference.base.hash,
      fallback: null
    }
    return arrived
  })

/** The difference is of no use there, and the whole may be. */
const isUseless = (error: SendError): error is TransferRefused =>
  error._tag === "TransferRefused" && (error.reason === "base" || error.reason === "hash")

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
): Effect.fn.Return<Probed, PeerLost | TlsRefused, Amst | FileSystem.FileSystem> {
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
