import { Readable } from "node:stream"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Commands from "../../src/itp/Commands.ts"
import type { Instance } from "../../src/itp/Workload.ts"
import * as packings from "./fixtures/packings.ts"

const instance = {
  id: "one",
  n: 4,
  cap: [10, 10],
  opt: 2,
  items: [
    [6, 5],
    [4, 5],
    [5, 5],
    [5, 5]
  ]
}

/** In pieces of three bytes, as a network may have them. */
const pieces = (data: Buffer): Readable => {
  const list: Array<Buffer> = []
  for (let at = 0; at < data.length; at += 3) list.push(data.subarray(at, at + 3))
  return Readable.from(list)
}

const packed = async (input: Readable, options: Partial<Commands.PackOptions> = {}) => {
  const lines: Array<{ id: unknown; hosts: number; ms: number; assignment: ReadonlyArray<number>; error?: string }> = []
  for await (const line of Commands.pack(input, { budgetMs: 20, now: packings.steps(), ...options })) {
    assert.match(line, /^[^\n]*\n$/)
    lines.push(JSON.parse(line))
  }
  return lines
}

const text = (...values: ReadonlyArray<unknown>): Buffer =>
  Buffer.from(values.map((value) => (typeof value === "string" ? value : JSON.stringify(value))).join("\n"))

const failure = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "it went well",
    (error: unknown) => (error instanceof Commands.BadInput ? error.message : `something else: ${String(error)}`)
  )

describe("Commands", () => {
  for (const online of [false, true]) {
    it(`pack answers {id, hosts, ms, assignment} for each line, zipped or not${online ? ", online" : ""}`, async () => {
      const given = text(instance, "", { ...instance, id: "two" })
      for (const input of [pieces(given), pieces(gzipSync(given)), Readable.from([given.toString()])]) {
        const lines = await packed(input, { online })
        assert.deepStrictEqual(
          lines.map(({ id }) => id),
          ["one", "two"]
        )
        for (const line of lines) {
          assert.deepStrictEqual(Object.keys(line), ["id", "hosts", "ms", "assignment"])
          assert.deepStrictEqual(packings.faults(instance as Instance, line.hosts, line.assignment), [])
          assert.isAbove(line.ms, 0)
        }
        if (!online) assert.strictEqual(lines[0]?.hosts, 2)
      }
    })
  }

  it("pack says what is wrong with an instance, and goes on to the next", async () => {
    const lines = await packed(pieces(text("{ no", "null", { id: "x", cap: [1], items: [[2]] }, instance)))
    assert.deepStrictEqual(
      lines.map(({ id, error }) => [id, error !== undefined]),
      [
        [null, true],
        [null, true],
        ["x", true],
        ["one", false]
      ]
    )
    assert.include(lines[2]?.error, "item 0 needs 2 of resource 0 and a host has 1")
  })

  it("pack answers nothing for nothing", async () => {
    assert.deepStrictEqual(await packed(pieces(Buffer.alloc(0))), [])
  })

  it("a file that breaks off is an error, not an end", async () => {
    const cut = (data: Buffer): Readable => {
      const zipped = gzipSync(data)
      return pieces(zipped.subarray(0, zipped.length - 12))
    }
    const instances = cut(text(...Array.from({ length: 500 }, () => instance)))
    assert.include(await failure(packed(instances)), "The input cannot be read: it breaks off or is damaged")
    const rows = cut(text("arrive_s,cpu,mem_gb,lifetime_s", ...Array.from({ length: 500 }, (_, i) => `${i},1,1,1`)))
    assert.include(await failure(Commands.place(rows, { hosts: "1x1x1", now: packings.steps() })), "cannot be read")
  })

  it("place answers with a summary, or with what was wrong", async () => {
    const csv = text("arrive_s,cpu,mem_gb,lifetime_s,batch", "0,64,1,10,0", "5,32,1,5,0", "10,1,1,1,1")
    const place = (hosts: string, unlimited: boolean, data = csv) =>
      Commands.place(pieces(gzipSync(data)), { hosts, unlimited, now: packings.steps() })
    const summary = JSON.parse(Result.getOrThrow(await place("1x64x256", true)))
    assert.deepInclude(summary, {
      vms: 3,
      placed: 3,
      rejected_cpu: 0,
      mean_hosts: 1.5,
      bound: 1.5,
      peak_hosts: 2,
      violations: 0
    })
    for (const key of ["above_bound", "utilisation_at_first_rejection", "p50_us", "p99_us", "migrations"]) {
      assert.property(summary, key)
    }
    const fixed = JSON.parse(Result.getOrThrow(await place("1x64x256", false)))
    assert.deepInclude(fixed, { rejected: 1, rejected_cpu: 32, utilisation_at_first_rejection: 1 })
    const wrong = await place("many", false)
    assert.isTrue(Result.isFailure(wrong) && wrong.failure._tag === "BadCluster")
    const bad = await place("1x64x256", false, text("arrive_s,cpu"))
    assert.isTrue(Result.isFailure(bad) && bad.failure._tag === "BadTrace")
  })
})
