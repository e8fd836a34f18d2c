/**
 * A cluster of three real nodes with one database, and a dashboard of it, as a process. For the tests of the pages, which
 * start it by its path: `cluster.ts SITE` tells its parent `{ url, link }`; on `kill` one of the nodes dies, on `stop` all
 * ends. Three tasks keep apart, one on each node; a fourth wants to and cannot.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { Report } from "@novacron/boot/model"
import { DateTime, Deferred, Effect, Schema } from "effect"
import * as Dashboard from "../../src/operator/Dashboard.ts"
import { Settings } from "../../src/operator/Settings.ts"
import { Settings as SecuritySettings } from "../../src/security/Settings.ts"
import { client, nodes, shell, until } from "../orchestration/fixtures/nodes.ts"
import * as Server from "../orchestration/fixtures/server.ts"

const [site = ""] = process.argv.slice(2)
const server = await Server.start()
const dataDir = mkdtempSync(join(tmpdir(), "novacron-cluster-"))

const program = Effect.gen(function* () {
  const settings = { capacity: { cpu: 4, memory: "4 GiB" }, labels: { disk: "ssd" }, region: "eu-north" }
  const all = yield* nodes(server.url, ["east", "south", "west"], settings)
  const work = yield* client(server.url)
  const apart = { group: "web", constraints: { antiAffinity: ["web"] }, demand: { cpu: 1.5, memory: 512 } }
  for (const name of ["web-1", "web-2", "web-3"]) {
    const { id } = yield* work.submit(shell("while :; do echo serving; sleep 1; done", { name, ...apart }), "ada")
    yield* until(work, id, ({ state }) => state === "running")
  }
  const { id } = yield* work.submit(shell("true", { name: "web-4", ...apart }), "ada")
  yield* until(work, id, ({ placement }) => placement !== null)

  const no = Effect.fail({ message: "There is no boot here." })
  const report = Report.fromEvents([])
  const dashboard = yield* Dashboard.make({
    settings: Schema.decodeUnknownSync(Settings)({ port: 0 }),
    roles: Schema.decodeUnknownSync(SecuritySettings)({}).roles,
    dataDir,
    site,
    sources: {
      orchestration: Effect.succeedSome(work),
      security: Effect.succeedNone,
      node: Effect.succeed({
        program: "novacron",
        version: "0",
        pid: process.pid,
        mode: "live",
        health: "",
        isStopping: false
      }),
      report: () => report,
      health: Effect.map(DateTime.now, (at) => ({ status: "unknown" as const, at, components: [] })),
      impact: () => no,
      restore: () => no,
      boots: () => no,
      boot: () => no,
      difference: () => no,
      settings: Effect.succeed([])
    }
  })
  const told = Deferred.makeUnsafe<void>()
  process.on("message", (message) => {
    if (message === "kill") Effect.runFork(all[2]?.kill("SIGKILL") ?? Effect.void)
    if (message === "stop") Deferred.doneUnsafe(told, Effect.void)
  })
  process.on("disconnect", () => Deferred.doneUnsafe(told, Effect.void))
  process.send?.({ url: dashboard.url, link: (yield* dashboard.link({ role: "operator" })).url })
  yield* Deferred.await(told)
})

try {
  await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer)))
} finally {
  await server.stop()
  rmSync(dataDir, { recursive: true, force: true })
}
if (process.connected) process.disconnect()
