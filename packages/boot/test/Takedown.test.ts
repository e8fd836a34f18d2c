import { assert, describe, it } from "@effect/vitest"
import { failure, machine, some } from "./fixtures/machine.ts"

/** A diamond that is up. */
const diamond = () => {
  const it = machine([
    { name: "api", needs: ["cache", "database"] },
    { name: "cache", needs: ["settings"] },
    { name: "database", needs: ["settings"] },
    "settings"
  ])
  it.begin()
  for (const name of ["settings", "cache", "database", "api"]) it.healthy(name)
  it.persisted()
  return it
}

describe("a takedown", () => {
  it("closes dependents before what they need, and what does not depend on each other at the same time", () => {
    const it = diamond()
    assert.deepStrictEqual(it.stop("done"), ["RollbackStarted stopped done", "Stopping api", "> Release api"])
    assert.deepStrictEqual(it.closed("api"), [
      "Stopped api",
      "Stopping cache",
      "Stopping database",
      "> Release cache",
      "> Release database"
    ])
    assert.deepStrictEqual(it.closed("database"), ["Stopped database"])
    assert.deepStrictEqual(it.closed("cache"), ["Stopped cache", "Stopping settings", "> Release settings"])
    assert.deepStrictEqual(it.closed("settings"), ["Stopped settings", "BootEnded stopped", "> End"])
    assert.isFalse(it.state.unclean)
  })

  it("goes on past a closing that fails or hangs, and is not clean then", () => {
    const it = diamond()
    it.stop()
    it.closed("api", "failed")
    it.closed("cache")
    assert.deepStrictEqual(it.tick(5_000), [
      "Stopped database",
      "Stopping settings",
      "> Abandon database",
      "> Release settings"
    ])
    assert.deepStrictEqual(it.closed("database"), [])
    it.closed("settings")
    assert.isTrue(it.state.unclean)
  })

  it("gives up everything at once when its budget is spent, also what still waited for its turn", () => {
    const it = machine(
      [
        { name: "a", stopMs: 50_000 },
        { name: "b", needs: ["a"], stopMs: 50_000 }
      ],
      { rollbackMs: 9_000 }
    )
    it.begin()
    it.healthy("a")
    it.healthy("b")
    it.persisted()
    it.stop()
    assert.deepStrictEqual(it.tick(9_000), [
      "Stopped a",
      "Stopped b",
      "BootEnded stopped",
      "> Abandon a",
      "> Abandon b",
      "> End"
    ])
    assert.deepStrictEqual(it.closed("b"), [])
  })

  it("happens once, whoever asks for it again", () => {
    const it = diamond()
    it.stop("first")
    assert.deepStrictEqual(it.stop("second"), [])
    assert.strictEqual(it.state.takedown?.because, "first")
  })

  it("of a boot that has not begun ends it at once", () => {
    const it = machine(["a"])
    assert.deepStrictEqual(it.stop(), ["RollbackStarted cancelled a test", "Skipped a", "BootEnded cancelled", "> End"])
    assert.deepStrictEqual(it.begin(), [])
  })

  it("of a boot with settings that cannot be right reports all of them, and starts nothing", () => {
    const it = machine(["a", "b", { name: "c", needs: ["a"] }])
    const failures = new Map([
      [it.position("a"), failure("critical", "NoUrl")],
      [it.position("b"), failure("critical", "NoPort")]
    ])
    assert.deepStrictEqual(it.tell({ _tag: "Invalid", atMs: 0, failures }), [
      "Failed a",
      "Failed b",
      "RollbackStarted failed a, b",
      "Skipped c",
      "BootEnded failed",
      "> End"
    ])
  })

  it("in the middle of a start interrupts what runs, and leaves what waits for another attempt", () => {
    const it = machine([
      { name: "a", variants: [{ name: "a", attempts: 3, retryMs: 9_000, timeoutMs: 1_000, deadlineMs: Infinity }] },
      "b",
      "c",
      { name: "d", needs: ["a"] }
    ])
    it.begin()
    it.failed("a", failure(), 1_000)
    it.closed("a")
    it.healthy("b")
    assert.deepStrictEqual(it.stop(), [
      "RollbackStarted cancelled a test",
      "Skipped a",
      "Interrupted c",
      "Skipped d",
      "Stopping b",
      "> Interrupt c",
      "> Release b"
    ])
    // What went wrong in its first attempt was not the end of it: being taken down was.
    for (const name of ["a", "d"]) {
      assert.deepStrictEqual(it.state.reason[it.position(name)], { _tag: "RolledBack", because: "a test" })
    }
    it.closed("b")
    assert.deepStrictEqual(some(it.closed("c"), "BootEnded"), ["BootEnded cancelled"])
  })

  it("reports a failure that would have ended the boot as well, when it was final", () => {
    const it = machine(["a", "b"])
    it.begin()
    it.failed("a")
    it.failed("b")
    it.closed("a")
    assert.deepStrictEqual(some(it.closed("b"), "Failed", "Skipped"), ["Failed b"])
  })

  it("does not wait for a swap that is under way, and takes no notice of its end", () => {
    const variant = (name: string) => ({ name, attempts: 1, retryMs: 0, timeoutMs: 1_000, deadlineMs: Infinity })
    const it = machine([{ name: "a", severity: "degraded", variants: [variant("a"), variant("b")] }])
    it.begin()
    it.failed("a", failure("degraded"))
    it.closed("a")
    it.healthy("a")
    it.persisted()
    assert.deepStrictEqual(it.restore("a"), ["SwapStarted a", "> Swap a"])
    assert.deepStrictEqual(it.stop(), ["RollbackStarted stopped a test", "Stopping a", "> Release a"])
    const end = { _tag: "Swapped", atMs: 0, component: 0, variant: 0, closing: "clean", restoreInMs: null } as const
    assert.deepStrictEqual(it.tell(end), [])
    assert.deepStrictEqual(it.closed("a"), ["Stopped a", "BootEnded stopped", "> End"])
  })
})
