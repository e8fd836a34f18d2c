import { randomBytes } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Door from "../../src/operator/Door.ts"

const door = (key = new Uint8Array(randomBytes(32))) => {
  const clock = { nowMs: 1_000_000 }
  return { clock, key, it: Door.make({ key, nowMs: () => clock.nowMs, sessionMs: 60_000 }) }
}

const alice: Door.Guest = { name: "alice", by: "token", roles: ["viewer", "night shift"] }

describe("a door", () => {
  it("exchanges a ticket once, for a session that it knows again, with whose it is", () => {
    const { it: door_ } = door()
    const { token } = door_.ticket(alice)
    const entered = door_.exchange(token)
    assert.deepStrictEqual(entered?.guest, alice)
    assert.deepStrictEqual(door_.guestOf(entered?.session), alice)
    assert.isUndefined(door_.exchange(token))
  })

  it("takes no ticket after two minutes, and no session after its time", () => {
    const { clock, it: door_ } = door()
    const late = door_.ticket(alice)
    clock.nowMs += late.forMs + 1
    assert.isUndefined(door_.exchange(late.token))
    const session = door_.exchange(door_.ticket(alice).token)?.session
    clock.nowMs += 60_000
    assert.isDefined(door_.guestOf(session))
    clock.nowMs += 1
    assert.isUndefined(door_.guestOf(session))
  })

  it("knows the sessions of the process before by the key, and of nobody else", () => {
    const first = door()
    const session = first.it.exchange(first.it.ticket(alice).token)?.session
    assert.isDefined(door(first.key).it.guestOf(session))
    assert.isUndefined(door().it.guestOf(session))
  })

  it("admits no session in which a character is another one", () => {
    const { it: door_ } = door()
    const session = door_.exchange(door_.ticket(alice).token)?.session ?? ""
    assert.isDefined(door_.guestOf(session))
    // The last character holds two bits that say nothing.
    fc.assert(
      fc.property(fc.nat(session.length - 2), fc.stringMatching(/^[\w.-]$/), (at, other) => {
        fc.pre(session[at] !== other)
        return undefined === door_.guestOf(session.slice(0, at) + other + session.slice(at + 1))
      })
    )
    fc.assert(fc.property(fc.string(), (text) => door_.guestOf(text) === undefined))
  })

  it("keeps 64 tickets that nobody takes, and no more", () => {
    const { it: door_ } = door()
    const tickets = Array.from({ length: 65 }, () => door_.ticket(alice).token)
    assert.isUndefined(door_.exchange(tickets[0] ?? ""))
    assert.isDefined(door_.exchange(tickets[1] ?? ""))
    assert.isDefined(door_.exchange(tickets[64] ?? ""))
  })
})

describe("a request", () => {
  it("is for us when it names one of our hosts, with any port", () => {
    const hosts = new Set(["127.0.0.1", "localhost", "::1"])
    for (const good of ["127.0.0.1:9092", "localhost", "LOCALHOST:1", "[::1]:9092"])
      assert.isTrue(Door.isFor(good, hosts))
    for (const bad of [
      undefined,
      "",
      "evil.example",
      "127.0.0.1.evil.example",
      "127.0.0.1:x",
      "localhost:1:2",
      "::1"
    ]) {
      assert.isFalse(Door.isFor(bad, hosts), bad)
    }
  })

  it("comes from ourselves when its origin is where it goes to", () => {
    const host = "127.0.0.1:9092"
    assert.isTrue(Door.isFromOurselves({ host, origin: `http://${host}`, "sec-fetch-site": "same-origin" }))
    assert.isTrue(Door.isFromOurselves({ host, origin: `http://${host}` }))
    for (const origin of [undefined, "null", "http://evil.example", "http://127.0.0.1:9093"]) {
      assert.isFalse(Door.isFromOurselves({ host, origin }), origin)
    }
    assert.isFalse(Door.isFromOurselves({ host, origin: `http://${host}`, "sec-fetch-site": "same-site" }))
  })

  it("has the cookie of this node and not that of another", () => {
    assert.strictEqual(Door.cookieOf("a=1; novacron-9092=x.y; novacron-90=z", "novacron-90"), "z")
    assert.isUndefined(Door.cookieOf("novacron-9092=x", "novacron-9093"))
    assert.isUndefined(Door.cookieOf(undefined, "novacron-9093"))
  })
})

describe("an address", () => {
  it("is this machine's own, or it is not", () => {
    for (const own of ["localhost", "::1", "127.0.0.1", "127.8.9.1"]) assert.isTrue(Door.isLoopback(own), own)
    for (const not of ["0.0.0.0", "::", "10.0.0.1", "127.evil.example", "localhost.evil.example"]) {
      assert.isFalse(Door.isLoopback(not), not)
    }
  })
})
