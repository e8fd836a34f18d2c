import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as BootEvent from "../src/BootEvent.ts"
import * as Manifest from "../src/Manifest.ts"
import { started } from "../src/Opening.ts"
import * as Plan from "../src/Plan.ts"
import { defaultLimits } from "../src/ProgressState.ts"

const opening = (...manifests: ReadonlyArray<Manifest.Manifest>) =>
  started(
    {
      plan: Result.getOrThrow(Plan.make(manifests, { environment: "datacenter" })),
      limits: defaultLimits,
      bootId: "boot",
      nodeId: "node",
      configVersion: "7"
    },
    1_700_000_000_000
  )

describe("the first event of a boot", () => {
  it("says who, where, when, and what is going to be started", () => {
    const event = opening(
      Manifest.make({ name: "api", phase: "service", needs: ["database"] }),
      Manifest.make({ name: "database" })
    )
    assert.deepInclude(event, { bootId: "boot", nodeId: "node", configVersion: "7", environment: "datacenter" })
    assert.isTrue(Result.isSuccess(BootEvent.decode(JSON.parse(JSON.stringify(event)))))
    assert.deepStrictEqual(event._tag === "BootStarted" && event.components, [
      { name: "api", phase: "service", severity: "critical", needs: ["database"], fallbacks: [] },
      { name: "database", phase: "core", severity: "critical", needs: [], fallbacks: [] }
    ])
  })

  it("names what is inside a group by its path", () => {
    const members = [Manifest.make({ name: "amst" }), Manifest.make({ name: "hde", needs: ["amst"] })]
    const event = opening(Manifest.make({ name: "dwcp", group: members }))
    assert.deepStrictEqual(
      event._tag === "BootStarted" && event.components.map(({ name, needs }) => [name, ...needs]),
      [["dwcp"], ["dwcp/amst"], ["dwcp/hde", "dwcp/amst"]]
    )
  })

  it("promises no longer than the deadline of the boot and the budget of its rollback", () => {
    const patient = { name: "slow", attempts: 9, retryMs: 60_000, timeoutMs: 60_000, deadlineMs: Infinity }
    const event = opening(Manifest.make({ name: "slow", variants: [patient], stopMs: 2_000 }))
    assert.strictEqual(event._tag === "BootStarted" && event.worstCaseMs, 30_000 + 2_000 + 60_000)
  })
})
