/** Requests over raw sockets, so that the client costs little beside the server that is measured. */
import { spawn } from "node:child_process"
import { connect } from "node:net"

/** How many answers came in a second, and how long the slowest one in a hundred took. */
export interface Served {
  readonly perSecond: number
  readonly p99Ms: number
}

const connections = 8

/** Asks for a path as fast as answers come, over some connections that are kept. */
export const load = async (port: number, path: string, ms: number): Promise<Served> => {
  const request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`
  const took: Array<number> = []
  const until = performance.now() + ms
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(port, "127.0.0.1")
      let asked = 0
      let held = ""
      const ask = () => {
        asked = performance.now()
        socket.write(request)
      }
      socket.setNoDelay(true)
      socket.once("connect", ask)
      socket.once("error", reject)
      socket.on("data", (chunk) => {
        held += chunk.toString("latin1")
        const head = held.indexOf("\r\n\r\n")
        const length = head < 0 ? undefined : /content-length: (\d+)/i.exec(held)?.[1]
        if (length === undefined || held.length < head + 4 + Number(length)) return
        if (!held.startsWith("HTTP/1.1 200")) return reject(new Error(held.slice(0, 100)))
        held = ""
        const now = performance.now()
        took.push(now - asked)
        if (now < until) return ask()
        socket.destroy()
        resolve()
      })
    })
  const began = performance.now()
  await Promise.all(Array.from({ length: connections }, one))
  const seconds = (performance.now() - began) / 1_000
  const sorted = took.toSorted((a, b) => a - b)
  return { perSecond: took.length / seconds, p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? NaN }
}

/** A bare `node:http` server that answers these bytes to everybody, in a process of its own. */
export const answering = async (body: string): Promise<{ readonly port: number; readonly stop: () => void }> => {
  const child = spawn(process.execPath, ["-e", bare, body], { stdio: ["ignore", "pipe", "inherit"] })
  const port = await new Promise<number>((resolve) => child.stdout.once("data", (chunk) => resolve(Number(chunk))))
  return { port, stop: () => void child.kill() }
}

const bare = `
  const bytes = Buffer.from(process.argv[1])
  const headers = { "content-type": "application/json", "content-length": bytes.length }
  const server = require("node:http").createServer((_, response) => response.writeHead(200, headers).end(bytes))
  server.listen(0, "127.0.0.1", () => console.log(server.address().port))`
