import { assert, describe, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Failures from "../../src/group/Failures.ts"

const cause = new Error("EIO-7")

const all = [
  new Failures.DwcpCannotListen({ address: "127.0.0.1:1", cause }),
  new Failures.SubsystemDown({ subsystem: "amst", cause }),
  new Failures.PeerUnreachable({ peer: "b:1", cause }),
  new Failures.MessageRefused({ peer: "b:1", reason: "it is too large" }),
  new Failures.RolledBack({ features: ["transport", "compression"], because: "it was slow" }),
  new Failures.MessageUnreadable({ peer: "b", channel: "c", cause })
]

describe("what can go wrong", () => {
  it("is said with what follows and what to do, and never with the text of a cause", () => {
    for (const error of all) {
      assert.match(error.message, /\. /u, error._tag)
      assert.notInclude(error.message, "EIO-7")
    }
    assert.include(all[4]!.message, "transport, compression")
    assert.include(all[1]!.message, "dwcp.fallback")
    // Of which no fallback is the cure: v1 listens at the same door.
    const door = new Failures.SubsystemDown({ subsystem: "door", cause }).message
    assert.notInclude(door, "dwcp.fallback")
    assert.match(door, /\. novacron restart dwcp opens it again/u)
  })

  it("has a code, and each code a runbook", () => {
    assert.deepStrictEqual(
      all.map(({ code }) => code),
      [1, 2, 3, 4, 5, 6].map((n) => `NVC-260${n}`)
    )
    for (const { code } of all) {
      const path = fileURLToPath(new URL(`../../../../docs/runbooks/${code}.md`, import.meta.url))
      assert.isTrue(existsSync(path), path)
      assert.include(readFileSync(path, "utf8"), `# ${code} `)
    }
  })
})
