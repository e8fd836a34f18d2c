import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import fc from "fast-check"
import * as NodeId from "../src/NodeId.ts"

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "novacron-id-"))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

describe("the id of a node", () => {
  it.live("is the host's name on the first boot, and stays when the host is renamed", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* NodeId.keep(directory, undefined, "db-7.example"), "db-7.example")
      assert.strictEqual(statSync(join(directory, "node-id")).mode & 0o777, 0o600)
      assert.strictEqual(yield* NodeId.keep(directory, undefined, "other"), "db-7.example")
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.live("is what is set, and then nothing is kept", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* NodeId.keep(directory, "set", "host"), "set")
      assert.throws(() => readFileSync(join(directory, "node-id")))
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.live("is made up for a host without a name, once", () =>
    Effect.gen(function* () {
      const id = yield* NodeId.keep(directory, undefined, "localhost")
      assert.match(id, /^node-[a-z0-9]{6}$/)
      assert.strictEqual(yield* NodeId.keep(directory, undefined, "localhost"), id)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it("is always one that a certificate can bear", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (host) => {
        const id = NodeId.fromHostname(host)
        assert.isTrue(id === undefined || /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(id))
      })
    )
  })
})
