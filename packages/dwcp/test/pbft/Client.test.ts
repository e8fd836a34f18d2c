import { assert, describe, it } from "@effect/vitest"
import * as Client from "../../src/pbft/Client.ts"
import { remembered } from "../../src/pbft/Execution.ts"
import * as Real from "./fixtures/real.ts"

const replicas = Array.from({ length: 4 }, (_, id) => Real.keysOf()(id))
const make = () => Client.make({ replicas: 4, keys: Real.keysOf()(4), firstTimestamp: 10 })
const reply = (id: number, timestamp: number, result = "yes", sequence = 1) =>
  replicas[id]!.sign({ _tag: "Reply", view: 0, client: 4, timestamp, sequence, results: [Buffer.from(result)] })

describe("Client", () => {
  it("believes what f+1 replicas say, and no liar", () => {
    const client = make()
    client.ask([Buffer.from("x")])
    assert.isUndefined(client.receive(reply(0, 10, "no")))
    assert.isUndefined(client.receive(reply(0, 10, "yes")))
    assert.isUndefined(client.receive(reply(1, 10, "yes", 2)))
    assert.isUndefined(client.receive({ ...reply(0, 10, "no"), from: 2 }))
    assert.isUndefined(client.receive(reply(2, 10)))
    assert.deepStrictEqual(client.receive(reply(3, 10)), { timestamp: 10, sequence: 1, results: [Buffer.from("yes")] })
    assert.isUndefined(client.receive(reply(1, 10)))
    assert.strictEqual(client.waiting(), 0)
  })

  it("asks again until it is answered, not at once", () => {
    const client = make()
    const request = client.ask([Buffer.from("x")])
    assert.isEmpty(client.tick())
    assert.deepStrictEqual(client.tick(), [request!])
    client.receive(reply(0, 10))
    client.receive(reply(1, 10))
    assert.isEmpty(client.tick())
  })

  it("has no more on their way than a replica remembers, in rising order", () => {
    const client = make()
    const asked = Array.from({ length: remembered }, () => client.ask([Buffer.from("x")]))
    assert.strictEqual(client.waiting(), remembered / 2)
    assert.strictEqual(asked[1]!.body.timestamp, 11)
    client.receive(reply(0, 11))
    client.receive(reply(1, 11))
    // The oldest one still holds the rest back.
    assert.isUndefined(client.ask([Buffer.from("x")]))
    client.receive(reply(0, 10))
    client.receive(reply(1, 10))
    assert.isDefined(client.ask([Buffer.from("x")]))
  })
})
