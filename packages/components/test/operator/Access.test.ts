import { assert, describe, it } from "@effect/vitest"
import { Boot } from "@novacron/boot"
import { Context, Effect, FileSystem, Schema } from "effect"
import * as Access from "../../src/operator/Access.ts"
import * as Security from "../../src/security/index.ts"
import { folder, platform, settings } from "../security/fixtures/place.ts"
import { ask, enter, post, scene } from "./Scene.ts"

const { roles } = Schema.decodeUnknownSync(Security.Settings)({})
const guest = (...roles: ReadonlyArray<string>) => ({ name: "ada", by: "token", roles }) as const

/** The service of a node, with its audit log in a folder. */
const security = (dataDir: string) =>
  Effect.map(
    Boot.make([Security.component(settings({}), { dataDir, nodeId: "node-1", environment: {} })]),
    ({ services }) => Context.get(services, Security.Security)
  )

const lines = (dataDir: string) =>
  Effect.map(
    Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(`${dataDir}/security/audit.jsonl`)),
    (text) =>
      text
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
  )

describe("access", () => {
  it("lets a viewer see, an operator act, an admin do all, and a peer nothing", () => {
    const { allowed, may } = Access.make(roles, Effect.succeedNone)
    assert.isTrue(may(guest("viewer"), "status.tasks"))
    for (const action of ["tasks.cancel", "tasks.output", "components.restore"]) {
      assert.isFalse(may(guest("viewer"), action), action)
      assert.isTrue(may(guest("operator"), action), action)
    }
    assert.sameMembers([...allowed(guest("admin"))], [...new Set(Object.values(Access.actions).map(String))])
    assert.deepStrictEqual(allowed(guest("peer")), ["session"])
    assert.deepStrictEqual(allowed(guest("boss", "toString")), ["session"])
  })

  it.live("is asked at every place, and what is refused there is 403 and a line of the audit log", () =>
    Effect.gen(function* () {
      const dataDir = yield* folder
      const its = yield* security(dataDir)
      const { dashboard, restored } = yield* scene({ sources: { security: Effect.succeedSome(its) } })
      const { headers } = yield* enter(dashboard, { name: "eve", role: "peer" })
      const expected: Array<string> = []
      for (const [place, action = ""] of Object.entries(Access.actions)) {
        const [method = "", path = ""] = place.split(" ")
        if (action === "session") continue
        const { status } = yield* Effect.promise(() =>
          method === "POST"
            ? post(dashboard.url, path, { component: "cache", task: "x", confirmed: true }, headers)
            : ask(dashboard.url, path, { headers })
        )
        assert.strictEqual(status, 403, place)
        expected.push(action)
      }
      assert.isAbove(expected.length, 12)
      assert.deepStrictEqual(restored, [])
      const refused = (yield* lines(dataDir)).filter(({ action }) => action === "access.refused")
      assert.deepStrictEqual(
        refused.map(({ principal, subject, success }) => [principal, subject, success]),
        expected.map((action) => ["eve", action, false])
      )
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("writes down who opened the dashboard, who changed what, and who tried in vain", () =>
    Effect.gen(function* () {
      const dataDir = yield* folder
      const its = yield* security(dataDir)
      const { dashboard } = yield* scene({
        sources: {
          security: Effect.succeedSome(its),
          impact: () => Effect.fail({ message: "There is no such component." })
        }
      })
      const { headers } = yield* enter(dashboard, { name: "ada", role: "operator" })
      const restore = (component: string) =>
        Effect.promise(() => post(dashboard.url, "/api/restore", { component, confirmed: true }, headers))
      assert.strictEqual((yield* restore("cache")).status, 200)
      const cancelled = yield* Effect.promise(() =>
        post(dashboard.url, "/api/cancel", { task: "some-task", confirmed: true }, headers)
      )
      assert.deepStrictEqual(
        [cancelled.status, JSON.parse(cancelled.text)],
        [503, { error: "The orchestration is not up here." }]
      )
      const told = (yield* lines(dataDir)).filter(({ principal }) => principal === "ada")
      assert.deepStrictEqual(
        told.map(({ action, subject, success }) => [action, subject, success]),
        [
          ["dashboard.opened", "operator", true],
          ["component.restored", "cache", true],
          ["task.cancelled", "some-task", false]
        ]
      )
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("makes a link for a role that there is, and for no other", () =>
    Effect.gen(function* () {
      const { dashboard } = yield* scene()
      const error = yield* Effect.flip(dashboard.link({ role: "boss" }))
      assert.strictEqual(
        error.message,
        `There is no role "boss". Those of security.roles are: admin, operator, viewer, peer.`
      )
      const { headers } = yield* enter(dashboard, { name: "bo", role: "viewer" })
      const node = JSON.parse((yield* Effect.promise(() => ask(dashboard.url, "/api/node", { headers }))).text)
      assert.deepStrictEqual([node.who.name, node.who.roles], ["bo", ["viewer"]])
      assert.include(node.who.may, "status.tasks")
      assert.notInclude(node.who.may, "tasks.cancel")
    })
  )
})
