import { execFile, execFileSync, spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { text } from "node:stream/consumers"
import { promisify } from "node:util"
import { Effect } from "effect"
import { afterAll, assert, describe, it } from "vitest"
import * as Dwcp from "../../src/Commands/Dwcp.ts"
import { type Signal, type Surroundings, thisProcess } from "../../src/Surroundings.ts"

const folder = mkdtempSync(join(tmpdir(), "novacron-dwcp-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const file = (name: string, content?: Uint8Array | string): string => {
  const path = join(folder, name)
  if (content !== undefined) writeFileSync(path, content)
  return path
}

/** Runs a command, and gives what it said and left with. */
const run = async <Flags>(
  command: (flags: Flags, surroundings: Surroundings["Service"]) => Promise<number>,
  flags: Flags
): Promise<{ readonly exit: number; readonly out: string; readonly err: string }> => {
  const [out, err]: [Array<string>, Array<string>] = [[], []]
  const to = (all: Array<string>) => ({ isTerminal: false, write: (text: string) => void all.push(text) })
  const exit = await command(flags, { ...thisProcess(), env: {}, stdout: to(out), stderr: to(err) })
  return { exit, out: out.join(""), err: err.join("") }
}

const monday = Buffer.from(Array.from({ length: 60_000 }, (_, i) => `line ${(i * 7919) % 10_007}\n`).join(""))
const tuesday = Buffer.concat([monday.subarray(0, 300_000), Buffer.from("something new"), monday.subarray(300_000)])

/** A user who is not root: root may read everything. */
const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

describe("novacron dwcp", () => {
  it("encodes a file against a base and makes it again, with its hash", async () => {
    const [base, input, frame, back] = [file("monday", monday), file("tuesday", tuesday), file("frame"), file("back")]
    const encoded = await run(Dwcp.encode, { input, output: frame, base, json: true })
    assert.strictEqual(encoded.exit, 0, encoded.err)
    const { hash, ratio, size, stored } = JSON.parse(encoded.out)
    assert.strictEqual(size, tuesday.length)
    assert.strictEqual(stored, statSync(frame).size)
    assert.isAbove(ratio, 100)
    const decoded = await run(Dwcp.decode, { input: frame, output: back, base, json: true })
    assert.strictEqual(decoded.exit, 0, decoded.err)
    assert.strictEqual(JSON.parse(decoded.out).hash, hash)
    assert.isTrue(readFileSync(back).equals(tuesday))
    assert.strictEqual(statSync(back).mode & 0o777, 0o600)
  })

  it("does not call smaller what has become larger", async () => {
    const [tiny, frame] = [file("tiny", Buffer.from("hello")), file("frame3")]
    const { exit, out } = await run(Dwcp.encode, { input: tiny, output: frame, base: undefined, json: false })
    assert.strictEqual(exit, 0)
    assert.match(out, /^5 B → \d+ B, not smaller · /)
    const even = file("even", Buffer.alloc(100_000, "even"))
    const smaller = await run(Dwcp.encode, { input: even, output: frame, base: undefined, json: false })
    assert.match(smaller.out, /^100000 B → \d+ B, \d{2,}\.\d\d times smaller · /)
  })

  it("says which base is wanted, and that something is no frame", async () => {
    const [base, input, frame, back] = [file("monday", monday), file("tuesday", tuesday), file("frame2"), file("back2")]
    assert.strictEqual((await run(Dwcp.encode, { input, output: frame, base, json: true })).exit, 0)
    const without = await run(Dwcp.decode, { input: frame, output: back, base: undefined, json: false })
    assert.strictEqual(without.exit, 65)
    assert.match(without.err, /NVC-4202 .*exit 65[^]*difference to baseline [0-9a-f]{16}/)
    const stranger = await run(Dwcp.decode, { input: base, output: back, base: undefined, json: false })
    assert.strictEqual(stranger.exit, 65)
    assert.include(stranger.err, "NVC-4201")
  })

  it("packs each instance, and names what is wrong with one without losing the others", async () => {
    const input = file(
      "instances.jsonl",
      `${[
        { id: "pair", cap: [10], items: [[6], [5], [4], [5]] },
        { id: "bad", cap: [10], items: [[11]] }
      ]
        .map((one) => JSON.stringify(one))
        .join("\n")}\n`
    )
    const packed = await run(Dwcp.pack, { input, online: false, budgetMs: 20, seed: 1, json: true })
    assert.strictEqual(packed.exit, 0, packed.err)
    const [pair, bad] = packed.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
    assert.strictEqual(pair.id, "pair")
    assert.strictEqual(pair.hosts, 2)
    assert.strictEqual(bad.id, "bad")
    assert.isString(bad.error)
  })

  it("places machines that come and go, and refuses a cluster that is none", async () => {
    const input = file("trace.csv", "arrive_s,cpu,mem_gb,lifetime_s\n0,32,64,100\n1,32,64,100\n2,32,64,100\n")
    const placed = await run(Dwcp.place, { input, hosts: "2x64x256", unlimited: false, migrations: 0, json: true })
    assert.strictEqual(placed.exit, 0, placed.err)
    assert.include(JSON.parse(placed.out), { vms: 3, placed: 3, rejected: 0, peak_hosts: 2, violations: 0 })
    const wrong = await run(Dwcp.place, { input, hosts: "two", unlimited: false, migrations: 0, json: false })
    assert.strictEqual(wrong.exit, 64)
    assert.include(wrong.err, "NVC-4601")
    const missing = await run(Dwcp.pack, { input: file("no"), online: false, budgetMs: 1, seed: 1, json: false })
    assert.strictEqual(missing.exit, 65)
    assert.match(missing.err, /NVC-4603[^]*is not there, or cannot be read/)
  })

  it("refuses less than no time and less than no migrations, and offers nobody what is never taken", async () => {
    const input = file("one.jsonl", '{"cap":[1],"items":[[1]]}')
    const pack = await run(Dwcp.pack, { input, online: false, budgetMs: -5, seed: 1, json: false })
    const place = await run(Dwcp.place, { input, hosts: "2x64x256", unlimited: false, migrations: -5, json: false })
    for (const [{ err, exit }, flag] of [
      [pack, "--budget -5"],
      [place, "--migrations -5"]
    ] as const) {
      assert.strictEqual(exit, 64, err)
      assert.match(err, new RegExp(`NVC-4107[^]*${flag} cannot be`))
    }
    const main = join(import.meta.dirname, "../../src/main.ts")
    for (const [command, taken, not] of [
      ["serve", "--cert", "--ca"],
      ["send", "--ca", "--cert"],
      ["probe", "--ca", "--cert"]
    ] as const) {
      const help = execFileSync(process.execPath, [main, "dwcp", command, "--help"], { encoding: "utf8" })
      assert.include(help, taken)
      assert.notInclude(help, not)
    }
  })

  it("forecasts recorded series, classically without a model, and with no other model than was asked for", async () => {
    const v = Array.from({ length: 60 }, (_, i) => 50 + ((i * 7919) % 13))
    const input = file("series.jsonl", `${JSON.stringify({ id: "a", dt: 1, v })}\n`)
    const asked = { input, model: undefined, classical: false, json: false }
    const forecast = await run(Dwcp.forecast, asked)
    assert.strictEqual(forecast.exit, 0, forecast.err)
    const lines = forecast.out.trim().split("\n")
    assert.strictEqual(lines.length, 28)
    assert.deepStrictEqual(Object.keys(JSON.parse(lines[0] ?? "")), ["id", "i", "h1", "h5", "p10h1", "p10h5"])
    const classical = await run(Dwcp.forecast, { ...asked, classical: true })
    assert.strictEqual(classical.exit, 0, classical.err)
    assert.notStrictEqual(classical.out, forecast.out)
    const other = await run(Dwcp.forecast, { ...asked, model: file("broken.bin", "NVPB and nothing") })
    assert.strictEqual(other.exit, 65)
    assert.include(other.err, "NVC-4302")
    const missing = await run(Dwcp.forecast, { ...asked, input: file("nothing") })
    assert.strictEqual(missing.exit, 65)
    assert.include(missing.err, "NVC-4603")
  })

  it.each([
    ["encode", ["FILE", "/nowhere/out"]],
    ["encode", ["/etc/hostname", "/nowhere/out", "--base", "FILE"]],
    ["decode", ["FILE", "/nowhere/out"]],
    ["forecast", ["FILE"]],
    ["place", ["FILE", "--hosts", "5x6x7"]],
    ["probe", ["127.0.0.1:1", "--ca", "FILE"]]
  ])(
    "exits 77 when this user may not read what it is given: %s %j",
    async (command, args) => {
      const path = file("theirs", "secret")
      chmodSync(path, 0)
      chmodSync(folder, 0o711)
      const main = join(import.meta.dirname, "../../src/main.ts")
      const child = spawn(
        process.execPath,
        [main, "dwcp", command, ...args.map((word) => (word === "FILE" ? path : word))],
        {
          ...nobody,
          cwd: "/",
          env: {}
        }
      )
      const [err, [code]] = await Promise.all([text(child.stderr), once(child, "exit")])
      assert.match(err, /NVC-4603  exit 77[^]*theirs may not be read by this user/)
      assert.strictEqual(code, 77)
    },
    60_000
  )

  it("answers all of it to one who reads slowly", () => {
    const values = Array.from({ length: 3_000 }, (_, i) => 100 + (i % 7))
    const input = file("slowly.jsonl", `${JSON.stringify({ id: "slowly", dt: 1, v: values })}\n`)
    const main = join(import.meta.dirname, "../../src/main.ts")
    const command = `"${process.execPath}" "${main}" dwcp forecast --classical "${input}" | (sleep 2; wc -l)`
    const { stdout } = spawnSync("sh", ["-c", command], { encoding: "utf8" })
    assert.strictEqual(stdout.trim(), "2968")
  })

  it("says so when a certificate and a key to serve with are no pair", async () => {
    const [cert, key] = [file("no.crt", "nothing"), file("no.key", "nothing")]
    const given = { listen: "127.0.0.1:0", dir: join(folder, "none"), base: undefined, json: false }
    const { err, exit } = await run(Dwcp.serve, { ...given, cert, key })
    assert.strictEqual(exit, 64)
    assert.match(err, /NVC-4107[\s\S]*no certificate in PEM and its key[\s\S]*reason/)
  })

  it("works out no more answers when nobody reads them any longer", () => {
    const line = `${JSON.stringify({ id: "long", dt: 1, v: Array.from({ length: 20_000 }, (_, i) => i % 90) })}\n`
    const input = file("long.jsonl", line.repeat(200))
    const main = join(import.meta.dirname, "../../src/main.ts")
    const command = `"${process.execPath}" "${main}" dwcp forecast --classical "${input}" | head -n 1`
    // All four million answers take minutes.
    const { signal, stdout } = spawnSync("sh", ["-c", command], { encoding: "utf8", timeout: 30_000 })
    assert.isNull(signal)
    assert.include(stdout, '"i":32')
  })

  it("sends a file to who serves, finds it whole there, and says when nobody does", async () => {
    const input = file("big", monday)
    const dir = join(folder, "arrived")
    const hear: Array<(signal: Signal) => void> = []
    let said = ""
    let toldPort: (port: number) => void = () => undefined
    const port = new Promise<number>((resolve) => (toldPort = resolve))
    const serving = Dwcp.serve(
      { listen: "127.0.0.1:0", dir, base: undefined, cert: undefined, key: undefined, json: true },
      {
        ...thisProcess(),
        env: {},
        stderr: { isTerminal: false, write: () => undefined },
        stdout: {
          isTerminal: false,
          write: (text) => {
            if (said === "") toldPort(JSON.parse(text).port)
            said += text
          }
        },
        onSignal: (listener) => Effect.sync(() => void hear.push(listener))
      }
    )
    const plain = { base: undefined, ca: undefined, json: true }
    const to = `127.0.0.1:${await port}`
    const sent = await run(Dwcp.send, { ...plain, input, to, streams: "2", congestion: "auto" })
    assert.strictEqual(sent.exit, 0, sent.err)
    assert.include(JSON.parse(sent.out), { bytes: monday.length, resumedBytes: 0 })
    assert.include(sent.err, "Not encrypted")
    assert.isTrue(readFileSync(join(dir, "big")).equals(monday))
    const probed = await run(Dwcp.probe, { ...plain, to })
    assert.isString(JSON.parse(probed.out).mode)
    for (const listener of hear) listener("SIGTERM")
    assert.strictEqual(await serving, 0)
    assert.include(said, '"name":"big"')
    const wrong = await run(Dwcp.send, {
      ...plain,
      json: false,
      input,
      to: "nowhere",
      streams: "auto",
      congestion: "auto"
    })
    assert.strictEqual(wrong.exit, 64)
    assert.include(wrong.err, "NVC-4107")
  })

  it("sends only what differs from a base, between programs, over TLS", async () => {
    const at = (...parts: ReadonlyArray<string>) => join(folder, ...parts)
    const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    const given = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    execFileSync("openssl", [...made, ...given, "-keyout", at("k.pem"), "-out", at("c.pem")], { stdio: "ignore" })
    const [base, input, dir] = [file("before.img", monday), file("after.img", tuesday), at("images")]
    mkdirSync(dir)
    writeFileSync(join(dir, "another name"), monday)
    const main = join(import.meta.dirname, "../../src/main.ts")
    const secret = ["--cert", at("c.pem"), "--key", at("k.pem")]
    const serving = spawn(process.execPath, [
      main,
      "dwcp",
      "serve",
      "--listen",
      "localhost:0",
      "--dir",
      dir,
      ...secret,
      "--json"
    ])
    const lines = createInterface({ input: serving.stdout })[Symbol.asyncIterator]()
    const line = async () => JSON.parse(String((await lines.next()).value))
    try {
      const { port } = await line()
      const send = async (...more: ReadonlyArray<string>) => {
        const args = [main, "dwcp", "send", input, `localhost:${port}`, "--ca", at("c.pem"), "--json", ...more]
        const { stderr, stdout } = await promisify(execFile)(process.execPath, args)
        return { sent: JSON.parse(stdout), stderr }
      }
      const hash = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex")
      const { sent, stderr } = await send("--base", base)
      assert.strictEqual(stderr, "")
      assert.include(sent, { bytes: tuesday.length, base: hash(monday), sha256: hash(tuesday), fallback: null })
      assert.isAbove(sent.ratio, 100)
      assert.isTrue(readFileSync(join(dir, "after.img")).equals(tuesday))
      assert.include(await line(), { name: "after.img", size: tuesday.length, hash: hash(tuesday) })
      // A base that the other side has not: it says so, and sends all of it.
      rmSync(join(dir, "another name"))
      const other = await send("--base", base)
      assert.match(other.stderr, /NVC-4103 .*has not the file.*All of the file is sent/)
      assert.include(other.sent, { base: null, ratio: 1, sha256: hash(tuesday) })
      assert.include(await line(), { name: "after.img", hash: hash(tuesday) })
    } finally {
      const over = once(serving, "exit")
      serving.kill("SIGTERM")
      assert.deepStrictEqual(await over, [0, null])
    }
    const args = { input, to: "localhost:9", base: at("no base"), streams: "auto", congestion: "auto" }
    const missing = await run(Dwcp.send, { ...args, ca: undefined, json: false })
    assert.strictEqual(missing.exit, 65)
    assert.include(missing.err, "no base is not there")
  }, 60_000)

  it("takes no half of TLS, and no number of streams that is none", async () => {
    const input = file("small", "x")
    const common = { base: undefined, json: false }
    const half = { ...common, cert: input, key: undefined, listen: "127.0.0.1:0", dir: join(folder, "never") }
    const many = { ...common, ca: undefined, input, to: "127.0.0.1:9", streams: "many", congestion: "auto" }
    for (const { err, exit } of [await run(Dwcp.serve, half), await run(Dwcp.send, many)]) {
      assert.strictEqual(exit, 64, err)
      assert.include(err, "NVC-4107")
      assert.include(err, "Nothing was opened")
    }
  })
})
