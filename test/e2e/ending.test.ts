/**
 * How the real node goes down: in the reverse of its needs, past a part that hangs, and by `kill -9` in the middle of a
 * boot, which the next one goes on from.
 */
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { Journal } from "@novacron/boot"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { freePort } from "../fixtures/Ports.ts"
import { eventually, type Line, linesOf, Place, processesIn } from "./Novacron.ts"

let place: Place
beforeEach(() => {
  place = new Place()
})
afterEach(() => place.remove())

/** Components with what they need, as the boot said. */
const needsOf = (lines: ReadonlyArray<Line>): ReadonlyMap<string, ReadonlyArray<string>> =>
  new Map(
    lines.flatMap(({ component, dependencies }) =>
      component !== undefined && Array.isArray(dependencies) ? [[component, dependencies.map(String)] as const] : []
    )
  )

describe("SIGTERM to a node that is up", () => {
  it("stops each part after all that need it, cleanly, and the process ends with 0", async () => {
    const node = await place.ready()
    node.child.kill("SIGTERM")
    const { code, stderr, stdout } = await node.ended
    assert.strictEqual(code, 0, stderr)
    assert.deepStrictEqual(place.leftovers(), [])
    const lines = linesOf(stdout)
    const at = (event: string, name: string) =>
      lines.findIndex((line) => line.event === event && line.component === name)
    let pairs = 0
    for (const [name, needs] of needsOf(lines)) {
      for (const need of needs) {
        if (at("ComponentStopping", name) < 0 || at("ComponentStopping", need) < 0) continue
        assert.isBelow(at("ComponentStopped", name), at("ComponentStopping", need), `${need} before ${name}`)
        pairs++
      }
    }
    assert.isAbove(pairs, 10)
    const stopped = lines.filter(({ event }) => event === "ComponentStopped")
    assert.isAbove(stopped.length, 10)
    for (const { facts } of stopped) assert.deepInclude(facts, { closing: "clean" })
  })

  it("cuts off a part that hangs when its time is up, stops the others, and says what was not closed", async () => {
    const node = await place.ready(["-s", "system.shutdown_timeout=12s"])
    const servers = () => processesIn(`${place.dataDir}/postgresql`)
    assert.isAbove(servers().length, 0)
    // Its server does not hear any more, not even that it should end.
    for (const pid of servers()) process.kill(pid, "SIGSTOP")
    node.child.kill("SIGTERM")
    const { code, stderr, stdout } = await node.ended
    // Not 0: what was not closed may still hold what it held, and whoever starts the next node should know.
    assert.strictEqual(code, 70, stderr)
    assert.match(stderr, /^ {2}undone .*not clean: database \(abandoned\)/m)
    const lines = linesOf(stdout)
    const closings = lines.flatMap(({ component, event, facts }) =>
      event === "ComponentStopped" ? [`${component} ${/"closing":"(\w+)"/.exec(JSON.stringify(facts))?.[1]}`] : []
    )
    // One at the end of its own time, one at the end of everybody's; who does not ask the database stops as ever.
    assert.includeMembers(closings, ["discovery abandoned", "database abandoned"])
    assert.includeMembers(closings, ["api clean", "cache clean", "monitoring clean", "network clean"])
    assert.deepInclude(lines.find(({ event }) => event === "BootEnded")?.["facts"], { clean: false })
    for (const pid of servers()) process.kill(pid, "SIGKILL")
    await eventually(() => servers().length === 0, "the server is gone")
    // What was left is what the next boot recovers.
    const next = await place.run(["boot", "--exit-when-ready"])
    assert.strictEqual(next.code, 0, next.stderr)
    assert.deepStrictEqual(place.leftovers(), [])
  })
})

describe("kill -9 after the core is up", () => {
  const checkpointsIn = (file: string) =>
    Journal.decode(readFileSync(`${place.dataDir}/journal/${file}`)).events.flatMap((event) =>
      event._tag === "CheckpointReached" ? [event.checkpoint] : []
    )
  const isCore = (facts: unknown) => JSON.stringify(facts).includes('"core_init_complete"')
  const journals = () => readdirSync(`${place.dataDir}/journal`).toSorted()

  it("is gone on from: the next boot says from which checkpoint, and makes nothing again that is durable", async () => {
    // One of the services does not come up, so that the boot stays where it is.
    const port = `${await freePort()}`
    const node = await place.start(["boot"], {
      NODE_OPTIONS: `--import=${join(import.meta.dirname, "Deaf.ts")}`,
      STUCK: port,
      NOVACRON_MONITORING_PORT: port
    })
    await node.until(({ event, facts }) => event === "CheckpointReached" && isCore(facts))
    const three = ["init_start", "pre_init_complete", "core_init_complete"]
    await eventually(() => checkpointsIn(journals()[0]!).length >= 3, "the checkpoint is durable")
    node.child.kill("SIGKILL")
    await node.ended
    const [first] = journals()
    assert.deepStrictEqual(checkpointsIn(first!), three)

    const ca = readFileSync(`${place.dataDir}/security/ca.pem`, "utf8")
    const made = statSync(`${place.dataDir}/postgresql/data/PG_VERSION`)
    const next = await place.run(["boot", "--exit-when-ready"])
    assert.strictEqual(next.code, 0, next.stderr)
    assert.match(next.stderr, /did not end by itself \(last checkpoint: core_init_complete\); recovering .*database/)
    // The identity of the node and its database are those of the boot that was killed.
    assert.strictEqual(readFileSync(`${place.dataDir}/security/ca.pem`, "utf8"), ca)
    const { ino, mtimeMs } = statSync(`${place.dataDir}/postgresql/data/PG_VERSION`)
    assert.deepStrictEqual({ ino, mtimeMs }, { ino: made.ino, mtimeMs: made.mtimeMs })
    // All five are in its own record, and in their order.
    assert.deepStrictEqual(checkpointsIn(journals().at(-1)!), [...three, "service_init_complete", "init_complete"])
    // It ended by itself, so that nothing is left for the one after it.
    const third = await place.run(["boot", "--exit-when-ready"])
    assert.strictEqual(third.code, 0, third.stderr)
    assert.notInclude(third.stderr, "did not end by itself")
  })
})
