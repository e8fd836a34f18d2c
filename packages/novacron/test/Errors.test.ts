import { assert, describe, it } from "vitest"
import { NodeDirUnusable, ReportUnwritable } from "../src/Errors.ts"

describe("the errors around a boot", () => {
  it("say what failed and what follows, keep the cause, and do not paste it", () => {
    const cause = new Error("EACCES /secret/path")
    for (const error of [
      new NodeDirUnusable({ path: "/data", cause }),
      new ReportUnwritable({ path: "/r", beforeBoot: true, cause }),
      new ReportUnwritable({ path: "/r", beforeBoot: false, cause })
    ]) {
      assert.match(error.message, /^[A-Z].*\.$/)
      assert.notInclude(error.message, "EACCES")
      assert.strictEqual(error.cause, cause)
    }
  })
})
