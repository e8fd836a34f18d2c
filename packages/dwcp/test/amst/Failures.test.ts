import { assert, describe, it } from "@effect/vitest"
import * as Failures from "../../src/amst/Failures.ts"

const all = [
  new Failures.FrameRefused({ reason: "it is of version 9" }),
  new Failures.PeerLost({ peer: "10.0.0.2:9090", seconds: 60 }),
  new Failures.TlsRefused({ peer: "10.0.0.2:9090", cause: new Error("CERT_HAS_EXPIRED") }),
  new Failures.TransferRefused({ reason: "hash", detail: "nothing of it was kept" }),
  new Failures.FileUnavailable({ path: "/images/a", cause: new Error("EIO") }),
  new Failures.ListenFailed({ address: "[::]:9090", cause: new Error("EADDRINUSE") }),
  new Failures.LinkClosed({ peer: "10.0.0.2:9090" })
]

describe("Failures", () => {
  it("say what failed, what follows and what to do, each under a code of its own", () => {
    assert.strictEqual(new Set(all.map(({ code }) => code)).size, all.length)
    for (const { message } of all) assert.isAtLeast(message.split(/[.;] /u).length, 2)
    assert.include(all[1]!.message, "10.0.0.2:9090 has not been reached for 60 s")
  })
})
