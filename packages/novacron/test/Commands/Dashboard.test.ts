import { Effect } from "effect"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import * as Dashboard from "../../src/Commands/Dashboard.ts"
import * as ControlSocket from "../../src/ControlSocket.ts"
import { Room } from "../fixtures/Room.ts"

let room: Room
beforeEach(() => {
  room = new Room()
})
afterEach(() => room.remove())

const flags = () => ({ set: {}, json: false, dataDir: room.directory, port: 0 })

const whileUp = (
  answer: ControlSocket.Refused | object,
  use: () => Promise<void>,
  hear: (request: ControlSocket.Request) => void = () => undefined
) =>
  Effect.runPromise(
    Effect.scoped(
      Effect.andThen(
        ControlSocket.serve({
          path: ControlSocket.pathOf(room.directory),
          answer: (request) => {
            hear(request)
            return answer instanceof ControlSocket.Refused ? Effect.fail(answer) : Effect.succeed(answer)
          }
        }),
        Effect.promise(use)
      )
    )
  )

describe("novacron dashboard", () => {
  it("prints the address that the node gives, alone on stdout", () =>
    whileUp({ url: "http://127.0.0.1:9092/#token=t", forMs: 120_000 }, async () => {
      const { code, err, out } = await room.run(Dashboard.dashboard, flags())
      assert.deepStrictEqual([code, out], [0, "http://127.0.0.1:9092/#token=t\n"])
      assert.include(err, "once, within two minutes")
      const json = await room.run(Dashboard.dashboard, { ...flags(), json: true })
      assert.deepStrictEqual(JSON.parse(json.out), { url: "http://127.0.0.1:9092/#token=t", forMs: 120_000 })
    }))

  it("asks for a link for whom it is told, and for nobody in particular otherwise", async () => {
    const heard: Array<ControlSocket.Request> = []
    const use = async () => {
      await room.run(Dashboard.dashboard, flags())
      await room.run(Dashboard.dashboard, { ...flags(), role: "viewer", name: "ada" })
      const { code } = await room.run(Dashboard.dashboard, { ...flags(), name: "x".repeat(65) })
      assert.notStrictEqual(code, 0)
    }
    await whileUp({ url: "http://127.0.0.1:9092/#token=t", forMs: 120_000 }, use, (request) => heard.push(request))
    assert.deepStrictEqual(heard, [{ _tag: "Dashboard" }, { _tag: "Dashboard", role: "viewer", name: "ada" }])
  })

  it("says what the node says when it has none", () =>
    whileUp(new ControlSocket.Refused({ reason: "This node serves no dashboard." }), async () => {
      const { code, err } = await room.run(Dashboard.dashboard, flags())
      assert.strictEqual(code, 69)
      assert.include(err, "This node serves no dashboard.")
    }))

  it("exits 65 for whom there can be no address, as api-token does for whom there can be no token", () =>
    whileUp(new ControlSocket.Refused({ reason: 'There is no role "boss".', exitCode: 65 }), async () => {
      const { code, err } = await room.run(Dashboard.dashboard, { ...flags(), role: "boss" })
      assert.include(err, 'There is no role "boss".')
      assert.strictEqual(code, 65)
    }))

  it("says where there is neither a node nor a journal", async () => {
    const { code, err } = await room.run(Dashboard.dashboard, flags())
    assert.strictEqual(code, 69)
    assert.include(err, "There are no journals")
  })
})
