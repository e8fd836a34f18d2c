/**
 * What the API costs, beside the same without it, and how long its answers and events take.
 *
 * **Details**
 *
 * Servers are processes of their own; this one asks. A ratio is of CPU time per request as the server's process has used
 * it, with a whole batch at one server and then at the other, in turns: on a machine with two cores that others use too,
 * requests per second would measure who asks. All of them speak TLS, over connections that stay open.
 */
import { type ChildProcess, fork } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { connect as connectHttp2 } from "node:http2"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect, type TLSSocket } from "node:tls"
import type { Figure } from "../Figure.ts"
import type { Group } from "../Groups.ts"
import { type Answer, type Question, token } from "./restServers.ts"

export const figures: Group = async ({ quick }) => {
  const folder = mkdtempSync(join(tmpdir(), "novacron-bench-api-"))
  const servers: Array<Server> = []
  const start = async (mode: string) => {
    const server = await Server.start(mode, folder)
    servers.push(server)
    return server
  }
  try {
    // The first one makes the keys that the others use.
    const api = await start("api")
    const bare = await start("bare")
    const bareGrpc = await start("bareGrpc")
    const [rounds, each] = quick ? [5, 1_000] : [15, 6_000]
    const rest = await compared(rounds, each, [await requests(api), await requests(bare)])
    const grpc = await compared(rounds, each, [calls(api, api.grpcPort), calls(bareGrpc, bareGrpc.port)])
    const latencies = await latenciesAt(api, 1_000, 300, quick ? 6 : 20)
    const events = await eventsTo(api, quick ? 1_000 : 5_000, quick ? 5 : 20)
    return [
      ratio("rest_vs_httpapi", rest),
      ratio("grpc_vs_bare", grpc),
      milliseconds("rest_p99_ms", p99s(latencies, 600), 50),
      milliseconds("ws_5k_ms", events, 500)
    ]
  } finally {
    for (const server of servers) server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

// ----------------------------------------------------------------------------------------------------------- servers

/** A child that serves. */
class Server {
  readonly port: number
  readonly grpcPort: number
  readonly ca: string
  private readonly child: ChildProcess

  private constructor(child: ChildProcess, port: number, grpcPort: number, ca: string) {
    this.child = child
    this.port = port
    this.grpcPort = grpcPort
    this.ca = ca
  }

  static async start(mode: string, folder: string): Promise<Server> {
    const file = join(import.meta.dirname, "restServers.ts")
    const child = fork(file, [mode, folder], { stdio: ["ignore", 2, 2, "ipc"] })
    const answer = await said(child)
    if (!("port" in answer)) throw new Error(`${mode} does not say where it listens`)
    return new Server(child, answer.port, answer.grpcPort ?? 0, answer.ca)
  }

  /** CPU time of its process so far, in microseconds. */
  async cpu(): Promise<number> {
    const answer = said(this.child)
    this.ask("cpu")
    const it = await answer
    return "cpuMicros" in it ? it.cpuMicros : 0
  }

  ask(question: Question): void {
    this.child.send(question)
  }

  stop(): void {
    this.child.disconnect()
  }
}

const said = (child: ChildProcess): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const ended = () => reject(new Error("the server has ended"))
    child.once("exit", ended)
    child.once("message", (answer: Answer) => {
      child.off("exit", ended)
      resolve(answer)
    })
  })

/**
 * CPU time per request of theirs, divided by that of ours, a sample a round. 1: the same; 0.5: ours takes twice as much.
 * What somebody else does on the machine spoils a few rounds, and the median stands. A round is thousands of requests: each
 * server collects its garbage every two thousand or so, which takes as long as hundreds of them, and shorter rounds would
 * have one of that or none, by chance.
 */
const compared = async (
  rounds: number,
  requests: number,
  [ours, theirs]: readonly [Asker, Asker]
): Promise<ReadonlyArray<number>> => {
  const cost = async ({ ask, server }: Asker) => {
    const before = await server.cpu()
    await ask(requests)
    return ((await server.cpu()) - before) / requests
  }
  // Both are warm before anything counts.
  for (let asked = 0; asked < 30_000; asked += requests) {
    await ours.ask(requests)
    await theirs.ask(requests)
  }
  const ratios: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    const mine = await cost(ours)
    const other = await cost(theirs)
    ratios.push(other / mine)
    console.error(`${mine.toFixed(0)} µs, and ${other.toFixed(0)} µs without: ${(other / mine).toFixed(2)}`)
  }
  ours.close()
  theirs.close()
  return ratios
}

/** Asks one server, over connections that are open before anything is measured. */
interface Asker {
  readonly server: Server
  readonly ask: (requests: number) => Promise<void>
  readonly close: () => void
}

// -------------------------------------------------------------------------------------------------------------- REST

const taskId = "0190a5b0-7e2c-7a3e-9d51-6f0f6b1c2d3e"

const question = Buffer.from(
  `GET /v1/tasks/${taskId} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\n` +
    "accept: application/json\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n"
)

/** A connection that stays open, and knows no more of HTTP than the end of an answer. */
class Line {
  private readonly socket: TLSSocket
  private pending: (() => void) | undefined
  private buffered = ""

  private constructor(socket: TLSSocket) {
    this.socket = socket
    socket.setEncoding("latin1")
    socket.on("data", (text: string) => this.read(text))
    socket.on("close", () => {
      if (this.pending !== undefined) throw new Error("a connection was closed in the middle of a request")
    })
  }

  static open({ ca, port }: Server): Promise<Line> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", ca, servername: "localhost" }, () => resolve(new Line(socket)))
      socket.once("error", reject)
    })
  }

  ask(): Promise<void> {
    return new Promise((resolve) => {
      this.pending = resolve
      this.socket.write(question)
    })
  }

  close(): void {
    this.pending = undefined
    this.socket.destroy()
  }

  private read(text: string): void {
    this.buffered += text
    const end = this.buffered.indexOf("\r\n\r\n")
    if (end < 0) return
    const head = this.buffered.slice(0, end)
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
    if (this.buffered.length < end + 4 + length) return
    if (!head.startsWith("HTTP/1.1 200")) throw new Error(this.buffered)
    this.buffered = ""
    const done = this.pending
    this.pending = undefined
    done?.()
  }
}

/** Requests over 32 connections at a time. */
const requests = async (server: Server): Promise<Asker> => {
  const lines = await Promise.all(Array.from({ length: 32 }, () => Line.open(server)))
  return {
    server,
    ask: async (n) => {
      let left = n
      await Promise.all(
        lines.map(async (line) => {
          while (left-- > 0) await line.ask()
        })
      )
    },
    close: () => lines.forEach((line) => line.close())
  }
}

/** How long answers take over many open connections, at so many requests per second, which do not wait for each other. */
const latenciesAt = async (server: Server, connections: number, perSecond: number, seconds: number) => {
  const lines: Array<Line> = []
  while (lines.length < connections) {
    const some = await Promise.all(Array.from({ length: 50 }, () => Line.open(server)))
    // A connection that asks nothing for as long as headers may take is closed.
    await Promise.all(some.map((line) => line.ask()))
    lines.push(...some)
  }
  const samples: Array<number> = []
  const asked: Array<Promise<void>> = []
  const began = performance.now()
  for (let i = 0; i < perSecond * seconds; i++) {
    const due = began + (1_000 * i) / perSecond
    while (performance.now() < due) await new Promise((resolve) => setTimeout(resolve, 1))
    const line = lines[i % connections]!
    asked.push(line.ask().then(() => void samples.push(performance.now() - due)))
  }
  await Promise.all(asked)
  lines.forEach((line) => line.close())
  return samples
}

// -------------------------------------------------------------------------------------------------------------- gRPC

/** A message of one field, `id`, as gRPC frames it. */
const framed = (() => {
  const id = Buffer.from(taskId)
  const message = Buffer.concat([Buffer.from([0x0a, id.length]), id])
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
})()

/** Unary calls, 32 at a time over one connection. */
const calls = (server: Server, port: number): Asker => {
  const session = connectHttp2(`https://localhost:${port}`, { ca: server.ca, host: "127.0.0.1" })
  const headers = {
    ":method": "POST",
    ":path": "/novacron.v1.TaskService/GetTask",
    "content-type": "application/grpc",
    te: "trailers",
    authorization: `Bearer ${token}`,
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
  }
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const stream = session.request(headers)
      let status = "?"
      stream.on("trailers", (trailers) => void (status = `${trailers["grpc-status"]}`))
      stream.on("error", reject)
      stream.on("data", () => undefined)
      stream.on("close", () => (status === "0" ? resolve() : reject(new Error(`grpc-status ${status}`))))
      stream.end(framed)
    })
  return {
    server,
    ask: async (n) => {
      let left = n
      await Promise.all(
        Array.from({ length: 32 }, async () => {
          while (left-- > 0) await one()
        })
      )
    },
    close: () => session.close()
  }
}

// --------------------------------------------------------------------------------------------------------- WebSocket

/** How long changes take to so many readers, from when a task was changed until it was read: of each change, the p99. */
const eventsTo = async (server: Server, readers: number, changes: number): Promise<ReadonlyArray<number>> => {
  const samples: Array<number> = []
  const worst: Array<number> = []
  const sockets: Array<TLSSocket> = []
  let told = 0
  let all: (() => void) | undefined
  const hear = (text: string): void => {
    const ns = /"name":"(\d+)"/.exec(text)?.[1]
    if (ns === undefined) return
    samples.push(Number(process.hrtime.bigint() - BigInt(ns)) / 1e6)
    if (++told === readers) all?.()
  }
  while (sockets.length < readers) {
    sockets.push(...(await Promise.all(Array.from({ length: 50 }, () => listener(server, hear)))))
  }
  for (let i = 0; i < changes; i++) {
    told = 0
    const heard = new Promise<void>((resolve) => void (all = resolve))
    server.ask("change")
    await heard
    worst.push(quantile(samples.splice(0), 0.99))
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  sockets.forEach((socket) => socket.destroy())
  return worst
}

let session: Buffer | undefined

/** A reader that knows no more of WebSocket than where a message is. */
const listener = ({ ca, port }: Server, hear: (text: string) => void): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    // Resumed, as clients do that come back: five thousand full handshakes take longer than everything else.
    const resumed = session === undefined ? {} : { session }
    const socket = connect({ port, host: "127.0.0.1", ca, servername: "localhost", ...resumed }, () =>
      socket.write(
        `GET /v1/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\nconnection: upgrade\r\n` +
          "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
      )
    )
    socket.setEncoding("latin1")
    socket.once("session", (made: Buffer) => void (session ??= made))
    socket.once("error", reject)
    socket.once("data", (head: string) => {
      if (!head.startsWith("HTTP/1.1 101")) return reject(new Error(head))
      socket.on("data", hear)
      resolve(socket)
    })
  })

// ----------------------------------------------------------------------------------------------------------- figures

const quantile = (samples: ReadonlyArray<number>, share: number): number =>
  samples.toSorted((a, b) => a - b)[Math.min(samples.length - 1, Math.floor(samples.length * share))] ?? Infinity

const ratio = (id: string, samples: ReadonlyArray<number>): Figure => {
  const value = quantile(samples, 0.5)
  return { id, value, unit: "ratio", bar: 0.7, better: "higher", ok: value >= 0.7, samples }
}

/** The p99 of each batch of so many: the median of these is the figure, and one bad second is one bad sample. */
const p99s = (samples: ReadonlyArray<number>, batch: number): ReadonlyArray<number> =>
  Array.from({ length: Math.floor(samples.length / batch) }, (_, i) =>
    quantile(samples.slice(i * batch, (i + 1) * batch), 0.99)
  )

const milliseconds = (id: string, samples: ReadonlyArray<number>, bar: number): Figure => {
  const value = quantile(samples, 0.5)
  return { id, value, unit: "ms", bar, better: "lower", ok: value <= bar, samples }
}
