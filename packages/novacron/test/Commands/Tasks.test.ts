import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { hostname, tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { Tasks as Words } from "@novacron/api"
import { Component } from "@novacron/boot"
import { Api, Database, Orchestration, Security } from "@novacron/components"
import { Context, DateTime, Effect, Exit, Layer, Option, PubSub, Schema, Scope, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as Tasks from "../../src/Commands/Tasks.ts"
import { type Surroundings, thisProcess } from "../../src/Surroundings.ts"

const dataDir = mkdtempSync(join(tmpdir(), "novacron-tasks-"))
const scope = Scope.makeUnsafe()
const at = DateTime.formatIso(DateTime.makeUnsafe(0))

const placement = { node: "node-1", explanation: "most room", considered: 1, feasible: 1 }

/** Every task succeeds when it is looked at a second time, and has printed two lines. */
const orchestration = (): Orchestration.Orchestration["Service"] => {
  const tasks = new Map<string, Words.Task>()
  const find = (id: string) => {
    const task = tasks.get(id)
    return task === undefined ? Effect.fail(new Orchestration.NoSuchTask({ task: id })) : Effect.succeed(task)
  }
  const change = (id: string, state: Words.State) =>
    Effect.map(find(id), (task) => {
      const next = Words.ends.has(task.state) ? task : { ...task, state, placement, version: task.version + 1 }
      tasks.set(id, next)
      return next
    })
  return {
    submit: (submission, by) =>
      Effect.sync(() => {
        const id = `task-${tasks.size + 1}`
        const { name } = submission
        const task: Words.Task = {
          id,
          name,
          submission,
          group: submission.group ?? null,
          state: "queued",
          version: 1,
          submittedBy: by,
          createdAt: at,
          updatedAt: at,
          attempts: [],
          placement: null
        }
        tasks.set(id, task)
        return task
      }),
    get: (id) =>
      Effect.flatMap(find(id), (task) => Effect.as(change(id, task.name === "fails" ? "failed" : "succeeded"), task)),
    list: ({ cursor, group, limit, states }) =>
      Effect.sync(() => {
        const all = [...tasks.values()]
          .filter((task) => states === undefined || states.includes(task.state))
          .filter((task) => group === undefined || task.group === group)
        const from = Number(cursor ?? 0)
        const page = all.slice(from, from + limit)
        const isLast = from + limit >= all.length
        return { tasks: page, next: isLast ? Option.none() : Option.some(String(from + limit)) }
      }),
    cancel: (id) => change(id, "cancelled"),
    output: (id, { offset }) =>
      Stream.unwrap(
        Effect.map(find(id), () =>
          Stream.fromIterable<Words.Output>(
            [
              { task: id, offset: 0, stream: "stdout" as const, text: "to stdout\n" },
              { task: id, offset: 10, stream: "stderr" as const, text: "to stderr\n" }
            ].filter((piece) => piece.offset >= offset)
          )
        )
      ),
    changes: Stream.fromPubSub(Effect.runSync(PubSub.unbounded<Words.Task>())),
    nodes: Effect.succeed([
      {
        id: "node-1",
        address: "127.0.0.1:9090",
        state: "up",
        isCoordinator: true,
        region: null,
        labels: {},
        capacity: { cpu: 4, memory: 8_192 },
        used: { cpu: 1, memory: 512 },
        tasks: 1,
        version: "0.1.0",
        seenAt: at
      }
    ]),
    check: Effect.succeed({ detail: "in memory", degraded: false })
  }
}

beforeAll(async () => {
  const settings = Schema.decodeUnknownSync(Api.Settings)({
    port: 0,
    grpc: { enabled: false },
    tokens: { store: "file" }
  })
  const view = Api.NodeView.make({ nodeId: "node-1", version: "0.1.0" })
  const security = Security.component(Schema.decodeUnknownSync(Security.Settings)({}), {
    dataDir,
    nodeId: "node-1",
    environment: {}
  })
  const api = Api.component(settings, { dataDir, view }).layer.pipe(
    Layer.provide(security.layer),
    Layer.provide(Layer.mergeAll(NodeServices.layer, FetchHttpClient.layer))
  )
  await Effect.runPromise(
    Layer.buildWithScope(api, scope).pipe(
      Effect.provideService(Component.late(Orchestration.Orchestration), Effect.succeedSome(orchestration())),
      Effect.provideService(Component.late(Database.Database), Effect.succeedNone),
      Effect.map((context) => Context.get(context, Api.Api))
    )
  )
})

afterAll(async () => {
  await Effect.runPromise(Scope.close(scope, Exit.void))
  rmSync(dataDir, { recursive: true, force: true })
})

interface Said {
  readonly exit: number
  readonly out: string
  readonly err: string
}

/** Listens to the streams of the process once. */
const here = thisProcess()

const common = { config: undefined, dataDir, template: undefined, set: {}, url: undefined, ca: undefined, json: false }

const nothing = {
  file: undefined,
  command: [],
  name: undefined,
  group: undefined,
  cpu: undefined,
  memory: undefined,
  attempts: undefined,
  timeout: undefined,
  node: undefined,
  labels: {},
  env: {},
  key: undefined,
  wait: false
}

const listing = { ...common, state: undefined, group: undefined, node: undefined, limit: 50, cursor: undefined }

/** Runs a command, and gives what it said and left with. */
const run = async <Flags>(
  command: (flags: Flags, surroundings: Surroundings["Service"]) => Promise<number>,
  flags: Flags,
  env: { readonly [name: string]: string } = {}
): Promise<Said> => {
  const [out, err]: [Array<string>, Array<string>] = [[], []]
  const to = (all: Array<string>) => ({ isTerminal: false, write: (text: string) => void all.push(text) })
  const exit = await command(flags, { ...here, env, stdout: to(out), stderr: to(err) })
  return { exit, out: out.join(""), err: err.join("") }
}

describe("novacron tasks", () => {
  it("finds the API by a file that only the user of the node may read", async () => {
    assert.strictEqual(statSync(join(dataDir, "api/local.json")).mode & 0o777, 0o600)
    const { exit, out } = await run(Tasks.nodes, common)
    assert.strictEqual(exit, 0)
    assert.match(out, /^NODE +STATE[^]*node-1 \* +up +1\/4 +512\/8192 MiB +1/)
  })

  it("submits a command with what it needs", async () => {
    const { exit, out, err } = await run(Tasks.submit, {
      ...common,
      ...nothing,
      json: true,
      command: ["/usr/bin/env", "-i"],
      cpu: 2,
      labels: { disk: "ssd" },
      env: { TZ: "UTC" }
    })
    assert.strictEqual(exit, 0, err)
    assert.containSubset(JSON.parse(out), {
      name: "env",
      submission: {
        run: { command: ["/usr/bin/env", "-i"], env: { TZ: "UTC" } },
        demand: { cpu: 2, memory: 0 },
        constraints: { labels: { disk: "ssd" } }
      },
      submittedBy: "local"
    })
  })

  it("waits for the end, tells how it goes, and leaves with 69 unless it is a success", async () => {
    const good = await run(Tasks.submit, { ...common, ...nothing, command: ["true"], wait: true })
    assert.strictEqual(good.exit, 0, good.err)
    // Where it was before it is queued again is not where it is.
    assert.match(good.err, /^\S+ queued\n\S+ succeeded on node-1\n$/)
    const bad = await run(Tasks.submit, { ...common, ...nothing, command: ["false"], name: "fails", wait: true })
    assert.strictEqual(bad.exit, 69)
    assert.include(bad.out, "failed")
  })

  it("submits a file as the API takes it, and nothing that it would not take", async () => {
    const file = join(dataDir, "task.json")
    writeFileSync(file, JSON.stringify({ name: "from-a-file", run: { driver: "process", command: ["true"] } }))
    const { out } = await run(Tasks.submit, { ...common, ...nothing, file })
    assert.match(out, /^task-\d+ queued\n$/)
    writeFileSync(file, JSON.stringify({ name: "no name!" }))
    const bad = await run(Tasks.submit, { ...common, ...nothing, file })
    assert.strictEqual(bad.exit, 65)
    assert.include(bad.err, "NVC-2806")
    const neither = await run(Tasks.submit, { ...common, ...nothing })
    assert.strictEqual(neither.exit, 64)
    assert.match(neither.err, /-- COMMAND, or --file FILE/)
    const both = await run(Tasks.submit, { ...common, ...nothing, file, command: ["true"] })
    assert.strictEqual(both.exit, 64)
    const named = await run(Tasks.submit, { ...common, ...nothing, command: ["true"], name: "no name!" })
    assert.strictEqual(named.exit, 64)
    const nowhere = await run(Tasks.submit, { ...common, ...nothing, file: "/nowhere" })
    assert.strictEqual(nowhere.exit, 65)
    assert.match(nowhere.err, /\/nowhere cannot be read\.[^]*reason +ENOENT/)
  })

  it("submits no file that says something nobody would heed, or that flags contradict", async () => {
    const count = async () => JSON.parse((await run(Tasks.list, { ...listing, json: true })).out).tasks.length
    const before = await count()
    const file = join(dataDir, "misspelt.json")
    const good = { name: "misspelt", run: { driver: "process", command: ["true"] } }
    writeFileSync(file, JSON.stringify({ ...good, timeoutMS: 1_000 }))
    const misspelt = await run(Tasks.submit, { ...common, ...nothing, file })
    assert.strictEqual(misspelt.exit, 65)
    assert.include(misspelt.err, "timeoutMS")
    writeFileSync(file, JSON.stringify(good))
    const beside = await run(Tasks.submit, { ...common, ...nothing, file, cpu: 2, env: { TZ: "UTC" } })
    assert.strictEqual(beside.exit, 64)
    assert.match(beside.err, /misspelt\.json is the whole submission:\s+what --cpu\s+and --env/)
    assert.strictEqual(await count(), before)
  })

  it.each([
    ["--timeout", "-1", "a number from 0.001 to 2592000"],
    ["--cpu", "-1", "a number from 0 to 4096"],
    ["--attempts", "99", "a whole number from 1 to 20"]
  ])(
    "names the flag that says what cannot be: %s %s",
    (flag, given, allowed) => {
      const main = join(import.meta.dirname, "../../src/main.ts")
      const args = [main, "tasks", "submit", flag, given, "--data-dir", dataDir, "--", "true"]
      const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" })
      assert.include(stderr, `Invalid value for flag ${flag}: "${given}". Expected: ${allowed}`)
      assert.strictEqual(status, 64)
    },
    60_000
  )

  it("lists page after page, and says what it cannot be asked", async () => {
    for (const name of ["one", "two", "three"])
      await run(Tasks.submit, { ...common, ...nothing, command: [name], group: "pages" })
    const first = await run(Tasks.list, { ...listing, group: "pages", limit: 2 })
    const [, cursor] = /There are more, with the same flags and --cursor (\S+)\.\n$/.exec(first.out) ?? []
    const second = await run(Tasks.list, { ...listing, group: "pages", limit: 2, cursor })
    assert.match(first.out, / one [^]* two /)
    assert.match(second.out, / three /)
    assert.notMatch(second.out, / two |There are more/)
    const none = await run(Tasks.list, { ...listing, limit: 0 })
    assert.strictEqual(none.exit, 65)
    assert.match(none.err, /NVC-2811[^]*between 1 and 1000/)
  })

  it("lists, shows and cancels", async () => {
    const { out } = await run(Tasks.submit, { ...common, ...nothing, command: ["sleep", "9"] })
    const id = out.split(" ")[0] ?? ""
    const list = await run(Tasks.list, listing)
    assert.match(list.out, new RegExp(`${id} +sleep +queued +0`))
    const cancelled = await run(Tasks.cancel, { ...common, id })
    assert.strictEqual(cancelled.out, `${id} cancelled\n`)
    const shown = await run(Tasks.show, { ...common, id })
    assert.match(shown.out, /cancelled · by local[^]*sleep 9[^]*node-1: most room/)
  })

  it("submits a virtual machine from a file, and shows what it is", async () => {
    const file = join(dataDir, "machine.json")
    const disks = [
      { path: "/srv/root.qcow2", format: "qcow2" },
      { path: "/srv/tools.img", format: "raw", readOnly: true }
    ]
    const machine = { driver: "vm", kernel: "/srv/vmlinuz", commandLine: "root=/dev/vda", disks }
    const submit = (given: object) => {
      writeFileSync(file, JSON.stringify(given))
      return run(Tasks.submit, { ...common, ...nothing, file })
    }
    const { out } = await submit({ name: "guest", run: machine, demand: { cpu: 2, memory: 512 } })
    const { out: shown } = await run(Tasks.show, { ...common, id: out.split(" ")[0] ?? "" })
    assert.include(shown, "a machine of 2 cores and 512 MiB from /srv/vmlinuz root=/dev/vda on ")
    assert.include(shown, " on /srv/root.qcow2 (qcow2), /srv/tools.img (raw, read-only)\n")
    const unsized = await submit({ name: "guest", run: machine })
    assert.strictEqual(unsized.exit, 65)
    assert.include(unsized.err, "the demand of a virtual machine")
  })

  it("prints to stdout and stderr what the task has printed there", async () => {
    const { out } = await run(Tasks.submit, { ...common, ...nothing, command: ["true"] })
    const id = out.split(" ")[0] ?? ""
    const once = await run(Tasks.logs, { ...common, id, follow: false })
    assert.deepStrictEqual(once, { exit: 0, out: "to stdout\n", err: "to stderr\n" })
    const followed = await run(Tasks.logs, { ...common, id, follow: true })
    assert.deepStrictEqual(followed, once)
  })

  it("says what the API says no with, and where no API is", async () => {
    const missing = await run(Tasks.show, { ...common, id: "nothing" })
    assert.strictEqual(missing.exit, 65)
    assert.include(missing.err, "NVC-2814")
    const empty = mkdtempSync(join(tmpdir(), "novacron-none-"))
    const nowhere = await run(Tasks.nodes, { ...common, dataDir: empty })
    assert.strictEqual(nowhere.exit, 69)
    assert.include(nowhere.err, "NVC-2804")
    const silent = await run(Tasks.nodes, { ...common, url: "https://127.0.0.1:1" }, { NOVACRON_API_TOKEN: "x" })
    assert.strictEqual(silent.exit, 69)
    assert.include(silent.err, "NVC-2805")
    rmSync(empty, { recursive: true })
  })

  it("names the variable of the token to whoever shows none, or a wrong one", async () => {
    const { ca, url } = JSON.parse(readFileSync(join(dataDir, "api/local.json"), "utf8"))
    const file = join(dataDir, "its-ca.pem")
    writeFileSync(file, ca)
    for (const env of [{}, { NOVACRON_API_TOKEN: "nvc_swordfish" }]) {
      const { err, exit } = await run(Tasks.nodes, { ...common, url, ca: file }, env)
      assert.strictEqual(exit, 77, err)
      assert.include(err, "This program takes its token from NOVACRON_API_TOKEN.")
      assert.notInclude(err, "swordfish")
    }
  })

  it("asks no API that is not named well, and gives its token to none without TLS", async () => {
    const env = { NOVACRON_API_TOKEN: "nvc_swordfish" }
    let heard = ""
    const plain = createServer((socket) => socket.on("data", (data) => (heard += data.toString()))).listen(0, "0.0.0.0")
    const address = plain.address()
    const port = typeof address === "object" ? address?.port : 0
    for (const url of ["nope", "127.0.0.1:8443", `http://${hostname()}:${port}`, "ftp://127.0.0.1"]) {
      const { err, exit } = await run(Tasks.nodes, { ...common, url }, env)
      assert.strictEqual(exit, 64, url)
      assert.include(err, `--url ${url}: say https://HOST:PORT`)
    }
    plain.close()
    assert.strictEqual(heard, "")
    const elsewhere = await run(Tasks.nodes, { ...common, ca: "/nowhere" }, env)
    assert.strictEqual(elsewhere.exit, 64, "without --url it says nothing")
    const missing = await run(Tasks.nodes, { ...common, url: "https://127.0.0.1:1", ca: "/nowhere" }, env)
    assert.strictEqual(missing.exit, 64)
    assert.match(missing.err, /\/nowhere cannot be read\.[^]*ENOENT/)
  })
})

describe("novacron api-token", () => {
  it("makes a token, shows it once, lists it, and revokes it", async () => {
    const made = await run(Tasks.createToken, { ...common, name: "ci", role: "admin", days: 1 })
    assert.strictEqual(made.exit, 0, made.err)
    assert.match(made.out, /^nvc_[\w-]{43}\n$/)
    const list = await run(Tasks.listTokens, common)
    assert.match(list.out, /ci +admin +local/)
    const [, id = ""] = /^([0-9a-f]{16}) +ci/m.exec(list.out) ?? []
    const revoked = await run(Tasks.revokeToken, { ...common, id })
    assert.strictEqual(revoked.out, `${id} revoked\n`)
    assert.notInclude((await run(Tasks.listTokens, common)).out, "ci ")
    assert.strictEqual((await run(Tasks.revokeToken, { ...common, id })).exit, 65)
  })

  it("makes none for a role that the node does not have", async () => {
    const refused = await run(Tasks.createToken, { ...common, name: "ci", role: "viewer,veiwer", days: 1 })
    assert.strictEqual(refused.exit, 65)
    assert.match(refused.err, /There is no role "veiwer"\. Those of security\.roles are: admin, .*viewer/)
    assert.notInclude((await run(Tasks.listTokens, common)).out, "ci ")
  })
})
