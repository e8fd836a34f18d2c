/** What Node has compiled of the program is kept when a node is up, so that it is there however the node ends. */
import { existsSync, readdirSync } from "node:fs"
import { afterAll, assert, describe, it } from "vitest"
import { eventually, Place } from "./Novacron.ts"

describe("compiled code", () => {
  const place = new Place()
  afterAll(() => place.remove())

  it("is kept for the next start by a node that is up, also when it is killed", async () => {
    const cache = place.path("compiled")
    const files = () => (existsSync(cache) ? readdirSync(cache, { recursive: true }) : [])
    const node = await place.ready([], { XDG_CACHE_HOME: cache })
    await eventually(() => files().length > 20, "the code of the parts is there")
    node.child.kill("SIGKILL")
    await node.ended
    assert.isAbove(files().length, 20)
  }, 60_000)
})
