import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { assert, describe, it } from "vitest"

const program = join(import.meta.dirname, "fixtures/measure.ts")
/** A corner of 127/8 of its own, so that each node has an address with the same port. */
const net = `127.${10 + (process.pid % 200)}.${Math.floor(process.pid / 200) % 250}`

/** A node in a process of its own, with the settings that it has by itself. */
const start = (number: number, directory = "-") => {
  const seeds = number === 1 ? [] : [`/ip4/${net}.1/tcp/7946`]
  const child: ChildProcess = spawn(process.execPath, [program, "node", `${net}.${number}`, directory, ...seeds], {
    stdio: ["pipe", "pipe", "inherit"]
  })
  const waiting = new Map<string, () => void>()
  const gone = new Promise<void>((resume) => child.once("close", () => resume()))
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const { done }: { readonly done: string } = JSON.parse(line)
      waiting.get(done)?.()
    })
  }
  const said = (line: string): Promise<void> => new Promise((resume) => waiting.set(line, resume))
  child.stdin?.on("error", () => undefined) // it was killed: EPIPE
  return {
    started: said("start"),
    tell: (line: string): Promise<void> => {
      const done = said(line)
      child.stdin?.write(`${line}\n`)
      return done
    },
    signal: (signal: "SIGSTOP" | "SIGCONT") => child.kill(signal),
    end: async (signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> => {
      child.kill("SIGCONT")
      child.kill(signal)
      await gone
    }
  }
}

describe("seven processes that gossip", () => {
  it("come together after three of them were cut off, and none loses what it acknowledged when it is killed", async () => {
    const directory = mkdtempSync(join(tmpdir(), "novacron-test-seven-"))
    const nodes = Array.from({ length: 7 }, (_, i) => start(i + 1, i === 6 ? directory : "-"))
    const all = (line: string) => Promise.all(nodes.map((node) => node.tell(line)))
    try {
      await Promise.all(nodes.map(({ started }) => started))
      await all("peers - 6")
      const [first, , , , , sixth, last] = nodes
      if (first === undefined || sixth === undefined || last === undefined) return assert.fail("there are seven")

      // Cut off are the last three: they neither answer nor close what was open, until the others give them up.
      for (const node of nodes.slice(4)) node.signal("SIGSTOP")
      await first.tell("put far/a 100")
      await Promise.all(nodes.slice(0, 4).map((node) => node.tell("await far/ 100")))
      const late = sixth.tell("put far/b 100")
      for (const node of nodes.slice(4)) node.signal("SIGCONT")
      await late
      await all("await far/ 200")

      // It had no time to tell anybody; its disk has it.
      await last.tell("put own/ 50")
      await last.end("SIGKILL")
      const again = start(7, directory)
      nodes[6] = again
      await again.started
      await all("await own/ 50")
    } finally {
      await Promise.all(nodes.map((node) => node.end()))
      rmSync(directory, { recursive: true, force: true })
    }
  }, 120_000)
})
