import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Result, Schema } from "effect"
import { assert, describe, it } from "vitest"
import { Contract, Problem, Tasks } from "../src/index.ts"

const places = Object.values(Contract.Contract.groups).flatMap(({ endpoints }) => Object.values(endpoints))

describe("the contract", () => {
  it("says of every place what one must be allowed to do there, and puts the door before it", () => {
    assert.isAbove(places.length, 12)
    for (const endpoint of places) {
      assert.match(Contract.action(endpoint), /^[a-z]+\.[a-z]+$/, endpoint.path)
      assert.isTrue(endpoint.middlewares.has(Contract.Admission), endpoint.path)
      assert.match(endpoint.path, /^\/v1\//)
    }
  })

  it("asks for more than to look at status and health before anything changes", () => {
    for (const endpoint of places.filter(({ method }) => method !== "GET")) {
      assert.notMatch(Contract.action(endpoint), /^(?:status|health)\./, endpoint.path)
    }
  })

  it("is OpenAPI 3.1: each operation has a name of its own, a summary, security, and problems", () => {
    const document = Contract.openApi()
    assert.strictEqual(document.openapi, "3.1.0")
    const operations = Object.values(document.paths).flatMap((item) =>
      (["get", "post", "delete"] as const).flatMap((method) => item[method] ?? [])
    )
    assert.strictEqual(operations.length, places.length)
    assert.strictEqual(new Set(operations.map(({ operationId }) => operationId)).size, operations.length)
    for (const { operationId, responses, security, summary } of operations) {
      assert.isNotEmpty(summary, operationId)
      assert.isNotEmpty(security, operationId)
      for (const status of [401, 403, 429, 503]) {
        assert.property(responses[status]?.content ?? {}, "application/problem+json", `${operationId} ${status}`)
      }
    }
    assert.containSubset(document.components.securitySchemes, {
      bearer: { type: "http", scheme: "bearer" },
      certificate: { type: "mutualTLS" }
    })
  })
})

describe("a submission", () => {
  const decode = Schema.decodeUnknownResult(Tasks.Submission, { onExcessProperty: "error" })
  const demand = { cpu: 1, memory: 64 }
  const disk = { path: "/srv/root.img", format: "raw" }
  const takes = (run: object, more: object = { demand }) => Result.isSuccess(decode({ name: "a", run, ...more }))

  it("is a program, or a virtual machine that has something to start from and is as large as its demand", () => {
    assert.isTrue(takes({ driver: "process", command: ["true"] }, {}))
    assert.isTrue(takes({ driver: "vm", kernel: "/vmlinuz", initrd: "/initrd", commandLine: "quiet" }))
    assert.isTrue(takes({ driver: "vm", disks: [disk, { ...disk, readOnly: true }], network: "user" }))
    for (const more of [{}, { demand: { cpu: 0, memory: 64 } }, { demand: { cpu: 1, memory: 8 } }]) {
      assert.isFalse(takes({ driver: "vm", kernel: "/vmlinuz" }, more))
    }
    assert.isFalse(takes({ driver: "vm" }))
    assert.isFalse(takes({ driver: "vm", disks: [] }))
    assert.isFalse(takes({ driver: "vm", disks: [disk], commandLine: "quiet" }))
    assert.isFalse(takes({ driver: "vm", disks: [disk], command: ["true"] }))
  })

  it("is what the guide for operators says", () => {
    const guide = readFileSync(join(import.meta.dirname, "../../../docs/OPERATIONS.md"), "utf8")
    const [, example = "{}"] = /```json\n(\{[^`]*"driver": "vm"[^`]*)```/.exec(guide) ?? []
    assert.isTrue(Result.isSuccess(decode(JSON.parse(example))))
  })

  it("names files of a machine by their whole path and says what they are", () => {
    for (const path of ["root.img", "", "nbd://example/disk", "/a\u0000b", "/".repeat(5_000)]) {
      assert.isFalse(takes({ driver: "vm", disks: [{ ...disk, path }] }), path.slice(0, 20))
    }
    assert.isFalse(takes({ driver: "vm", disks: [{ path: "/srv/root.img" }] }))
    assert.isFalse(takes({ driver: "vm", disks: [{ ...disk, format: "vmdk" }] }))
    assert.isFalse(takes({ driver: "vm", disks: Array.from({ length: 17 }, () => disk) }))
    assert.isFalse(takes({ driver: "vm", kernel: "/vmlinuz", network: "bridge" }))
  })
})

describe("problems", () => {
  it("have a type, a code and a name of their own, and a status of gRPC", () => {
    const made = [
      new Problem.NotFound({ detail: "nothing" }),
      new Problem.TooManyRequests({ retryAfterSeconds: 1 }),
      new Problem.BodyTooLarge({ limitBytes: 1 })
    ]
    for (const problem of made) {
      assert.strictEqual(problem.type, `urn:novacron:problem:${problem.code}`)
      assert.isAbove(Problem.grpc[problem._tag], 0)
    }
    assert.strictEqual(Object.keys(Problem.grpc).length, Problem.all.length)
  })
})
