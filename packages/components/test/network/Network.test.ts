import { assert, describe, it } from "@effect/vitest"
import * as Network from "../../src/network/Network.ts"

describe("what goes wrong with the network", () => {
  const why = { host: "127.0.0.1", port: 9090, cause: new Error("a cause") }

  it("has a code of its own when it halts a boot", () => {
    const errors = [
      new Network.PortTaken(why),
      new Network.PortForbidden(why),
      new Network.BadAddress(why),
      new Network.CannotListen(why),
      new Network.ListenerSilent(why)
    ]
    assert.deepStrictEqual(
      errors.map(({ code }) => code),
      ["NVC-2301", "NVC-2302", "NVC-2303", "NVC-2304", "NVC-2305"]
    )
    for (const error of errors) {
      assert.include(error.message, "127.0.0.1")
      assert.notInclude(error.message, "a cause")
      assert.strictEqual(error.cause, why.cause)
    }
  })

  it("asks for the certificate only where the system has no reason of its own", () => {
    const hint = (code: string) => {
      const cause = new Network.CannotConnect({ ...why, serverName: "vm", cause: Object.assign(new Error(), { code }) })
      return new Network.ListenerSilent({ ...why, cause }).message.replace(/^.*of this node\. /, "")
    }
    assert.match(hint("ERR_TLS_CERT_ALTNAME_INVALID"), /^Does the certificate of this node name network\.server_name/)
    assert.match(hint("ENETUNREACH"), /^This machine has no way to that address: .*ip link set lo up/)
    for (const code of ["EMFILE", "ECONNRESET"])
      assert.match(hint(code), /^Has this process descriptors left \(ulimit -n/)
    for (const code of ["CERT_NOT_YET_VALID", "CERT_HAS_EXPIRED"])
      assert.strictEqual(hint(code), "Is the clock of this machine right (date)?")
  })

  it("says who, and what to do", () => {
    const messages = [
      new Network.ProtocolTaken({ protocol: "test/a" }),
      new Network.CannotConnect({ ...why, serverName: "node-2" }),
      new Network.ConnectionLost({ peer: "node-2", reason: "it has ended" }),
      new Network.MessageTooLarge({ bytes: 11, maxBytes: 10 })
    ].map(({ message }) => message)
    assert.deepStrictEqual(messages, [
      "There is a handler for test/a already. A protocol has one.",
      "There is no connection to node-2 at 127.0.0.1:9090. Is it up, and of our authority?",
      "The connection with node-2 is lost: it has ended.",
      "A message of 11 bytes is too large to send; network.max_frame allows 10."
    ])
  })
})
