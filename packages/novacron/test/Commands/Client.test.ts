import type { BootEvent } from "@novacron/boot/model"
import { Effect } from "effect"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import * as Alive from "../../src/Alive.ts"
import * as Answers from "../../src/Answers.ts"
import * as Client from "../../src/Commands/Client.ts"
import * as ControlSocket from "../../src/ControlSocket.ts"
import { Room } from "../fixtures/Room.ts"
import { begun, degraded, stage } from "../fixtures/Stage.ts"

let room: Room
beforeEach(() => {
  room = new Room()
})
afterEach(() => room.remove())

/** Does something while a node answers that is up on a fallback. */
const whileUp = (
  use: () => Promise<void>,
  answer?: (request: ControlSocket.Request) => unknown,
  more: ReadonlyArray<BootEvent.BootEvent> = []
): Promise<void> => {
  const node = Alive.make(stage().surroundings)
  for (const event of [begun, ...degraded, ...more]) node.step(event)
  const served = ControlSocket.serve({
    path: ControlSocket.pathOf(room.directory),
    answer: (request) => (answer === undefined ? Answers.answer(node, request) : Effect.succeed(answer(request)))
  })
  return Effect.runPromise(Effect.scoped(Effect.andThen(served, Effect.promise(use))))
}

const flags = () => ({ set: {}, json: false, dataDir: room.directory })

describe("commands for a node that runs", () => {
  it("show how it is, and exit 75 when it is degraded and that is not good enough", () =>
    whileUp(async () => {
      const { code, out } = await room.run(Client.status, { ...flags(), strict: false })
      assert.strictEqual(code, 0)
      assert.match(out, /^node n · pid 4711 · up .* · 100 MB/)
      assert.match(out, /^READY \(degraded: cache\)/m)
      assert.strictEqual((await room.run(Client.status, { ...flags(), strict: true })).code, 75)
      assert.include((await room.run(Client.why, { ...flags(), component: "cache" })).out, "cache is degraded")
      const json = await room.run(Client.status, { ...flags(), json: true, strict: false })
      assert.strictEqual(JSON.parse(json.out).report.outcome, "degraded")
    }))

  it("that stop it say what it waits for when they are out of patience", () =>
    whileUp(
      async () => {
        const { code, err } = await room.run(Client.stop, { ...flags(), timeout: "300ms" })
        assert.strictEqual(code, 69)
        assert.include(err, "The node (pid 4711) has not stopped within 300 ms. It goes on stopping, and waits for")
        assert.include(err, "waits for cache (stopping). Wait longer (--timeout)")
      },
      undefined,
      [
        { _tag: "RollbackStarted", atMs: 30, why: "stopped", because: "novacron stop", budgetMs: 30_000 },
        { _tag: "ComponentStopping", atMs: 31, component: "cache" }
      ]
    ))

  it("exit 69 when the node says no, with its reason", () =>
    whileUp(async () => {
      const { code, err } = await room.run(Client.restore, { ...flags(), component: "cache", dryRun: false })
      assert.strictEqual(code, 69)
      assert.include(err, "The node is not up yet")
      assert.strictEqual((await room.run(Client.health, flags())).code, 69)
    }))

  it("exit 69 when nobody answers, or something that is no node", async () => {
    for (const command of [Client.health, Client.reload]) {
      const { code, err } = await room.run(command, flags())
      assert.strictEqual(code, 69)
      assert.include(err, "NVC-3007")
    }
    await whileUp(
      async () => {
        const { code, err } = await room.run(Client.stop, { ...flags(), timeout: "5s" })
        assert.strictEqual(code, 69)
        assert.include(err, "Is it another version?")
      },
      () => ({ hello: "there" })
    )
  })
})
