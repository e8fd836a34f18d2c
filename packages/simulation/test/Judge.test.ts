import { assert, describe, it } from "@effect/vitest"
import type { BootEvent } from "@novacron/boot"
import type * as Case from "../src/Case.ts"
import * as Fault from "../src/Fault.ts"
import * as Judge from "../src/Judge.ts"
import * as Ledger from "../src/Ledger.ts"
import * as Trial from "../src/Trial.ts"
import { app } from "./fixtures/App.ts"

const quiet: Case.Case = {
  seed: 1,
  fuzz: false,
  components: ["settings", "cache", "engine", "api"],
  faults: [],
  settings: {},
  stopAfterMs: 100,
  cancelAtMs: null
}
const cache = { component: "cache", variant: 0, attempt: 1 }
const manifests = app.map(({ manifest }) => manifest)
const measure = Judge.measure(manifests, {})!
const { events } = Trial.run(Trial.make(app), { ...quiet, faults: [Fault.make("Fails", cache)] })

describe("Judge", () => {
  it("has nothing to say of a sound boot", () => {
    assert.include(
      events.map(({ _tag }) => _tag),
      "AttemptFailed"
    )
    assert.deepStrictEqual(Judge.audit(measure, events), [])
    assert.deepStrictEqual(Judge.conformance(measure, events), [])
    assert.deepStrictEqual(Judge.testimony(quiet, [], events), [])
  })

  it("has nothing to say of a boot that never began", () => {
    assert.deepStrictEqual(Judge.audit(measure, []), [])
    assert.deepStrictEqual(Judge.conformance(measure, []), [])
  })

  it("names the invariant that was broken", () => {
    const without = events.filter((event) => !(event._tag === "ComponentStopped" && event.component === "api"))
    const [broken] = Judge.audit(measure, without)
    assert.match(broken!.promise, /^6: /)
    assert.deepStrictEqual(
      Judge.audit(measure, events.slice(0, -1)).map(({ promise }) => promise.slice(0, 2)),
      ["6:"]
    )
  })

  it("says where the driver and the machine part", () => {
    const [broken] = Judge.conformance(measure, events.slice(0, -1))
    assert.strictEqual(broken?.promise, "the driver carries out what Progress decides")
    assert.include(broken?.message, "BootEnded")
  })

  it("cannot measure what cannot be planned", () => {
    assert.isUndefined(Judge.measure([...manifests, manifests[0]!], {}))
  })

  it("takes the worst case from the policies, and no more than the deadline of the boot", () => {
    assert.strictEqual(measure.worstCaseMs, 35_000)
    assert.strictEqual(Judge.measure(manifests, { deadlineMs: 100 })?.worstCaseMs, 5100)
  })

  it("lets open only what hangs, and is abandoned", () => {
    const hanging = { ...quiet, faults: [Fault.make("FinalizerHangs", cache)] }
    const { ledger } = Ledger.watch(app)
    const account = ledger.accounts.get("cache")!
    account.open = 1
    const promises = (it: Case.Case, struck: ReadonlyArray<number>) =>
      Judge.books(ledger, it, struck, 7).map(({ promise }) => promise)
    assert.deepStrictEqual(promises(quiet, []), ["nothing leaks"])
    assert.deepStrictEqual(promises(hanging, [1]), ["nothing leaks"], "it hangs, and the kernel does not know")
    Ledger.abandon(ledger, "cache")
    assert.deepStrictEqual(promises(quiet, []), ["nothing leaks"], "the kernel gave up on what does not hang")
    assert.deepStrictEqual(promises(hanging, [1]), [])
    assert.deepStrictEqual(promises(hanging, [0]), ["nothing leaks"])
  })

  it("wants to read in the log what the faults have done", () => {
    for (const kind of ["FailsAcquired", "ProbeFails", "FinalizerFails", "FinalizerHangs"] as const) {
      const it = { ...quiet, faults: [Fault.make(kind, { ...cache, component: "api" })] }
      const [broken] = Judge.testimony(it, [1], events)
      assert.strictEqual(broken?.promise, "what goes wrong is told", kind)
      assert.deepStrictEqual(Judge.testimony(it, [0], events), [], "what did not strike cannot be told")
    }
  })

  it("notices defects that nobody has injected", () => {
    const failure: BootEvent.Failure = { kind: "defect", tag: "Defect", message: "oh no", severity: "critical" }
    const defect: BootEvent.BootEvent = {
      _tag: "AttemptFailed",
      atMs: 5,
      component: "dwcp/amst",
      attempt: 1,
      failure,
      retryInMs: null
    }
    assert.deepStrictEqual(Judge.testimony(quiet, [], [defect]), [
      { promise: "a component has no defects of its own", message: "oh no", component: "dwcp/amst", atMs: 5 }
    ])
    const group: BootEvent.BootEvent = { ...defect, component: "dwcp" }
    const injected = { ...quiet, faults: [Fault.make("Dies", { ...cache, component: "dwcp" })] }
    assert.deepStrictEqual(Judge.testimony(injected, [1], [defect, group]), [])
  })
})
