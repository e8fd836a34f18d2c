/**
 * Settings in stores: a real etcd, and Consul by its published HTTP interface. No real Consul can run here; what stands for
 * it answers as its documentation says: raw values, `X-Consul-Index`, blocking queries, tokens.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { Deferred, Effect, Exit, Queue, Stream } from "effect"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { freePort } from "../../../test/fixtures/Ports.ts"
import { Config, Reload, Remote } from "../src/index.ts"
import { shop } from "./fixtures/shop.ts"

const run = <A, E>(effect: Effect.Effect<A, E, NodeServices.NodeServices>) =>
  Effect.runPromise(Effect.provide(effect, NodeServices.layer))

/** A store for tests: settings can be put there by other means than ours. */
interface Store {
  readonly at: (key: string) => string
  readonly put: (key: string, value: string | Buffer) => void
}

const first = "system: { log_level: info, ratio: 0.25 }"
const second = "system: { log_level: debug, ratio: 0.25 }"

/** What every store does. */
const contract = (store: () => Store) => {
  it("gives settings, which say where they come from", async () => {
    const { at, put } = store()
    put("shop/one.yaml", first)
    const loaded = await run(Config.load(shop, { file: at("shop/one.yaml") }))
    assert.strictEqual(loaded.settings.system.logLevel, "info")
    const [found] = loaded.explain("system.log_level")
    assert.strictEqual(found?.sources[0].place, `${Remote.shown(at("shop/one.yaml"))}:1:22`)
  })

  it("says what is wrong with them, with line and column, and no password", async () => {
    const { at, put } = store()
    put("shop/wrong.yaml", "system:\n  log_level: loud\n")
    const error = await run(Effect.flip(Config.load(shop, { file: at("shop/wrong.yaml") })))
    assert.include(error.message, `${Remote.shown(at("shop/wrong.yaml"))}:2:14`)
    assert.notInclude(error.message, "swordfish")
  })

  it("says that there is no such key", async () => {
    const error = await run(Effect.flip(Config.load(shop, { file: store().at("shop/none.yaml") })))
    assert.include(error.message, "There is no such key")
    assert.strictEqual(error.code, "NVC-1001")
  })

  it("does not take more than a mebibyte", async () => {
    const { at, put } = store()
    put("shop/large.yaml", `# ${"x".repeat(1_100_000)}\n`)
    const error = await run(Effect.flip(Remote.read(at("shop/large.yaml"))))
    assert.include(error.message, "has more than 1048576 bytes")
  })

  it("has settings whose signature is checked, as openssl makes it", async () => {
    const { at, put } = store()
    const folder = mkdtempSync(join(tmpdir(), "novacron-remote-"))
    const [key, open, text, signature] = ["key.pem", "open.pem", "text", "sig"].map((name) => join(folder, name))
    const openssl = (...args: ReadonlyArray<string>) => execFileSync("openssl", args, { stdio: "pipe" })
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key!)
    openssl("pkey", "-in", key!, "-pubout", "-out", open!)
    execFileSync("tee", [text!], { input: first, stdio: ["pipe", "ignore", "ignore"] })
    openssl("dgst", "-sha256", "-sign", key!, "-out", signature!, text!)
    put("shop/signed.yaml", first)
    put("shop/signed.yaml.sig", execFileSync("cat", [signature!]))
    const options = { file: at("shop/signed.yaml"), signature: { policy: "require" as const, publicKeys: [open!] } }
    assert.strictEqual((await run(Config.load(shop, options))).settings.system.logLevel, "info")
    put("shop/signed.yaml", second)
    assert.strictEqual((await run(Effect.flip(Config.load(shop, options)))).code, "NVC-1012")
    rmSync(folder, { recursive: true })
  })

  it("tells of changes, and a reload takes them", async () => {
    const { at, put } = store()
    put("shop/hot.yaml", first)
    const file = at("shop/hot.yaml")
    await run(
      Effect.gen(function* () {
        const loaded = yield* Config.load(shop, { file })
        const made = yield* Reload.make(shop, loaded, { file })
        const outcomes = yield* Queue.unbounded<Exit.Exit<Reload.Change, Reload.ReloadRejected>>()
        const listening = yield* Deferred.make<void>()
        const onReady = () => Deferred.doneUnsafe(listening, Effect.void)
        yield* Reload.watch(made, file, (outcome) => Effect.asVoid(Queue.offer(outcomes, outcome)), { onReady }).pipe(
          Effect.forkScoped
        )
        yield* Deferred.await(listening)
        const next = Stream.fromQueue(outcomes).pipe(
          Stream.filter((outcome) => Exit.isFailure(outcome) || outcome.value.differences.length > 0),
          Stream.runHead
        )
        put("shop/hot.yaml", second)
        const told = yield* next
        assert.isTrue(told._tag === "Some" && Exit.isSuccess(told.value))
        put("shop/hot.yaml", "system: { log_level: debug, max_concurrency: 3 }")
        const refused = yield* next
        assert.isTrue(refused._tag === "Some" && Exit.isFailure(refused.value))
      }).pipe(Effect.scoped)
    )
  }, 30_000)
}

describe("a place of settings", () => {
  it("is told from a path", () => {
    for (const place of ["etcd://a/b", "etcds://a/b", "consul://a/b", "consuls://a/b"]) {
      assert.isTrue(Remote.isRemote(place), place)
    }
    for (const path of ["novacron.yaml", "/etc/consul://a", "https://a/b", "c:\\a"]) {
      assert.isFalse(Remote.isRemote(path), path)
    }
  })

  it.each([
    ["etcd://10.0.0.1:2379/a", "Without TLS only this machine is asked"],
    ["consul://example.org/a", "Without TLS only this machine is asked"],
    ["etcds://10.0.0.1:2379/", "It names no key"],
    ["etcds://[/a", "no address"],
    ["etcds://me:sword%zzfish@10.0.0.1:2379/a", "A % in it is not followed by two hexadecimal digits"]
  ])("%s is refused before anybody is asked", async (place, why) => {
    const { message } = await run(Effect.flip(Remote.read(place)))
    assert.include(message, why)
    assert.notInclude(message, "sword")
  })

  it("shows neither user nor password", () => {
    assert.strictEqual(Remote.shown("etcds://me:swordfish@h:1/a@b"), "etcds://h:1/a@b")
  })

  it.each(["etcd", "consul"])("where nobody answers says so, and that another try may go better: %s", async (kind) => {
    const file = `${kind}://127.0.0.1:${await freePort()}/a`
    const error = await run(Effect.flip(Config.load(shop, { file })))
    assert.include(error.message, "The store does not answer (ECONNREFUSED)")
    assert.deepInclude(error, { code: "NVC-1019", exitCode: 69 })
  })

  it("that says that the fault is its own may answer later; one that refuses us will not", async () => {
    for (const [status, code, exitCode] of [
      [503, "NVC-1019", 69],
      [403, "NVC-1001", 77],
      [404, "NVC-1001", 78]
    ] as const) {
      const server = createServer((_, response) => response.writeHead(status).end())
      const port = await freePort()
      await new Promise<void>((resume) => server.listen(port, "127.0.0.1", resume))
      const error = await run(Effect.flip(Config.load(shop, { file: `consul://127.0.0.1:${port}/a` })))
      server.close()
      assert.deepInclude(error, { code, exitCode }, `${status} ${error.message}`)
    }
  })

  it("that falls silent before the signature is asked again, and no signature is missed", async () => {
    for (const [status, code, exitCode] of [
      [503, "NVC-1019", 69],
      [403, "NVC-1012", 77],
      [404, "NVC-1012", 65]
    ] as const) {
      const server = createServer(({ url }, response) => {
        if (url?.includes(".sig") === true) response.writeHead(status).end()
        else response.end(first)
      })
      const port = await freePort()
      await new Promise<void>((resume) => server.listen(port, "127.0.0.1", resume))
      const file = `consul://127.0.0.1:${port}/a`
      const judged = (policy: "require" | "warn") =>
        Config.load(shop, { file, signature: { policy, publicKeys: [import.meta.filename] } })
      const error = await run(Effect.flip(judged("require")))
      const { warnings } = await run(judged("warn"))
      server.close()
      assert.deepInclude(error, { code, exitCode }, `${status} ${error.message}`)
      assert.include(error.message, `127.0.0.1:${port}/a.sig cannot be read.`)
      assert.deepStrictEqual(
        warnings.map((one) => one.code),
        [code]
      )
    }
  })
})

describe.skipIf(spawnSync("etcd", ["--version"]).status !== 0)("etcd", () => {
  let etcd: ChildProcess
  let port = 0
  const directory = mkdtempSync(join(tmpdir(), "novacron-etcd-"))
  const url = () => `http://127.0.0.1:${port}`
  beforeAll(async () => {
    port = await freePort()
    const peer = `http://127.0.0.1:${await freePort()}`
    const peers = ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", `a=${peer}`]
    const clients = ["--listen-client-urls", url(), "--advertise-client-urls", url()]
    etcd = spawn("etcd", ["--name", "a", "--data-dir", directory, ...peers, ...clients], { stdio: "ignore" })
    for (let attempt = 0; attempt < 300; attempt++) {
      const isUp = await fetch(`${url()}/health`).then(
        ({ ok }) => ok,
        () => false
      )
      if (isUp) return
      await new Promise((resume) => setTimeout(resume, 100))
    }
    throw new Error("etcd did not come up")
  }, 40_000)
  afterAll(async () => {
    const over = new Promise((resume) => etcd.once("exit", resume))
    etcd.kill("SIGKILL")
    await over
    rmSync(directory, { recursive: true, force: true })
  })

  const curl = (args: ReadonlyArray<string>, input?: string | Buffer) =>
    execFileSync("curl", ["-sf", ...args], { input, stdio: ["pipe", "pipe", "ignore"] })
  contract(() => ({
    at: (key) => `etcd://127.0.0.1:${port}/${key}`,
    put: (key, value) => {
      const content = { key: Buffer.from(key).toString("base64"), value: Buffer.from(value).toString("base64") }
      curl([`${url()}/v3/kv/put`, "-d", "@-"], JSON.stringify(content))
    }
  }))
})

describe("Consul, by its contract", () => {
  const values = new Map<string, Buffer>()
  const waiting = new Set<() => void>()
  let index = 7
  let server: Server
  let port = 0

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const url = new URL(request.url ?? "", "http://consul")
    if (request.headers["x-consul-token"] !== "swordfish") return void response.writeHead(403).end()
    if (Number(url.searchParams.get("index") ?? 0) >= index) {
      waiting.add(() => answer(request, response))
      return
    }
    const value = values.get(decodeURIComponent(url.pathname.replace("/v1/kv/", "")))
    if (value === undefined) return void response.writeHead(404, { "x-consul-index": `${index}` }).end()
    response.writeHead(200, { "x-consul-index": `${index}` }).end(value)
  }

  beforeAll(async () => {
    server = createServer(answer)
    await new Promise<void>((resume) => server.listen(0, "127.0.0.1", resume))
    port = (server.address() as AddressInfo).port // of TCP
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  const put = (key: string, value: string | Buffer) => {
    values.set(key, Buffer.from(value))
    index++
    const all = Array.from(waiting)
    waiting.clear()
    for (const one of all) one()
  }
  contract(() => ({ at: (key) => `consul://any:swordfish@127.0.0.1:${port}/${key}`, put }))

  it("refuses a wrong token, and it is not shown", async () => {
    const error = await run(Effect.flip(Remote.read(`consul://any:herring@127.0.0.1:${port}/a`)))
    assert.include(error.message, "refuses this user")
    assert.notInclude(JSON.stringify(error) + error.message, "herring")
  })
})
