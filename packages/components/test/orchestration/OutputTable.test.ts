import { randomUUID } from "node:crypto"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as NodeTable from "../../src/orchestration/NodeTable.ts"
import * as OutputTable from "../../src/orchestration/OutputTable.ts"
import * as TaskTable from "../../src/orchestration/TaskTable.ts"
import { Postgres } from "../database/Postgres.ts"
import { announced, shell, tables } from "./fixtures/nodes.ts"

let server: Postgres
beforeAll(async () => {
  server = await Postgres.start()
})
afterAll(() => server.remove())

/** A task that runs, and a way to print as it. */
const setting = Effect.gen(function* () {
  const { sql } = yield* tables(server.url())
  const [tasks, nodes, outputs] = [TaskTable.make(sql), NodeTable.make(sql), OutputTable.make(sql)]
  const node = announced(`node-${randomUUID()}`)
  yield* nodes.announce(node)
  const id = randomUUID()
  yield* tasks.submit([{ id, by: "ada", submission: shell("true") }])
  yield* tasks.place([{ id, placement: { node: node.id, explanation: "", considered: 1, feasible: 1 } }])
  const [claimed] = yield* tasks.claim(node.id, node.incarnation, 10)
  const piece = (position: number, text: string, stream: "stdout" | "stderr" = "stdout"): OutputTable.Piece => ({
    task: id,
    fence: claimed?.fence ?? "",
    position,
    size: Buffer.byteLength(text),
    stream,
    text
  })
  const texts = (from: number) => Effect.map(outputs.read(id, from), (all) => all.map(({ text }) => text))
  return { id, node, outputs, piece, tasks, texts }
})

describe("OutputTable", () => {
  it.live("keeps pieces in order and finds the ones behind an offset", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { id, outputs, piece, texts } = yield* setting
        yield* outputs.append([piece(0, "one"), piece(3, "zwö\\", "stderr"), piece(8, "three")], [])
        assert.deepStrictEqual(yield* texts(0), ["one", "zwö\\", "three"])
        assert.deepStrictEqual(yield* texts(3), ["zwö\\", "three"])
        assert.deepStrictEqual(yield* texts(7), ["zwö\\", "three"])
        assert.deepStrictEqual(yield* texts(13), [])
        assert.strictEqual(yield* outputs.end(id), 13)
        assert.strictEqual(yield* outputs.end(randomUUID()), 0)
      })
    )
  )

  it.live("takes a piece once, however often it is given", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { outputs, piece, texts } = yield* setting
        yield* Effect.forEach([1, 2, 3], () => outputs.append([piece(0, "one")], []), { concurrency: "unbounded" })
        assert.deepStrictEqual(yield* texts(0), ["one"])
      })
    )
  )

  it.live("cuts the oldest of one stream and leaves the other", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { id, outputs, piece, texts } = yield* setting
        yield* outputs.append([piece(0, "a"), piece(1, "b", "stderr"), piece(2, "c")], [])
        yield* outputs.append([piece(3, "d")], [{ task: id, stream: "stdout", before: 3 }])
        assert.deepStrictEqual(yield* texts(0), ["b", "d"])
      })
    )
  )

  it.live("keeps nothing of a node that was given up", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { node, outputs, piece, tasks, texts } = yield* setting
        yield* outputs.append([piece(0, "before")], [])
        yield* tasks.reclaimFrom(node.id, 10, "It was lost.")
        yield* outputs.append([piece(6, "after")], [])
        assert.deepStrictEqual(yield* texts(0), ["before"])
      })
    )
  )
})
