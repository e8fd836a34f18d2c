/**
 * Ports for the servers that tests start, which nobody else gets: they lie below those that the system gives to whoever
 * connects or listens at port 0, and are claimed among the processes that run tests.
 *
 * **Gotchas**
 *
 * "Listen at 0, close, and use that number" gives a port that the next outgoing connection of any process may be given
 * before the server is there. In a run of some thousand tests it sometimes is.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Above those of well-known servers, below the ephemeral ones of Linux (32768) and of others (49152). */
const range = { first: 12_000, last: 32_000 }

const claims = join(tmpdir(), "novacron-test-ports")
const claimed: Array<string> = []
process.once("exit", () => claimed.forEach((file) => rmSync(file, { force: true })))

/** A port of 127.0.0.1 that nobody listens at, and no other test is given before this process ends. */
export const freePort = async (): Promise<number> => {
  const port = range.first + Math.floor(Math.random() * (range.last - range.first))
  return claim(port) && (await isFree(port)) ? port : freePort()
}

/** As many of them, all different. */
export const freePorts = (count: number): Promise<ReadonlyArray<number>> =>
  Promise.all(Array.from({ length: count }, freePort))

const claim = (port: number): boolean => {
  mkdirSync(claims, { recursive: true })
  const file = join(claims, `${port}`)
  try {
    writeFileSync(file, `${process.pid}`, { flag: "wx" })
  } catch {
    // A process that was killed has left its claims; they are nobody's.
    if (!isGone(file)) return false
    writeFileSync(file, `${process.pid}`)
  }
  claimed.push(file)
  return true
}

const isGone = (file: string): boolean => {
  try {
    process.kill(Number(readFileSync(file, "utf8")), 0)
    return false
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ESRCH"
  }
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resume) => {
    const server = createServer()
    server.once("error", () => resume(false))
    server.listen(port, "127.0.0.1", () => server.close(() => resume(true)))
  })
