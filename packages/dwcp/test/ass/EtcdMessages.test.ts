import { readFileSync } from "node:fs"
import { join } from "node:path"
import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
import { assert, describe, it } from "@effect/vitest"
import * as Messages from "../../src/ass/EtcdMessages.ts"

describe("the messages of etcd", () => {
  it("are those of etcd.proto", () => {
    const proto = readFileSync(join(import.meta.dirname, "../../proto/etcd.proto"), "utf8")
    const declared = [...proto.matchAll(/^message (\w+)/gm)].map(([, name]) => name)
    const { messages } = Messages.TxnRequestSchema.file
    assert.deepStrictEqual(
      messages.map(({ name }) => name),
      declared
    )
    const numbers = messages.flatMap(({ fields }) => fields.map(({ name, number }) => `${name} = ${number};`))
    assert.isNotEmpty(numbers)
    for (const field of numbers) assert.include(proto, field)
  })

  it("have the numbers of etcd on the wire", () => {
    const request = create(Messages.TxnRequestSchema, {
      compare: [{ target: 2, key: Buffer.from("k"), targetUnion: { case: "modRevision", value: 7n } }]
    })
    // As etcdctl 3.4 sends it: compare (1) of target (2) MOD, key (3), mod_revision (6).
    assert.strictEqual(Buffer.from(toBinary(Messages.TxnRequestSchema, request)).toString("hex"), "0a0710021a016b3007")
    assert.deepStrictEqual(
      fromBinary(Messages.TxnRequestSchema, toBinary(Messages.TxnRequestSchema, request)).compare[0]?.targetUnion,
      { case: "modRevision", value: 7n }
    )
  })
})
