/**
 * Asks a listener what the link to it is like: some echoes for the round trip, and at most a megabyte for the rate.
 *
 * **Details**
 *
 * The kernel's own measurement is taken where it can be had; the times of echoes are measured as well, and serve without
 * it. The rate is what a new connection reaches within the bound, so on a long link it is a lower bound and says so.
 */
import { Clock, Effect, type Scope } from "effect"
import { randomBytes } from "node:crypto"
import type { Socket } from "node:net"
import * as Tcp from "../acp/Tcp.ts"
import type { Detector } from "../mode/index.ts"
import { Measure } from "../mode/index.ts"
import { PeerLost, TlsRefused } from "./Failures.ts"
import * as Frame from "./Frame.ts"
import { refusesTls } from "./Streams.ts"
import * as Wire from "./Wire.ts"

export interface Probe {
  readonly sample: Detector.Sample
  /** The times of the echoes in milliseconds, in order. */
  readonly echoMillis: ReadonlyArray<number>
  readonly connectMillis: number
  /** Bytes that were sent to learn the rate. */
  readonly bytes: number
  readonly kernel: Tcp.Sample | undefined
}

const echoes = 10
const mostBytes = 1 << 20
const mostMillis = 200
const timeout = "10 seconds"

type Dial = () => { readonly socket: Socket; readonly ready: "connect" | "secureConnect" }

export const run = Effect.fn("Probe.run")(
  function* (peer: string, dial: Dial, tcp: Tcp.Tcp): Effect.fn.Return<Probe, PeerLost | TlsRefused, Scope.Scope> {
    const clock = yield* Clock.Clock
    const nowMillis = () => Number(clock.currentTimeNanosUnsafe()) / 1e6
    const began = nowMillis()
    const { answered, socket } = yield* connected(peer, dial)
    const connectMillis = nowMillis() - began

    const echo = Effect.gen(function* () {
      const asked = nowMillis()
      const answer = answered()
      socket.write(Frame.encode({ kind: "echo", id: 0, index: 0, count: 0 }))
      yield* answer
      return nowMillis() - asked
    })
    const echoMillis = yield* Effect.forEach(Array.from({ length: echoes }), () => echo)
    const quiet = look(tcp, socket)

    const from = nowMillis()
    const filler = Frame.encode({ kind: "filler", id: 0, index: 0, count: 0 }, randomBytes(65_536))
    let bytes = 0
    while (bytes < mostBytes && nowMillis() - from < mostMillis) {
      bytes += filler.length
      if (!socket.write(filler)) {
        yield* Effect.callback<void>((resume) => void socket.once("drain", () => resume(Effect.void))).pipe(
          Effect.timeoutOption(mostMillis)
        )
      }
    }
    yield* echo
    const seconds = (nowMillis() - from) / 1_000
    const kernel = look(tcp, socket)
    const rtt = echoMillis.toSorted((a, b) => a - b)[echoes >> 1]!
    const measured: Detector.Sample = { rttMillis: rtt, throughput: (bytes * 8) / seconds, appLimited: true }
    const counted = kernel === undefined ? {} : Measure.sampleOf(kernel)
    // The load of the probe itself fills queues: its round trips are not those of the link.
    const idle =
      quiet === undefined ? {} : { rttMillis: quiet.srttMicros / 1_000, jitterMillis: quiet.rttVarMicros / 1_000 }
    const throughput = Math.max(measured.throughput ?? 0, counted.throughput ?? 0)
    return {
      sample: { ...measured, ...counted, ...idle, throughput, appLimited: startingUp(seconds, rtt) },
      echoMillis,
      connectMillis,
      bytes,
      kernel
    }
  },
  (effect, peer) =>
    effect.pipe(
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () => Effect.fail(lost(peer, new Error("It did not answer.")))
      })
    )
)

// ------------------------------------------------------------------------------------------------------------- private

const lost = (peer: string, cause: unknown) => new PeerLost({ peer, seconds: 10, cause })

const look = (tcp: Tcp.Tcp, socket: Socket) => (tcp._tag === "Available" ? tcp.info(Tcp.descriptor(socket)) : undefined)

/** A connection doubles its rate each round trip; after a few of them it has not yet shown what the link gives. */
const startingUp = (seconds: number, rttMillis: number): boolean => seconds * 1_000 < 8 * rttMillis

const connected = (peer: string, dial: Dial) =>
  Effect.gen(function* () {
    const { ready, socket } = yield* Effect.acquireRelease(Effect.sync(dial), ({ socket }) =>
      Effect.sync(() => socket.destroy())
    )
    let refused = false
    let heard: (() => void) | undefined
    let broken: ((cause: unknown) => void) | undefined
    const { read } = Frame.reader(({ kind }) => {
      if (kind === "echo" || kind === "welcome") heard?.()
    })
    socket.setNoDelay(true)
    socket.on("data", (data: Buffer) => {
      try {
        read(data)
      } catch (error) {
        broken?.(error)
      }
    })
    socket.on("error", (error) => {
      refused = refusesTls(socket, error)
      broken?.(error)
    })
    socket.on("close", () => broken?.(new Error("It closed the connection.")))
    const answered = (): Effect.Effect<void, PeerLost | TlsRefused> => {
      const answer = new Promise<void>((resolve, reject) => {
        heard = resolve
        broken = reject
      })
      answer.catch(() => undefined) // whoever waits for it hears of it
      return Effect.tryPromise({
        try: () => answer,
        catch: (cause) => (refused ? new TlsRefused({ peer, cause }) : lost(peer, cause))
      })
    }
    const welcome = answered()
    socket.once(ready, () => {
      const hello: Wire.Hello = { session: randomBytes(16).toString("hex"), stream: 0 }
      socket.write(Frame.encode({ kind: "hello", id: 0, index: 0, count: 0 }, Wire.write(hello)))
    })
    yield* welcome
    return { socket, answered }
  })
