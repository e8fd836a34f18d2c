/**
 * ASS: shared state on an etcd of three members on loopback, and by gossip between five hosts whose links take 80 ms.
 *
 * **Details**
 *
 * The etcd is real, and its leader is killed with SIGKILL under a writer that does not pause: the longest time without an
 * acknowledged write is the time to fail over. The hosts are those of `wan-lab`, which WAN_LAB names; nodes have their
 * default settings. A partition lasts 20 s, while both sides write.
 */
import { execFile, spawn } from "node:child_process"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { promisify } from "node:util"
import { type Figure, figure } from "../Figure.ts"
import * as Wan from "../dwcp/Wan.ts"
import type { Group } from "../Groups.ts"

const program = join(import.meta.dirname, "../../../packages/dwcp/test/ass/fixtures/measure.ts")
const run = promisify(execFile)

export const figures: Group = async ({ quick }) => {
  const samples = quick ? 1 : 3
  return [...(await etcd(samples)), ...(await rounds(samples)), ...(await gossip(samples))]
}

const etcd = async (samples: number): Promise<ReadonlyArray<Figure>> => {
  const { stdout } = await run(process.execPath, [program, "etcd", `${samples}`])
  const said: {
    readonly compared: ReadonlyArray<{ readonly service: number; readonly bare: number }>
    readonly heard: number
    readonly failed: ReadonlyArray<{ readonly seconds: number; readonly lost: number }>
  } = JSON.parse(stdout)
  return [
    figure(
      "ass_put_vs_etcd",
      "ratio",
      1.3,
      "lower",
      said.compared.map(({ bare, service }) => service / bare)
    ),
    figure(
      "ass_put_ms",
      "ms",
      null,
      "lower",
      said.compared.map(({ service }) => service)
    ),
    figure("ass_sync_ms", "ms", 100, "lower", [said.heard]),
    figure(
      "ass_failover_s",
      "s",
      2,
      "lower",
      said.failed.map(({ seconds }) => seconds)
    ),
    // Not the median: one lost write is one too many.
    figure("ass_lost_writes", "writes", 0, "lower", [said.failed.reduce((sum, { lost }) => sum + lost, 0)])
  ]
}

const rounds = async (samples: number): Promise<ReadonlyArray<Figure>> => {
  const { stdout } = await run(process.execPath, [program, "rounds", `${samples * 3}`])
  const said: { readonly rounds: ReadonlyArray<number | null> } = JSON.parse(stdout)
  return [
    figure(
      "gossip_rounds_1k",
      "rounds per doubling",
      2,
      "lower",
      said.rounds.map((it) => (it ?? Infinity) / Math.log2(1000))
    )
  ]
}

// ------------------------------------------------------------------------------------------------------------ gossip

const hosts = ["a", "b", "c", "d", "e"]
const keys = 1000
const partitionMillis = 20_000

const gossip = async (samples: number): Promise<ReadonlyArray<Figure>> => {
  const skipped = Wan.missing()
  if (skipped !== undefined) {
    return [none("gossip_converge_s", 10, skipped), none("gossip_heal_s", 15, skipped)]
  }
  const converge: Array<number> = []
  const heal: Array<number> = []
  for (let i = 0; i < samples; i++) {
    await mesh(i, async (nodes, control) => {
      const all = async (line: string): Promise<void> => {
        await Promise.all(nodes.map((node) => node.tell(line)))
      }
      const [first, last] = [nodes[0], nodes.at(-1)]
      if (first === undefined || last === undefined) return
      await all(`peers - ${hosts.length - 1}`)
      const began = performance.now()
      await Promise.all([first.tell(`put whole/ ${keys}`), all(`await whole/ ${keys}`)])
      converge.push((performance.now() - began) / 1000)

      await control("partition a,b c,d,e")
      await Promise.all([first.tell(`put parts/a ${keys / 2}`), last.tell(`put parts/e ${keys / 2}`)])
      await sleep(partitionMillis)
      const together = all(`await parts/ ${keys}`)
      const healed = performance.now()
      await control("heal")
      await together
      heal.push((performance.now() - healed) / 1000)
    })
  }
  return [figure("gossip_converge_s", "s", 10, "lower", converge), figure("gossip_heal_s", "s", 15, "lower", heal)]
}

interface Node {
  /** Done when the node says that it has done it. */
  readonly tell: (line: string) => Promise<void>
}

/** Five nodes on five hosts, each of which knows the first one. */
const mesh = async (
  sample: number,
  use: (nodes: ReadonlyArray<Node>, control: (command: string) => Promise<unknown>) => Promise<void>
): Promise<void> => {
  const tool = process.env["WAN_LAB"] ?? ""
  const name = `ass${process.pid}x${sample}`
  const net = `10.${90 + (process.pid % 100)}.${sample}`
  await run(tool, ["up", name, "--hosts", `${hosts.length}`, "--net", net, "--delay", "40", "--rate", "100"])
  const nodes: Array<Node & { readonly stop: () => Promise<void> }> = []
  try {
    for (const [i, host] of hosts.entries()) {
      const seeds = i === 0 ? [] : [`/ip4/${net}.1/tcp/7946`]
      nodes.push(await start(tool, name, host, [`${net}.${i + 1}`, "-", ...seeds]))
    }
    await use(nodes, (command) => run(tool, ["ctl", name, command]))
  } finally {
    await Promise.all(nodes.map((node) => node.stop()))
    await run(tool, ["down", name])
  }
}

const start = async (tool: string, lab: string, host: string, args: ReadonlyArray<string>) => {
  const child = spawn(tool, ["exec", lab, host, process.execPath, program, "node", ...args], {
    stdio: ["pipe", "pipe", "inherit"]
  })
  const waiting = new Map<string, () => void>()
  const gone = new Promise<void>((resume) => child.once("close", () => resume()))
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { done }: { readonly done: string } = JSON.parse(line)
    waiting.get(done)?.()
    waiting.delete(done)
  })
  const said = (line: string): Promise<void> =>
    Promise.race([
      new Promise<void>((resume) => waiting.set(line, resume)),
      gone.then(() => Promise.reject(new Error(`the node on ${host} has ended before ${line}`)))
    ])
  await said("start")
  return {
    tell: (line: string) => {
      const done = said(line)
      child.stdin.write(`${line}\n`)
      return done
    },
    stop: async () => {
      child.stdin.end()
      await gone
    }
  }
}

const none = (id: string, bar: number, skipped: string): Figure => ({
  id,
  value: null,
  unit: "s",
  bar,
  better: "lower",
  ok: null,
  samples: [],
  skipped
})
