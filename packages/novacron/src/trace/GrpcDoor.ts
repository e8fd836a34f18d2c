/**
 * The same port for HTTP and for OTLP over gRPC: whoever opens a connection with the preface of HTTP/2 is a gRPC client,
 * everybody else speaks HTTP/1.1.
 *
 * **Details**
 *
 * Of gRPC this is one unary method, `TraceService/Export`, which is a POST with a prefix of five bytes and a status in the
 * trailers: less than a server of a library brings along. Bounded like the rest of the receiver: a message has a length, a
 * connection so many streams, a request 30 seconds.
 */
import type { Server as HttpServer } from "node:http"
import { constants, createServer as createHttp2, type ServerHttp2Stream } from "node:http2"
import type { Socket } from "node:net"
import { gunzip } from "node:zlib"

/** What a door needs to know. */
export interface Options {
  /** How long a message may be, as it comes and unpacked. */
  readonly bodyBytes: number
  readonly unpackedBytes: number
  /** Lets a request in, unless there are too many at a time; whoever was let in leaves. */
  readonly enter: () => boolean
  readonly leave: () => void
  /** Takes an `ExportTraceServiceRequest` and writes the answer; undefined when it is none. */
  readonly take: (message: Buffer) => Buffer | undefined
}

/** Takes over connections that speak HTTP/2. */
export interface GrpcDoor {
  readonly open: (socket: Socket) => void
  /** Closes it with the door, whatever it speaks. */
  readonly keep: (socket: Socket) => void
  readonly closeAllConnections: () => void
}

/** What a call ends with, in the numbers of gRPC. */
const code = { ok: 0, invalid: 3, exhausted: 8, unimplemented: 12, unavailable: 14 } as const

const path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

const limits = { streams: 16, requestMs: 30_000, prefaceMs: 10_000, idleMs: 300_000 } as const

/** A door that nobody has come through. */
export const make = (options: Options): GrpcDoor => {
  const sockets = new Set<Socket>()
  const server = createHttp2({ settings: { maxConcurrentStreams: limits.streams, enablePush: false } })
  server.on("session", (session) => {
    session.on("error", () => session.destroy())
    session.setTimeout(limits.idleMs, () => session.close())
  })
  server.on("sessionError", () => undefined)
  server.on("stream", (stream, headers) => {
    stream.on("error", () => undefined)
    stream.setTimeout(limits.requestMs, () => stream.close(constants.NGHTTP2_CANCEL))
    const type = `${headers["content-type"] ?? ""}`
    if (headers[":method"] !== "POST" || !type.startsWith("application/grpc")) {
      stream.respond({ ":status": 415 }, { endStream: true })
    } else if (headers[":path"] !== path) {
      refuse(stream, code.unimplemented, "Only traces are received here.")
    } else if (!options.enter()) refuse(stream, code.unavailable, "Too many requests at a time. Come again.")
    else {
      stream.on("close", options.leave)
      receive(options, stream, headers["grpc-encoding"] === "gzip")
    }
  })
  return {
    open: (socket) => void server.emit("connection", socket),
    keep: (socket) => {
      sockets.add(socket)
      socket.once("close", () => sockets.delete(socket))
    },
    closeAllConnections: () => {
      for (const socket of sockets) socket.destroy()
    }
  }
}

/** Lets both in by the port of the first. Whoever says nothing is not waited for. */
export const beside = (http: HttpServer, grpc: GrpcDoor): void => {
  const speakHttp = http.listeners("connection")
  http.removeAllListeners("connection")
  http.on("connection", (socket: Socket) => {
    grpc.keep(socket)
    const refuse = (): void => void socket.destroy()
    socket.on("error", refuse)
    socket.setTimeout(limits.prefaceMs, refuse)
    socket.once("data", (first: Buffer) => {
      socket.setTimeout(0)
      socket.off("timeout", refuse)
      socket.off("error", refuse)
      socket.pause()
      socket.unshift(first)
      // No method of HTTP/1.1 begins like that.
      if (first.subarray(0, 3).toString("latin1") === "PRI") return grpc.open(socket)
      for (const listener of speakHttp) Reflect.apply(listener, http, [socket])
      socket.resume()
    })
  })
}

const receive = (options: Options, stream: ServerHttp2Stream, mayBePacked: boolean): void => {
  const chunks: Array<Buffer> = []
  let bytes = 0
  const tooLarge = () =>
    refuse(stream, code.exhausted, `A request may have ${options.bodyBytes} bytes: send fewer spans at a time.`)
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= options.bodyBytes + 5) chunks.push(chunk)
    else if (!stream.headersSent) tooLarge()
  })
  stream.on("end", () => {
    if (stream.headersSent || stream.destroyed) return
    const body = Buffer.concat(chunks)
    if (body.length < 5 || body.readUInt32BE(1) !== body.length - 5) {
      return refuse(stream, code.invalid, "This is not one message of gRPC.")
    }
    if (body[0] === 0) return answer(stream, options.take(body.subarray(5)))
    if (!mayBePacked) return refuse(stream, code.unimplemented, "Only gzip, or nothing, may pack a message.")
    gunzip(body.subarray(5), { maxOutputLength: options.unpackedBytes }, (error, unpacked) => {
      if (stream.destroyed) return
      if (error === null) answer(stream, options.take(unpacked))
      else if ("code" in error && error.code === "ERR_BUFFER_TOO_LARGE") tooLarge()
      else refuse(stream, code.invalid, "This is not gzip.")
    })
  })
}

const answer = (stream: ServerHttp2Stream, response: Buffer | undefined): void => {
  if (response === undefined) return refuse(stream, code.invalid, "This is not an ExportTraceServiceRequest.")
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true })
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": `${code.ok}` }))
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(response.length, 1)
  stream.end(Buffer.concat([prefix, response]))
}

/** Only trailers: gRPC has them in the place of headers then. */
const refuse = (stream: ServerHttp2Stream, status: number, message: string): void => {
  if (stream.headersSent || stream.destroyed) return
  stream.respond(
    { ":status": 200, "content-type": "application/grpc", "grpc-status": `${status}`, "grpc-message": message },
    { endStream: true }
  )
}
