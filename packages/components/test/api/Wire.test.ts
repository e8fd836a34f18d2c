import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf"
import { Contract, Tasks, Tokens } from "@novacron/api"
import { Schema } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { generate } from "../../../../scripts/proto.ts"
import { services } from "../../src/api/Grpc.ts"
import * as NodeProto from "../../src/api/wire/NodeProto.ts"
import * as TasksProto from "../../src/api/wire/TasksProto.ts"
import * as TokensProto from "../../src/api/wire/TokensProto.ts"
import * as Wire from "../../src/api/Wire.ts"

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/)
const text = fc.string({ maxLength: 40 })
const int32 = fc.integer({ min: 0, max: 2 ** 31 - 1 })
const time = fc
  .date({ min: new Date(0), max: new Date("2200-01-01"), noInvalidDate: true })
  .map((at) => at.toISOString())
const names = fc.array(name, { maxLength: 3 })
const some = <A>(values: fc.Arbitrary<A>) => fc.option(values, { nil: null })
/** gRPC cannot tell an empty map from none. */
const map = fc.dictionary(name, text, { minKeys: 1, maxKeys: 3 })
const variables = fc.dictionary(fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,20}$/), text, { minKeys: 1, maxKeys: 3 })
const demand = fc.record({ cpu: fc.double({ min: 0, max: 4_096, noNaN: true }), memory: fc.nat(100_000) })

const program = fc.record(
  {
    driver: fc.constant("process" as const),
    command: fc.array(text, { minLength: 1, maxLength: 4 }),
    env: variables,
    directory: name
  },
  { requiredKeys: ["driver", "command"] }
)

const path = name.map((it) => `/${it}`)
const disk = fc.record(
  { path, format: fc.constantFrom("raw" as const, "qcow2" as const), readOnly: fc.boolean() },
  { requiredKeys: ["path", "format"] }
)
const disks = fc.array(disk, { minLength: 1, maxLength: 3 })
const network = fc.constantFrom("none" as const, "user" as const)
const machine = fc.oneof(
  fc.record(
    { driver: fc.constant("vm" as const), kernel: path, initrd: path, commandLine: text, disks, network },
    { requiredKeys: ["driver", "kernel"] }
  ),
  fc.record({ driver: fc.constant("vm" as const), disks, network }, { requiredKeys: ["driver", "disks"] })
)

const submissionOf = (
  run: fc.Arbitrary<Tasks.Run>,
  demand: fc.Arbitrary<Tasks.Demand>,
  requiredKeys: ["demand"] | []
) =>
  fc.record(
    {
      name,
      group: name,
      run,
      demand,
      constraints: fc.record(
        { labels: map, regions: names, excludedRegions: names, affinity: names, antiAffinity: names, node: name },
        { requiredKeys: [] }
      ),
      attempts: fc.integer({ min: 1, max: 20 }),
      timeoutMs: fc.integer({ min: 1, max: 30 * 86_400_000 }),
      graceMs: fc.integer({ min: 0, max: 600_000 }),
      idempotencyKey: fc.string({ minLength: 1, maxLength: 50 })
    },
    { requiredKeys: ["name", "run", ...requiredKeys] }
  )

/** A machine is as large as it says. */
const size = fc.record({
  cpu: fc.double({ min: 0.1, max: 4_096, noNaN: true }),
  memory: fc.integer({ min: 16, max: 100_000 })
})

const submission: fc.Arbitrary<Tasks.Submission> = fc.oneof(
  submissionOf(program, demand, []),
  submissionOf(machine, size, ["demand"])
)

const task: fc.Arbitrary<Tasks.Task> = fc.record({
  id: text,
  name,
  group: some(name),
  state: fc.constantFrom(...Tasks.State.literals),
  version: fc.nat(),
  submission,
  submittedBy: text,
  createdAt: time,
  updatedAt: time,
  placement: some(fc.record({ node: some(name), explanation: text, considered: int32, feasible: int32 })),
  attempts: fc.array(
    fc.record({
      number: int32,
      node: name,
      startedAt: time,
      endedAt: some(time),
      exitCode: some(fc.integer({ min: -255, max: 255 })),
      signal: some(name),
      error: some(text)
    }),
    { maxLength: 3 }
  )
})

const node: fc.Arbitrary<Tasks.Node> = fc.record({
  id: name,
  address: text,
  state: fc.constantFrom("up" as const, "draining" as const, "down" as const),
  isCoordinator: fc.boolean(),
  region: some(name),
  labels: fc.dictionary(name, text, { maxKeys: 3 }),
  capacity: demand,
  used: demand,
  tasks: int32,
  version: text,
  seenAt: time
})

/** There and back over the wire, and read as the contract reads what comes over REST. */
const through =
  <S extends Schema.Top & { readonly DecodingServices: never }, M extends DescMessage, P>(
    schema: S,
    desc: M,
    to: (value: S["Type"]) => P,
    from: (message: P) => unknown
  ) =>
  (value: S["Type"]): S["Type"] => {
    // What `to` makes is a message of `desc`.
    const bytes = toBinary(desc, to(value) as never)
    return Schema.decodeUnknownSync(schema, { onExcessProperty: "error" })(from(fromBinary(desc, bytes) as never))
  }

describe("REST and gRPC", () => {
  it("say the same of every task", () => {
    const same = through(Tasks.Task, TasksProto.TaskSchema, Wire.toTask, Wire.fromTask)
    fc.assert(fc.property(task, (it) => assert.deepStrictEqual(same(it), it)))
  })

  it("take the same submissions", () => {
    const same = through(Tasks.Submission, TasksProto.SubmissionSchema, Wire.toSubmission, Wire.fromSubmission)
    fc.assert(fc.property(submission, (it) => assert.deepStrictEqual(same(it), it)))
  })

  it("say the same of every node, and of what a task prints", () => {
    const sameNode = through(Tasks.Node, NodeProto.NodeSchema, Wire.toNode, Wire.fromNode)
    fc.assert(fc.property(node, (it) => assert.deepStrictEqual(sameNode(it), it)))
    const output = fc.record({
      task: text,
      offset: fc.nat(),
      stream: fc.constantFrom("stdout" as const, "stderr" as const),
      text: fc.string({ unit: "grapheme" })
    })
    const sameOutput = through(Tasks.Output, TasksProto.OutputSchema, Wire.toOutput, Wire.fromOutput)
    fc.assert(fc.property(output, (it) => assert.deepStrictEqual(sameOutput(it), it)))
  })

  it("have the same fields, and no other", () => {
    const fieldsOf = (desc: DescMessage) => desc.fields.map(({ localName }) => localName)
    const keysOf = (schema: { readonly fields: object }) => Object.keys(schema.fields)
    assert.sameMembers(fieldsOf(TasksProto.TaskSchema), keysOf(Tasks.Task))
    assert.sameMembers(fieldsOf(TasksProto.AttemptSchema), keysOf(Tasks.Attempt))
    assert.sameMembers(fieldsOf(TasksProto.PlacementSchema), keysOf(Tasks.Placement))
    assert.sameMembers(fieldsOf(TasksProto.ConstraintsSchema), keysOf(Tasks.Constraints))
    assert.sameMembers(fieldsOf(TasksProto.OutputSchema), keysOf(Tasks.Output))
    assert.sameMembers(fieldsOf(NodeProto.NodeSchema), keysOf(Tasks.Node))
    assert.sameMembers(fieldsOf(TokensProto.TokenSchema), keysOf(Tokens.Token))
    assert.sameMembers(fieldsOf(TasksProto.ListTasksRequestSchema), keysOf(Contract.Filter))
    // The driver is which of the cases of `run` there is.
    const drivers = Tasks.Run.members.map(({ fields }) => fields.driver.literal)
    const inSubmission = keysOf(Tasks.Submission).flatMap((key) => (key === "run" ? drivers : [key]))
    assert.sameMembers(fieldsOf(TasksProto.SubmissionSchema), inSubmission)
    assert.sameMembers(["driver", ...fieldsOf(TasksProto.VmSchema)], keysOf(Tasks.VmSpec))
    assert.sameMembers(fieldsOf(TasksProto.DiskSchema), keysOf(Tasks.Disk))
    assert.sameMembers(["driver", ...fieldsOf(TasksProto.ProcessSchema)], keysOf(Tasks.ProcessSpec))
  })

  it("have as many places: each of the contract is a method, besides those that stream", () => {
    const places = Object.values(Contract.Contract.groups).flatMap(({ endpoints }) => Object.values(endpoints))
    const methods = services.flatMap((service) => service.methods)
    const streams = methods.filter(({ methodKind }) => methodKind === "server_streaming")
    // Output over REST is a part; over gRPC it is a stream.
    assert.strictEqual(methods.length - streams.length, places.length - 1)
  })
})

describe("the protocol", () => {
  const protos = join(import.meta.dirname, "../../../api/proto")
  const buf = join(import.meta.dirname, "../../node_modules/.bin/buf")

  it("passes the linter of buf", () => {
    execFileSync(buf, ["lint"], { cwd: protos, stdio: "pipe" })
  }, 60_000)

  it("is what the generated code was made of: node scripts/proto.ts", () => {
    for (const [file, made] of generate()) {
      const there = readFileSync(join(import.meta.dirname, "../../src/api/wire", file), "utf8")
      assert.strictEqual(there, made, file)
    }
  }, 60_000)
})
