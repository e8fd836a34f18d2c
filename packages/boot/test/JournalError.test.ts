import { assert, describe, it } from "@effect/vitest"
import { JournalError, type JournalReason } from "../src/JournalError.ts"

const path = "/var/boot.journal"
const reasons: ReadonlyArray<JournalReason> = [
  { _tag: "Open", path },
  { _tag: "Write", path, lost: 3 },
  { _tag: "Sync", path, lost: 3 },
  { _tag: "Full", path, lost: 3, capacity: 10 },
  { _tag: "Read", path }
]

describe("an error of a journal", () => {
  it("names the file, says what is lost, and what to look at", () => {
    for (const reason of reasons) {
      const { message } = new JournalError({ reason, cause: new Error("EIO") })
      assert.include(message, path)
      assert.match(message, /(?:Check|Give) .+\.$/)
      if ("lost" in reason) assert.include(message, "3 events")
      // The cause is kept as one, and told by whoever tells the error.
      assert.notInclude(message, "EIO")
    }
    assert.lengthOf(new Set(reasons.map((reason) => new JournalError({ reason }).message)), reasons.length)
  })

  it("counts one event as one", () => {
    for (const reason of reasons) {
      if (!("lost" in reason)) continue
      assert.notInclude(new JournalError({ reason: { ...reason, lost: 1 } }).message, "1 events")
    }
  })
})
