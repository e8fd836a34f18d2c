/**
 * The file of settings in the real program, when something has happened to it: what a boot says, what it does when it is
 * told to take the last version that was good, and what is left of that in the audit log and the history.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { Audit } from "@novacron/config"
import { Effect } from "effect"
import { afterAll, afterEach, assert, describe, it } from "vitest"
import { Place } from "./Novacron.ts"

const place = new Place()
const file = place.path("novacron.yaml")
const text = "logger:\n  recent: 321\ncache:\n  max_memory: 96 MiB\n"
const once = ["boot", "--exit-when-ready"]

afterAll(() => place.remove())
afterEach(() => assert.deepStrictEqual(place.leftovers(), []))

const audit = () =>
  readFileSync(join(place.dataDir, "config-audit.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
const facts = (from: number) =>
  audit()
    .slice(from)
    .map(({ action, source, success }) => [action, source, success])
const history = async () => JSON.parse((await place.run(["config", "history", "--json"])).stdout)

describe("a file of settings", () => {
  it("that was good is a version of its own, and the audit log has the version of what is in effect", async () => {
    writeFileSync(file, text, { mode: 0o600 })
    const { code, stderr } = await place.run(once)
    assert.strictEqual(code, 0, stderr)
    const checked = JSON.parse((await place.run(["config", "check", "--json"])).stdout)
    assert.match(checked.version, /^[0-9a-f]{16}$/)
    assert.deepStrictEqual(
      audit().map(({ action, source, success, version }) => [action, source, success, version]),
      [["load", "file", true, checked.version]]
    )
    assert.strictEqual((await history()).length, 1)
  })

  it("that is cut off ends the boot, unless it is told to take the last good version; and it says so", async () => {
    const before = audit()
    writeFileSync(file, `${text}health: { ramp: [`, { mode: 0o600 })
    const refused = await place.run(once)
    assert.strictEqual(refused.code, 78)
    assert.include(refused.stderr, "NVC-1002")

    const node = await place.ready(["--last-good"])
    assert.match(node.stderr(), /^LAST GOOD SETTINGS {2}\S*novacron\.yaml cannot be used/m)
    assert.include(node.stderr(), "NVC-1002")
    assert.include(node.stderr(), "config-history/000001.yaml")
    // Mended, and changed in what can change while it runs: read from the file again, not from the version.
    writeFileSync(file, `${text.replace("logger:", "logger:\n  level: debug")}`, { mode: 0o600 })
    const reloaded = await place.run(["reload"])
    assert.strictEqual(reloaded.code, 0, reloaded.stderr)
    node.child.kill("SIGTERM")
    assert.strictEqual((await node.ended).code, 0, "an end that was asked for")

    const [refusedLine, loadedLine] = facts(before.length)
    assert.deepStrictEqual(refusedLine, ["load", "file", false])
    assert.deepStrictEqual(loadedLine, ["load", "history", true])
    // The same settings, and the same version of them; and nothing damaged is kept as good.
    assert.strictEqual(audit()[before.length + 1].version, before[0].version)
    assert.strictEqual((await history()).length, 2)
    await Effect.runPromise(Effect.provide(Audit.verify(join(place.dataDir, "config-audit.jsonl")), NodeServices.layer))
  })

  it("that is good is what counts, whatever is told about the last good version", async () => {
    writeFileSync(file, text.replace("321", "654"), { mode: 0o600 })
    const { code, stderr } = await place.run([...once, "--last-good"])
    assert.strictEqual(code, 0, stderr)
    assert.notInclude(stderr, "LAST GOOD")
    assert.strictEqual((await history()).length, 3)
  })

  it("that is damaged and has no version that can be used ends the boot with what is wrong with it", async () => {
    writeFileSync(file, "\u0000garbled", { mode: 0o600 })
    const none = await place.run([...once, "--last-good", "--data-dir", place.path("other")])
    assert.strictEqual(none.code, 78)
    assert.include(none.stderr, "There is no last good version")
    for (const n of [1, 2, 3]) writeFileSync(join(place.dataDir, `config-history/00000${n}.yaml`), "garbled too")
    const { code, stderr } = await place.run([...once, "--last-good"])
    assert.strictEqual(code, 78)
    assert.notInclude(stderr, "LAST GOOD")
  })
})
