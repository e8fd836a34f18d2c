import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createServer } from "node:http"
import * as Switch from "../../src/rollout/Switch.ts"
import * as SwitchClient from "../../src/rollout/SwitchClient.ts"

describe("who talks to a switch", () => {
  it.live("says that none runs, where it looked, and that nothing has changed", () =>
    Effect.gen(function* () {
      const directory = mkdtempSync(join(tmpdir(), "novacron-no-switch-"))
      const error = yield* Effect.flip(SwitchClient.look(directory))
      rmSync(directory, { recursive: true })
      assert.strictEqual(error._tag, "SwitchSilent")
      assert.match(
        error.message,
        /switch\.sock did not do that: none runs with this directory\. Its weights are as they were/
      )
    })
  )

  it.live("believes no answer that is not from a switch", () =>
    Effect.gen(function* () {
      const directory = mkdtempSync(join(tmpdir(), "novacron-no-switch-"))
      const other = createServer((_, answer) => answer.end('{"backends":"many"}'))
      yield* Effect.callback<void>((resume) => void other.listen(Switch.socketOf(directory), () => resume(Effect.void)))
      const error = yield* Effect.flip(SwitchClient.look(directory))
      other.close()
      rmSync(directory, { recursive: true })
      assert.strictEqual(error._tag, "SwitchSilent")
    })
  )
})
