import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as Switch from "../../src/Commands/Switch.ts"
import { type Signal, type Surroundings, thisProcess } from "../../src/Surroundings.ts"

const folder = mkdtempSync(join(tmpdir(), "novacron-switch-command-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const here = thisProcess()

const start = <Flags>(
  command: (flags: Flags, surroundings: Surroundings["Service"]) => Promise<number>,
  flags: Flags,
  onOut: (text: string) => void = () => undefined
) => {
  const [out, err]: [Array<string>, Array<string>] = [[], []]
  let hear: (signal: Signal) => void = () => undefined
  const stdout = {
    isTerminal: false,
    write: (text: string) => {
      out.push(text)
      onOut(text)
    }
  }
  const exit = command(flags, {
    ...here,
    env: {},
    cwd: folder,
    onSignal: (listen) => Effect.sync(() => void (hear = listen)),
    stdout,
    stderr: { isTerminal: false, write: (text: string) => void err.push(text) }
  })
  return { exit, out: () => out.join(""), err: () => err.join(""), signal: (signal: Signal) => hear(signal) }
}

const to = { blue: "127.0.0.1:4001", green: "[::1]:4002" }
const flags = { directory: "switch", json: false }

describe("novacron switch", () => {
  let serving: ReturnType<typeof start>
  beforeAll(
    () =>
      new Promise((resume) => {
        serving = start(Switch.serve, { ...flags, listen: "127.0.0.1:0", to, drain: "1s" }, resume)
      })
  )

  it("shows which share each node has: the first that was named has all", async () => {
    const shown = start(Switch.show, flags)
    assert.strictEqual(await shown.exit, 0, shown.err())
    assert.match(shown.out(), /^127\.0\.0\.1:\d+\n {2}blue {3} 100 % {2}127\.0\.0\.1:4001 · 0 open, 0 since, 0 failed/)
    assert.include(shown.out(), "::1:4002")
    assert.strictEqual(serving.out(), shown.out())
  })

  it("gives shares by hand, and leaves those alone that were not named", async () => {
    const set = start(Switch.set, { ...flags, json: true, weights: { green: "25" } })
    assert.strictEqual(await set.exit, 0, set.err())
    const { backends } = JSON.parse(set.out())
    assert.deepStrictEqual(
      backends.map(({ name, weight }: { readonly name: string; readonly weight: number }) => `${name} ${weight}`),
      ["blue 100", "green 25"]
    )
  })

  it("refuses shares that are none, nodes that it does not know, and to serve nobody", async () => {
    for (const weights of [{ green: "all" }, { green: "101" }, { red: "10" }, { blue: "0", green: "0" }]) {
      const set = start(Switch.set, { ...flags, weights })
      assert.strictEqual(await set.exit, 64, JSON.stringify(weights))
      assert.match(set.err(), /NVC-3016[^]*Nothing was changed/)
    }
  })

  it("refuses a share that is none without asking any switch", async () => {
    const set = start(Switch.set, { ...flags, directory: "nowhere", weights: { green: "101" } })
    assert.strictEqual(await set.exit, 64)
    assert.include(set.err(), "green=101: a weight is a whole number from 0 to 100")
  })

  it("refuses to stand in the place of another one, and where nobody is named", async () => {
    const port = /:(\d+)/.exec(serving.out())?.[1]
    const second = start(Switch.serve, { ...flags, directory: "other", listen: `127.0.0.1:${port}`, to, drain: "1s" })
    assert.strictEqual(await second.exit, 73)
    assert.match(second.err(), /NVC-3013[^]*EADDRINUSE/)
    const same = start(Switch.serve, { ...flags, listen: "127.0.0.1:0", to, drain: "1s" })
    assert.strictEqual(await same.exit, 73)
    const nobody = start(Switch.serve, { ...flags, directory: "third", listen: "127.0.0.1:0", to: {}, drain: "1s" })
    assert.strictEqual(await nobody.exit, 64)
  })

  it("ends at a signal, and nobody answers any more", async () => {
    serving.signal("SIGTERM")
    assert.strictEqual(await serving.exit, 0, serving.err())
    const shown = start(Switch.show, flags)
    assert.strictEqual(await shown.exit, 69)
    assert.include(shown.err(), "NVC-3015")
    // The port is free again.
    const port = Number(/:(\d+)/.exec(serving.out())?.[1])
    await new Promise<void>((resume, reject) => {
      const server = createServer().once("error", reject)
      server.listen(port, "127.0.0.1", () => server.close(() => resume()))
    })
  })
})
