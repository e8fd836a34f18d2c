/** A collector of OTLP's JSON that may be down, slow, killed, or out of its mind. Keeps the ids of the spans that it got. */
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"

/** How it answers: as it should, after a while, by cutting the line, with 503, or with what is no OTLP. */
export type Mood = "well" | "slow" | "cuts" | "busy" | "babbles"

export interface Collector {
  readonly url: string
  readonly spans: Set<string>
  mood: Mood
  readonly up: () => Promise<void>
  readonly down: () => Promise<void>
}

/** One that is down, on a port that nobody else has. */
export const make = async (): Promise<Collector> => {
  let server: Server | undefined
  let port = 0
  const down = async () => {
    const open = server
    server = undefined
    if (open === undefined) return
    const closed = new Promise<void>((resolve) => open.close(() => resolve()))
    open.closeAllConnections()
    await closed
  }
  const up = async () => {
    if (server !== undefined) return
    const made = createServer((request, response) => {
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("error", () => undefined)
      request.on("end", () => {
        if (it.mood === "busy") return void response.writeHead(503).end()
        keep(Buffer.concat(chunks))
        if (it.mood === "cuts") return void request.socket.destroy()
        const answer = () => response.end(it.mood === "babbles" ? "\u0000<html>{{{" : "{}")
        if (it.mood === "slow") setTimeout(answer, 150)
        else answer()
      })
    })
    server = made
    await new Promise<void>((resolve) => made.listen(port, "127.0.0.1", resolve))
    port = (made.address() as AddressInfo).port // it listens on a port
  }
  const keep = (body: Buffer): void => {
    const { resourceSpans } = JSON.parse(body.toString()) as Request // what was sent
    for (const { scopeSpans } of resourceSpans) {
      for (const { spans } of scopeSpans) for (const { spanId } of spans) it.spans.add(spanId)
    }
  }
  await up()
  const it: Collector = { url: `http://127.0.0.1:${port}`, spans: new Set(), mood: "well", up, down }
  await down()
  return it
}

interface Request {
  readonly resourceSpans: ReadonlyArray<{
    readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<{ readonly spanId: string }> }>
  }>
}
