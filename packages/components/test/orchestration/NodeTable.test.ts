import { randomUUID } from "node:crypto"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as NodeTable from "../../src/orchestration/NodeTable.ts"
import { Postgres } from "../database/Postgres.ts"
import { announced, tables } from "./fixtures/nodes.ts"

let server: Postgres
beforeAll(async () => {
  server = await Postgres.start()
})
afterAll(() => server.remove())

const patience = 3_600_000

describe("NodeTable", () => {
  it.live("knows nodes as they have announced themselves, and takes none for alive that keeps silent", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const nodes = NodeTable.make((yield* tables(server.url())).sql)
        const node = { ...announced(`node-${randomUUID()}`), region: "eu", labels: { disk: "ssd" } }
        yield* nodes.announce(node)
        const find = (millis: number) =>
          Effect.map(nodes.all(millis), (all) =>
            Option.getOrThrow(Option.fromNullishOr(all.find(({ id }) => id === node.id)))
          )
        const { capacity, labels, region, state } = yield* find(patience)
        assert.deepStrictEqual(
          { capacity, labels, region, state },
          {
            capacity: { cpu: 4, memory: 1_024 },
            labels: { disk: "ssd" },
            region: "eu",
            state: "up"
          }
        )
        assert.strictEqual((yield* find(0)).state, "down")
        const ids = (all: ReadonlyArray<NodeTable.Available>) => all.map(({ id }) => id)
        assert.include(ids(yield* nodes.available(patience)), node.id)
        assert.notInclude(ids(yield* nodes.available(0)), node.id)
        yield* nodes.say(node.id, node.incarnation, "draining")
        assert.notInclude(ids(yield* nodes.available(patience)), node.id)
        assert.strictEqual((yield* find(patience)).state, "draining")
      })
    )
  )

  it.live("knows one coordinator, the last who has said so", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const nodes = NodeTable.make((yield* tables(server.url())).sql)
        const [a, b] = [announced(`node-${randomUUID()}`), announced(`node-${randomUUID()}`)]
        yield* nodes.announce(a)
        yield* nodes.announce(b)
        yield* nodes.coordinate(a.id)
        yield* nodes.coordinate(b.id)
        assert.deepStrictEqual(yield* nodes.coordinator(patience), Option.some(b.id))
        assert.deepStrictEqual(yield* nodes.coordinator(0), Option.none())
        const coordinating = (yield* nodes.all(patience)).filter(({ isCoordinator }) => isCoordinator)
        assert.deepStrictEqual(
          coordinating.map(({ id }) => id),
          [b.id]
        )
      })
    )
  )
})
