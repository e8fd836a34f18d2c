/** A real etcd with one member on loopback. */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { freePort } from "../../../../test/fixtures/Ports.ts"

export interface Etcd {
  readonly endpoint: string
  readonly stop: () => Promise<void>
}

/** Starts it, and waits until it can be talked to. */
export const start = async (): Promise<Etcd> => {
  const directory = mkdtempSync(join(tmpdir(), "novacron-test-etcd-"))
  const [port, peers] = [await freePort(), await freePort()]
  const [client, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peers}`]
  const flags = {
    name: "m1",
    "data-dir": directory,
    "log-level": "error",
    "listen-client-urls": client,
    "advertise-client-urls": client,
    "listen-peer-urls": peer,
    "initial-advertise-peer-urls": peer,
    "initial-cluster": `m1=${peer}`
  }
  const child = spawn(
    "etcd",
    Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]),
    { stdio: "ignore" }
  )
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  for (let tries = 0; !(await answers(port)); tries++) {
    if (tries > 1_000 || child.exitCode !== null) throw new Error("etcd did not come up")
    await sleep(50)
  }
  return {
    endpoint: client,
    stop: async () => {
      child.kill("SIGKILL")
      await ended
      rmSync(directory, { recursive: true, force: true })
    }
  }
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy()
      resolve(true)
    })
    socket.on("error", () => resolve(false))
  })
