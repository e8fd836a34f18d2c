/** Rollouts as operators run them: a switch, two nodes that answer over HTTP, and somebody who asks all the while. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer, get, type RequestListener, type Server } from "node:http"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import * as Rollout from "../../src/Commands/Rollout.ts"
import * as Switch from "../../src/Commands/Switch.ts"
import * as SwitchClient from "../../src/rollout/SwitchClient.ts"
import { type Signal, type Surroundings, thisProcess } from "../../src/Surroundings.ts"

let folder: string
let closing: Array<() => Promise<unknown> | void> = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "novacron-rollout-"))
})
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
  rmSync(folder, { recursive: true, force: true })
})

interface Run {
  readonly exit: Promise<number>
  readonly out: () => string
  readonly err: () => string
  readonly signal: (signal: Signal) => void
}

const here = thisProcess()

const start = <Flags>(
  command: (flags: Flags, surroundings: Surroundings["Service"]) => Promise<number>,
  flags: Flags,
  onOut: (text: string) => void = () => undefined
): Run => {
  const [out, err]: [Array<string>, Array<string>] = [[], []]
  let hear: (signal: Signal) => void = () => undefined
  const to = (all: Array<string>, on: (text: string) => void) => ({
    isTerminal: false,
    write: (text: string) => {
      all.push(text)
      on(text)
    }
  })
  const exit = command(flags, {
    ...here,
    env: {},
    cwd: folder,
    user: "ada",
    onSignal: (listen) => Effect.sync(() => void (hear = listen)),
    stdout: to(out, onOut),
    stderr: to(err, () => undefined)
  })
  return { exit, out: () => out.join(""), err: () => err.join(""), signal: (signal) => hear(signal) }
}

const portOf = (server: Server): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

/** A node that answers; what it answers with may change. */
const node = async (answer: RequestListener): Promise<string> => {
  const server = createServer(answer)
  await new Promise<void>((resume) => server.listen(0, "127.0.0.1", resume))
  closing.push(() => void server.close())
  return `127.0.0.1:${portOf(server)}`
}

const well: RequestListener = (_, response) => response.end("well")

/** A switch with a node of that address, and the port it listens at. */
const switchTo = async (blue: string): Promise<number> => {
  let made: (port: number) => void = () => undefined
  const port = new Promise<number>((resume) => (made = resume))
  const it = start(
    Switch.serve,
    { directory: "switch", listen: "127.0.0.1:0", to: { blue }, drain: "1s", json: true },
    (text) => made(JSON.parse(text).listening.port)
  )
  closing.push(() => {
    it.signal("SIGTERM")
    return it.exit
  })
  return Promise.race([port, it.exit.then(() => Promise.reject(new Error(it.err())))])
}

/** Asks over and over, a connection for each request, and says what came back. */
const asking = (port: number) => {
  const seen = new Map<string, number>()
  let isOver = false
  const one = () =>
    new Promise<string>((resume) => {
      const it = get({ host: "127.0.0.1", port, agent: false }, (answer) => {
        answer.resume()
        answer.on("end", () => resume(`${answer.statusCode}`))
      })
      it.on("error", ({ message }) => resume(message))
    })
  const ended = (async () => {
    while (!isOver) {
      const answer = await one()
      seen.set(answer, (seen.get(answer) ?? 0) + 1)
      await new Promise((resume) => setTimeout(resume, 5))
    }
  })()
  return async () => {
    isOver = true
    await ended
    return seen
  }
}

const asked: Omit<Rollout.Asked, "to"> = {
  directory: "switch",
  steps: "10,50,100",
  hold: "100ms",
  every: "20ms",
  patience: "5s",
  drain: "10s",
  errors: 1,
  slower: 2,
  slow: "100ms",
  requests: 10,
  path: "/",
  ready: undefined,
  ca: undefined,
  serverName: undefined,
  plain: true,
  json: true
}

const events = (run: Run): ReadonlyArray<{ readonly event: string; readonly percent?: number }> =>
  run
    .out()
    .split("\n")
    .filter((line) => line.includes('"event"'))
    .map((line) => JSON.parse(line))

/** The weights of the switch, by name. */
const weights = async (): Promise<{ readonly [name: string]: number | boolean }> => {
  const { backends, isTrial } = await Effect.runPromise(SwitchClient.look(join(folder, "switch")))
  return { isTrial, ...Object.fromEntries(backends.map(({ name, weight }) => [name, weight])) }
}

describe("novacron rollout", () => {
  it("gives a new node its connections step by step, and no request fails", async () => {
    const stop = asking(await switchTo(await node(well)))
    const run = start(Rollout.rollout, { ...asked, to: `green=${await node(well)}` })
    assert.strictEqual(await run.exit, 0, run.err())
    assert.deepStrictEqual([...(await stop()).keys()], ["200"])
    assert.deepStrictEqual(
      events(run).map(({ event, percent }) => [event, percent ?? ""].join(" ").trim()),
      ["RolloutReady", "RolloutStep 10", "RolloutStep 50", "RolloutStep 100", "RolloutDone"]
    )
    assert.deepStrictEqual(await weights(), { isTrial: false, blue: 0, green: 100 })
  })

  it("goes back by itself when the new node fails more than is allowed, and says how much", async () => {
    const port = await switchTo(await node(well))
    let requests = 0
    const bad = await node((_, response) => response.writeHead(++requests > 6 ? 500 : 200).end())
    const stop = asking(port)
    const run = start(Rollout.rollout, { ...asked, to: `green=${bad}` })
    assert.strictEqual(await run.exit, 69)
    await stop()
    assert.match(run.err(), /NVC-3017[^]*green had 10 % of the connections, and has none any more/)
    assert.match(run.err(), /500 Internal Server Error/)
    assert.deepStrictEqual(await weights(), { isTrial: false, blue: 100, green: 0 })
  })

  it("goes back when the new node answers, but more slowly than the old one by more than is allowed", async () => {
    await switchTo(await node(well))
    const slow = await node((_, response) => void setTimeout(() => response.end(), 150))
    const run = start(Rollout.rollout, { ...asked, to: `green=${slow}`, slow: "20ms", slower: 3 })
    assert.strictEqual(await run.exit, 69)
    assert.match(run.err(), /more than 3 times as slow/)
    assert.deepStrictEqual(await weights(), { isTrial: false, blue: 100, green: 0 })
  })

  it("gives nothing to a node that is not ready: by its health endpoint, or because it does not answer", async () => {
    await switchTo(await node(well))
    const booting = await node((_, response) => response.writeHead(503).end())
    const patience = "200ms"
    const to = `green=${await node(well)}`
    const notReady = start(Rollout.rollout, { ...asked, to, ready: `http://${booting}/ready`, patience })
    assert.strictEqual(await notReady.exit, 69)
    assert.match(notReady.err(), /green got no connection: it was not ready within 200 ms: 503 Service Unavailable/)
    const absent = start(Rollout.rollout, { ...asked, to: "green=127.0.0.1:1", patience })
    assert.strictEqual(await absent.exit, 69)
    assert.match(absent.err(), /ECONNREFUSED/)
    assert.deepStrictEqual(await weights(), { isTrial: false, blue: 100 })
  })

  it("says at once that it is not let in, since waiting does not change that", async () => {
    await switchTo(await node(well))
    for (const [status, reason] of [
      [401, "401 Unauthorized"],
      [403, "403 Forbidden"]
    ] as const) {
      const closed = await node((_, response) => response.writeHead(status).end())
      // With this patience nothing else could end it within the time of a test.
      const run = start(Rollout.rollout, { ...asked, to: `green=${closed}`, patience: "1h" })
      assert.strictEqual(await run.exit, 64, run.err())
      assert.include(run.err(), "NVC-3016")
      assert.include(run.err(), `green refuses to answer (${reason}): NOVACRON_API_TOKEN is not set`)
      assert.include(run.err(), "Nothing was changed.")
    }
    assert.deepStrictEqual(await weights(), { isTrial: false, blue: 100 })
  })

  it("goes back at a signal, at any step", async () => {
    await switchTo(await node(well))
    let sent = false
    const run: Run = start(Rollout.rollout, { ...asked, to: `green=${await node(well)}`, hold: "1h" }, (text) => {
      if (!text.includes("RolloutStep") || sent) return
      sent = true
      setTimeout(() => run.signal("SIGTERM"), 50)
    })
    assert.strictEqual(await run.exit, 143, run.err())
    assert.deepStrictEqual(await weights(), { isTrial: false, blue: 100, green: 0 })
  })

  it("is the way back too: the old node is the new one then", async () => {
    const [blue, green] = [await node(well), await node(well)]
    await switchTo(blue)
    const there = start(Rollout.rollout, { ...asked, to: `green=${green}`, steps: "100" })
    assert.strictEqual(await there.exit, 0, there.err())
    const back = start(Rollout.rollout, { ...asked, to: `blue=${blue}`, steps: "100" })
    assert.strictEqual(await back.exit, 0, back.err())
    assert.deepStrictEqual(await weights(), { isTrial: false, blue: 100, green: 0 })
  })

  it("says when the old node still has connections, and leaves them alone", async () => {
    const port = await switchTo(await node(well))
    const held = connect(port, "127.0.0.1")
    await new Promise((resume) => held.once("connect", resume))
    const run = start(Rollout.rollout, { ...asked, to: `green=${await node(well)}`, steps: "100", drain: "100ms" })
    const exit = await run.exit
    held.destroy()
    assert.strictEqual(exit, 75, run.err())
    assert.match(run.err(), /NVC-3018[^]*blue still has 1 connection/)
    assert.deepStrictEqual(await weights(), { isTrial: false, blue: 0, green: 100 })
  })

  it("refuses what cannot be meant, and changes nothing", async () => {
    await switchTo(await node(well))
    const to = `green=${await node(well)}`
    const refused: ReadonlyArray<Partial<Rollout.Asked>> = [
      { to: "green" },
      { to: "green=here" },
      { to: "../green=127.0.0.1:1" },
      { to: "blue=127.0.0.1:1" },
      { steps: "50,10,100" },
      { steps: "10" },
      { steps: "" },
      { hold: "soon" },
      { every: "-1s" },
      { errors: -1 },
      { slower: 0 },
      { requests: 0 },
      { ready: "https://127.0.0.1:1/ready" },
      { ca: "nowhere.pem" }
    ]
    for (const flags of refused) {
      const run = start(Rollout.rollout, { ...asked, to, ...flags })
      assert.strictEqual(await run.exit, 64, `${JSON.stringify(flags)} ${run.err()}`)
      assert.include(run.err(), "NVC-3016")
    }
    const bare = start(Rollout.rollout, { ...asked, to: "green" })
    assert.strictEqual(await bare.exit, 64)
    assert.include(bare.err(), '"green" is no node: say NAME=HOST:PORT')
    const elsewhere = start(Rollout.rollout, { ...asked, to, directory: "nowhere" })
    assert.strictEqual(await elsewhere.exit, 69)
    assert.include(elsewhere.err(), "NVC-3015")
    assert.deepStrictEqual(await weights(), { isTrial: false, blue: 100 })
  })

  it("has every change of a share in the audit log of the switch, with who made it", async () => {
    await switchTo(await node(well))
    const run = start(Rollout.rollout, { ...asked, to: `green=${await node(well)}`, steps: "50,100" })
    assert.strictEqual(await run.exit, 0, run.err())
    const lines = readFileSync(join(folder, "switch/switch-audit.jsonl"), "utf8").trim().split("\n")
    const told = lines.map((line) => JSON.parse(line))
    assert.deepStrictEqual(
      told.map(({ changedKeys }) => changedKeys.filter((key: string) => key.startsWith("green.weight"))).flat(),
      ["green.weight=50", "green.weight=100"]
    )
    for (const { user } of told) assert.strictEqual(user, "ada")
  })
})
