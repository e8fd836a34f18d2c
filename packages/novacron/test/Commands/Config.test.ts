import { execFileSync, spawnSync } from "node:child_process"
import {
  appendFileSync,
  chmodSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import * as Config from "../../src/Commands/Config.ts"
import { asked, Room } from "../fixtures/Room.ts"

let room: Room
beforeEach(() => {
  room = new Room()
})
afterEach(() => room.remove())

const file = (name: string, text: string) => {
  writeFileSync(room.path(name), text, { mode: 0o600 })
  return room.path(name)
}

describe("looking at settings", () => {
  it("checks them, explains them and compares them, secrets masked", async () => {
    const a = file("a.yaml", "health:\n  port: 1\ncache:\n  url: redis://:hunter2hunter2@h\n")
    const b = file("b.yaml", "health:\n  port: 2\n  ramp: 9s\ncache:\n  url: redis://:hunter3hunter3@h\n")
    const env = { NOVACRON_HEALTH_PORT: "" }
    assert.strictEqual((await room.run(Config.check, { ...asked, config: a }, { NOVACRON_HEALTH_PORT: "7" })).code, 0)
    const { out } = await room.run(
      Config.explain,
      { ...asked, config: a, key: "health.port" },
      { NOVACRON_HEALTH_PORT: "7" }
    )
    assert.match(out, /→ 7 {2}NOVACRON_HEALTH_PORT\n {4}1 {2}.*a\.yaml:2:9\n {4}8080 {2}default/)
    const diff = await room.run(Config.diff, { ...asked, a, b })
    assert.match(diff.out, /^~ health\.ramp: "30s" → "9s"$/m)
    assert.include(diff.out, "~ cache.url: ")
    assert.notInclude(diff.out + diff.err, "hunter")
    // For scripts, as of diff: 0 is the same, 1 is different, and trouble has codes of its own.
    assert.strictEqual(diff.code, 1)
    const same = await room.run(Config.diff, { ...asked, a, b: a })
    assert.deepStrictEqual([same.code, same.out], [0, "They say the same.\n"])
    const json = await room.run(Config.diff, { ...asked, json: true, a, b })
    assert.strictEqual(json.code, 1)
    assert.lengthOf(JSON.parse(json.out), 2)
    assert.strictEqual((await room.run(Config.diff, { ...asked, a, b: room.path("none.yaml") })).code, 78)
    assert.strictEqual((await room.run(Config.explain, { ...asked, key: "no.such" }, env)).code, 78)
    const unknown = await room.run(Config.explain, { ...asked, key: "databse.url" })
    assert.strictEqual(unknown.code, 64)
    assert.include(unknown.err, "Did you mean database.url?")
  })

  it("prints a JSON Schema, and templates that can be loaded", async () => {
    const schema = JSON.parse((await room.run(Config.schema, { json: false })).out)
    assert.containsAllKeys(schema.properties, ["system", "security", "database", "cache", "network", "health"])
    for (const template of ["datacenter", "internet", "hybrid", "development"]) {
      const out = room.path(`${template}.yaml`)
      assert.strictEqual((await room.run(Config.init, { json: false, template, out })).code, 0)
      assert.strictEqual(statSync(out).mode & 0o777, 0o600)
      assert.strictEqual((await room.run(Config.check, { ...asked, config: out })).code, 0, template)
      assert.strictEqual((await room.run(Config.init, { json: false, template, out })).code, 73, "it exists")
    }
    assert.strictEqual((await room.run(Config.init, { json: false, template: "moon", out: undefined })).code, 64)
  })
})

/** A user who is not root: root may read everything. */
const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

describe("permissions", () => {
  it("that keep this user from a file, or open a key to others, exit 77", async () => {
    const path = file("n.yaml", "system: {}\n")
    chmodSync(path, 0)
    const main = join(import.meta.dirname, "../../src/main.ts")
    const args = [main, "config", "check", "-c", path]
    const { status, stderr } = spawnSync(process.execPath, args, { ...nobody, cwd: "/", env: {}, encoding: "utf8" })
    assert.strictEqual(status, 77, stderr)
    assert.match(stderr, /NVC-1001[^]*This user may not read it\./)
    const open = file("key", (await room.run(Config.keygen, { json: false, id: "k1" })).out)
    chmodSync(open, 0o644)
    const env = { NOVACRON_CONFIG_KEY_FILE: open }
    const { code, err } = await room.run(Config.check, asked, env)
    assert.strictEqual(code, 77)
    assert.match(err, /NVC-1011[^]*Others may read it/)
    assert.strictEqual((await room.run(Config.check, { ...asked, config: room.path("none.yaml") })).code, 78)
  })
})

describe("encryption", () => {
  const nothing = { ...asked, key: undefined, value: undefined, file: undefined, write: false }

  it("binds a value to its key, and opens at no other", async () => {
    const key = (await room.run(Config.keygen, { json: false, id: "k1" })).out
    const env = { NOVACRON_CONFIG_KEY_FILE: file("key", key) }
    const sealed = (
      await room.run(Config.encrypt, { ...nothing, key: "cache.url", value: "redis://h" }, env)
    ).out.trim()
    assert.match(sealed, /^enc:AES256:k1:/)
    const opened = await room.run(Config.decrypt, { ...nothing, key: "cache.url", value: sealed }, env)
    assert.strictEqual(opened.out.trim(), "redis://h")
    const moved = await room.run(Config.decrypt, { ...nothing, key: "database.url", value: sealed }, env)
    assert.strictEqual(moved.code, 65)
    assert.include(moved.err, "NVC-1010")
  })

  it("takes a value from stdin, without the end of its line, so that nobody sees it among the arguments", async () => {
    const env = {
      NOVACRON_CONFIG_KEY_FILE: file("key", (await room.run(Config.keygen, { json: false, id: "k1" })).out)
    }
    const main = join(import.meta.dirname, "../../src/main.ts")
    const sealing = (input: string) =>
      spawnSync(process.execPath, [main, "config", "encrypt", "--key", "cache.url"], { env, input, encoding: "utf8" })
    const { status, stderr, stdout } = sealing("redis://h\n")
    assert.strictEqual(status, 0, stderr)
    const opened = await room.run(Config.decrypt, { ...nothing, key: "cache.url", value: stdout.trim() }, env)
    assert.strictEqual(opened.out, "redis://h\n")
    const none = sealing("\n")
    assert.deepStrictEqual([none.status, none.stdout], [64, ""])
    assert.include(none.stderr, "Nothing came from stdin")
    const long = sealing("x".repeat(65 * 1024))
    assert.deepStrictEqual([long.status, long.stdout], [65, ""])
    assert.include(long.stderr, "more than 65536 bytes")
    const atTerminal = await room.run(Config.encrypt, { ...nothing, key: "cache.url" }, env)
    assert.strictEqual(atTerminal.code, 64)
    assert.include(atTerminal.err, "--key cache.url < FILE")
  }, 60_000)

  it("of a file touches its secrets alone, keeps comments, and is undone and renewed", async () => {
    const key = (await room.run(Config.keygen, { json: false, id: "k1" })).out
    const env = { NOVACRON_CONFIG_KEY_FILE: file("key", key) }
    const text = "# ours\ncache:\n  url: redis://:hunter2hunter2@h # Redis\n  prefix: ours\n"
    const path = file("n.yaml", text)
    await room.run(Config.encrypt, { ...nothing, file: path, write: true }, env)
    assert.match(
      readFileSync(path, "utf8"),
      /^# ours\ncache:\n {2}url: "enc:AES256:k1:.*" # Redis\n {2}prefix: ours\n$/
    )
    const second = (await room.run(Config.keygen, { json: false, id: "k2" })).out
    writeFileSync(env.NOVACRON_CONFIG_KEY_FILE, `${second}${key}`)
    await room.run(Config.rekey, { ...asked, file: path, write: true }, env)
    assert.include(readFileSync(path, "utf8"), "enc:AES256:k2:")
    const { out } = await room.run(Config.decrypt, { ...nothing, file: path }, env)
    assert.include(out, "redis://:hunter2hunter2@h")
    assert.deepStrictEqual(
      readdirSync(room.path("")).filter((name) => name.includes(".next")),
      []
    )
  })

  it("of a file behind a link changes the file, and of one that is no YAML nothing", async () => {
    const env = {
      NOVACRON_CONFIG_KEY_FILE: file("key", (await room.run(Config.keygen, { json: false, id: "k1" })).out)
    }
    const path = file("n.yaml", "cache: { url: 'redis://:hunter2hunter2@h' }\n")
    const link = room.path("link.yaml")
    symlinkSync(path, link)
    assert.strictEqual((await room.run(Config.encrypt, { ...nothing, file: link, write: true }, env)).code, 0)
    assert.isTrue(lstatSync(link).isSymbolicLink())
    assert.include(readFileSync(path, "utf8"), "enc:AES256:k1:")

    const torn = file("torn.yaml", "cache:\n  url: redis://:hunter2hunter2@h\n more: [1\n")
    const { code, err } = await room.run(Config.encrypt, { ...nothing, file: torn, write: true }, env)
    assert.strictEqual(code, 78)
    assert.include(err, "NVC-1002")
    assert.include(err, `${torn}:3:1 cannot be read`)
    assert.include(readFileSync(torn, "utf8"), "hunter2")
  })

  it("of a file leaves no secret of a token in it, whatever the token is called", async () => {
    const key = (await room.run(Config.keygen, { json: false, id: "k1" })).out
    const env = { NOVACRON_CONFIG_KEY_FILE: file("key", key) }
    const token = "hunter2".repeat(8)
    const tokens = JSON.stringify({ "ci.example.com": { token, roles: ["viewer"] }, ada: { token, roles: ["viewer"] } })
    const path = file("n.yaml", `security: { authentication: { tokens: ${tokens} } }\n`)
    assert.strictEqual((await room.run(Config.check, { ...asked, config: path }, env)).err, "")
    await room.run(Config.encrypt, { ...nothing, file: path, write: true }, env)
    assert.strictEqual(readFileSync(path, "utf8").match(/enc:AES256:k1:/g)?.length, 2)
    assert.notInclude(readFileSync(path, "utf8"), "hunter2")
    assert.strictEqual((await room.run(Config.check, { ...asked, config: path }, env)).code, 0)
  })

  it("is refused for what is no setting, and for what would be ignored", async () => {
    const env = {
      NOVACRON_CONFIG_KEY_FILE: file("key", (await room.run(Config.keygen, { json: false, id: "k1" })).out)
    }
    const encrypt = (more: Partial<Config.Sealing>) => room.run(Config.encrypt, { ...nothing, ...more }, env)
    const misspelt = await encrypt({ key: "databse.url", value: "x" })
    assert.deepStrictEqual([misspelt.code, misspelt.out], [64, ""])
    assert.include(misspelt.err, "Did you mean database.url?")
    assert.strictEqual((await encrypt({ key: "database", value: "x" })).code, 64, "a section")
    for (const key of ["database.url", "security.authentication.tokens.ci.token"]) {
      assert.strictEqual((await encrypt({ key, value: "x" })).code, 0, key)
    }
    const path = file("n.yaml", "cache: { url: 'redis://h' }\n")
    assert.include((await encrypt({ key: "cache.url", value: "x", file: path })).err, "two things")
    assert.strictEqual((await encrypt({ key: "cache.url", value: "x", write: true })).code, 64)
    assert.strictEqual(readFileSync(path, "utf8"), "cache: { url: 'redis://h' }\n")
  })

  it("has keys of names that a keyring takes, and no others", async () => {
    for (const id of ["a b", "a:b", "#a", "ü", "a".repeat(65)]) {
      const { code, err, out } = await room.run(Config.keygen, { json: false, id })
      assert.deepStrictEqual([code, out], [64, ""], id)
      assert.include(err, "is no name that a keyring takes")
    }
    for (const id of ["2026-11.a_1", "a".repeat(64), undefined]) {
      const { out } = await room.run(Config.keygen, { json: false, id })
      const env = { NOVACRON_CONFIG_KEY: out }
      assert.strictEqual((await room.run(Config.encrypt, { ...nothing, key: "cache.url", value: "x" }, env)).code, 0)
    }
  })

  it("says what the system says of a path", async () => {
    const out = room.path("none/n.yaml")
    const init = await room.run(Config.init, { json: false, template: undefined, out })
    assert.strictEqual(init.code, 73)
    assert.match(init.err, /none\/n\.yaml cannot be written\.\n.*reason .*ENOENT/)
  })

  it("needs a key, and says how to get one", async () => {
    // What is wrong with the command line is wrong with any key.
    assert.strictEqual((await room.run(Config.encrypt, nothing)).code, 64)
    const { code, err } = await room.run(Config.encrypt, { ...nothing, key: "cache.url", value: "x" })
    assert.strictEqual(code, 78)
    assert.include(err, "novacron config keygen")
  })
})

describe("signatures", () => {
  it("are those of openssl, in both directions", async () => {
    const path = file("n.yaml", "system: {}\n")
    const [key, pub] = [room.path("private.pem"), room.path("public.pem")]
    execFileSync("openssl", ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key], {
      stdio: "ignore"
    })
    execFileSync("openssl", ["pkey", "-in", key, "-pubout", "-out", pub])
    assert.strictEqual((await room.run(Config.sign, { json: false, file: path, key, out: undefined })).code, 0)
    execFileSync("openssl", ["dgst", "-sha256", "-verify", pub, "-signature", `${path}.sig`, path])
    execFileSync("openssl", ["dgst", "-sha256", "-sign", key, "-out", `${path}.sig`, path])
    const verify = { json: false, file: path, keys: [pub], signature: undefined }
    assert.strictEqual((await room.run(Config.verify, verify)).code, 0)
    appendFileSync(path, "# more\n")
    const { code, err } = await room.run(Config.verify, verify)
    assert.strictEqual(code, 65)
    assert.include(err, "NVC-1012")
    assert.strictEqual((await room.run(Config.verify, { ...verify, keys: [] })).code, 64)
  })
})

describe("history", () => {
  it("is empty before the first boot with a file, and cannot be rolled back to", async () => {
    assert.include((await room.run(Config.history, asked)).out, "No file of settings has been kept yet")
    const path = file("n.yaml", "system: {}\n")
    const { code, err } = await room.run(Config.rollback, { ...asked, config: path, number: 3 })
    assert.strictEqual(code, 64)
    assert.include(err, "There is no version 3 to go back to; none has been kept yet.")
    assert.strictEqual(readFileSync(path, "utf8"), "system: {}\n")
  })
})
