import { assert, describe, it } from "@effect/vitest"
import { existsSync } from "node:fs"
import { join } from "node:path"
import * as Failures from "../../src/pbft/Failures.ts"

const all = [
  new Failures.JournalUnusable({ path: "/var/lib/pbft", problem: "it cannot be written", cause: new Error("EIO") }),
  new Failures.ReplicaCannotListen({ address: "0.0.0.0:7000", cause: new Error("EADDRINUSE") }),
  new Failures.MembershipInvalid({ problem: "its key is not that of a member" }),
  new Failures.Undecided({ seconds: 60 }),
  new Failures.ProposalRefused({ problem: "it has 99999 bytes, more than maxProposal" }),
  new Failures.NoAgreement({ problem: "2 of 4 replicas are reached, 3 are needed" })
]

describe("Failures", () => {
  it("say what failed, what follows and what to do, each under a code that has a runbook", () => {
    assert.strictEqual(new Set(all.map(({ code }) => code)).size, all.length)
    for (const { code, message } of all) {
      assert.isAtLeast(message.split(/[.;:,] /u).length, 2)
      assert.isTrue(existsSync(join(import.meta.dirname, "../../../../docs/runbooks", `${code}.md`)), code)
    }
  })
})
