import { assert, describe, it } from "vitest"
import { codes, find } from "../src/Codes.ts"
import { parts } from "../src/PartCodes.ts"

describe("the codes of the parts", () => {
  it("are found with those of the process, and none of them hides another", () => {
    const tags = Object.keys(parts)
    assert.isAbove(tags.length, 50)
    for (const tag of tags) assert.strictEqual(find(tag), parts[tag], tag)
    assert.isAbove(Object.keys(codes).length, tags.length)
  })

  it("are of the hundreds that belong to parts", () => {
    for (const [tag, { code }] of Object.entries(parts)) assert.match(code, /^NVC-(?:11|2\d|30)\d\d$/, tag)
  })
})
