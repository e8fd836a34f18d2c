import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import type { BootEvent, Failure } from "../src/BootEvent.ts"
import * as ByHand from "../src/ByHand.ts"
import * as Invariants from "../src/Invariants.ts"
import * as Manifest from "../src/Manifest.ts"
import * as Plan from "../src/Plan.ts"
import * as Progress from "../src/Progress.ts"

const failure: Failure = { kind: "error", tag: "Down", message: "down", severity: "warning" }
const variant = (name: string) => ({ name, attempts: 1, retryMs: 0, timeoutMs: 1_000, deadlineMs: Infinity })
const optional = { optional: true, severity: "warning" } as const

/** A boot that is told facts by name, judged after every event. */
const boot = (...manifests: ReadonlyArray<Manifest.Manifest>) => {
  const plan = Result.getOrThrow(Plan.make(manifests))
  const state = Progress.make(plan)
  const checker = Invariants.make(plan, Progress.defaultLimits)
  const output: Progress.Output = { events: [], commands: [] }
  let atMs = 0
  const at = (name: string) => plan.index.get(name)!
  const tell = (input: Progress.Input) => {
    Progress.advance(state, input, output)
    for (const event of output.events) assert.isUndefined(Invariants.check(checker, event)?.message)
    const told = output.events.map((event: BootEvent) =>
      "component" in event ? `${event._tag.replace("Component", "")} ${event.component}` : event._tag
    )
    output.events.length = 0
    return told
  }
  const now = () => ++atMs
  const it = {
    plan,
    state,
    checker,
    commands: output.commands,
    status: (name: string) => Progress.statusNames[state.status[at(name)]!],
    up: (name: string) => tell({ _tag: "Healthy", atMs: now(), component: at(name) }),
    fail: (name: string, restoreInMs: number | null = null) => {
      tell({ _tag: "Failed", atMs: now(), component: at(name), failure, retryInMs: null, restoreInMs })
      return tell({ _tag: "Closed", atMs, component: at(name), closing: "clean" })
    },
    closed: (name: string) => tell({ _tag: "Closed", atMs: now(), component: at(name), closing: "clean" }),
    ask: (name: string, how: "exchange" | "restart" | "stop") =>
      tell({ _tag: "ByHand", atMs: now(), component: at(name), how }),
    restore: (name: string) => tell({ _tag: "Restore", atMs: now(), component: at(name) }),
    health: (name: string, healthy: boolean) =>
      tell({ _tag: "HealthChanged", atMs: now(), component: at(name), healthy, message: "" }),
    tick: (ms: number) => tell({ _tag: "Tick", atMs: (atMs = ms) }),
    stop: () => tell({ _tag: "Stop", atMs: now(), because: "" }),
    objection: (name: string, how: "exchange" | "restart" | "stop") => ByHand.objection(state, at(name), how)
  }
  tell({ _tag: "Begin", atMs: 0 })
  return { ...it, persisted: () => tell({ _tag: "Persisted", atMs: now() }) }
}

/** `top` needs `left` and `right`, both need `base`; all of them are up. */
const diamond = () => {
  const it = boot(
    Manifest.make({ name: "base" }),
    Manifest.make({ name: "left", needs: ["base"] }),
    Manifest.make({ name: "right", needs: ["base"] }),
    Manifest.make({ name: "top", needs: ["left", "right"] })
  )
  for (const name of ["base", "left", "right", "top"]) it.up(name)
  it.persisted()
  assert.strictEqual(it.state.stage, "ready")
  return it
}

describe("ByHand", () => {
  it("takes holders down first, in parallel where the graph allows, and starts them last", () => {
    const it = diamond()
    assert.deepStrictEqual(it.ask("base", "restart"), ["Stopping top"])
    assert.deepStrictEqual(it.closed("top"), ["Stopped top", "Stopping right", "Stopping left"])
    assert.deepStrictEqual(it.closed("left"), ["Stopped left"])
    assert.deepStrictEqual(it.closed("right"), ["Stopped right", "Stopping base"])
    assert.deepStrictEqual(it.closed("base"), ["Stopped base", "Started base"])
    assert.deepStrictEqual(it.up("base"), ["Ready base", "Started left", "Started right"])
    assert.deepStrictEqual(it.up("right"), ["Ready right"])
    assert.isTrue(ByHand.isUnderWay(it.state))
    assert.deepStrictEqual(it.up("left"), ["Ready left", "Started top"])
    assert.deepStrictEqual(it.up("top"), ["Ready top"])
    assert.isFalse(ByHand.isUnderWay(it.state))
  })

  it("touches nobody that does not hold it", () => {
    const it = diamond()
    assert.deepStrictEqual(
      ByHand.withHolders(it.state, it.plan.index.get("left")!).map((i) => it.plan.components[i]!.name),
      ["top", "left"]
    )
    it.ask("left", "restart")
    assert.strictEqual(it.status("right"), "ready")
    assert.strictEqual(it.status("base"), "ready")
  })

  it("waits with restorations until it is over: what they need may be on its way down", () => {
    const it = boot(
      Manifest.make({ name: "base" }),
      Manifest.make({ name: "index", needs: ["base"], ...optional }),
      Manifest.make({ name: "top", needs: ["base"] })
    )
    it.up("base")
    it.fail("index", 50)
    it.up("top")
    it.persisted()
    assert.strictEqual(it.status("index"), "absent")
    assert.deepStrictEqual(it.ask("base", "restart"), ["Stopping top"])
    assert.deepStrictEqual(it.tick(1_000), [])
    assert.deepStrictEqual(it.restore("index"), [])
    it.closed("top")
    it.closed("base")
    it.up("base")
    assert.deepStrictEqual(it.up("top"), ["Ready top", "Started index"])
  })

  it("does not let a component give way to its fallback while it goes down", () => {
    const cache = Manifest.make({
      name: "cache",
      severity: "degraded",
      needs: ["base"],
      variants: [variant("cache"), variant("memory")]
    })
    const it = boot(Manifest.make({ name: "base" }), cache, Manifest.make({ name: "top", needs: ["cache"] }))
    for (const name of ["base", "cache", "top"]) it.up(name)
    it.persisted()
    assert.deepStrictEqual(it.ask("base", "restart"), ["Stopping top"])
    assert.deepStrictEqual(it.health("cache", false), ["HealthChanged cache"])
    assert.deepStrictEqual(it.closed("top"), ["Stopped top", "Stopping cache"])
  })

  it("waits for what is taken out before it starts again whoever can do without", () => {
    const it = boot(
      Manifest.make({ name: "metrics", ...optional }),
      Manifest.make({ name: "alerts", needs: ["metrics"], ...optional }),
      Manifest.make({ name: "api", needs: [{ key: "metrics", kind: "optional" }], ...optional })
    )
    for (const name of ["metrics", "alerts", "api"]) it.up(name)
    it.persisted()
    assert.deepStrictEqual(it.ask("metrics", "stop"), ["Stopping api", "Stopping alerts"])
    assert.deepStrictEqual(it.closed("api"), ["Stopped api"])
    assert.deepStrictEqual(it.closed("alerts"), ["Stopped alerts", "Stopping metrics"])
    assert.deepStrictEqual(it.closed("metrics"), ["Stopped metrics", "Skipped alerts", "Started api"])
    it.up("api")
    assert.isFalse(ByHand.isUnderWay(it.state))
    assert.deepStrictEqual(it.restore("metrics"), ["Started metrics"])
    assert.deepStrictEqual(it.up("metrics"), ["Ready metrics", "Started alerts"])
  })

  it("is over when everything goes down, and leaves no command behind", () => {
    const it = diamond()
    it.ask("base", "restart")
    it.closed("top")
    it.closed("left")
    assert.include(it.stop(), "RollbackStarted")
    assert.isFalse(ByHand.isUnderWay(it.state))
    it.closed("right")
    assert.deepStrictEqual(it.closed("base"), ["Stopped base", "BootEnded"])
    assert.isUndefined(Invariants.finish(it.checker))
  })

  it("says why something cannot be asked, and then asking changes nothing", () => {
    const early = boot(Manifest.make({ name: "a" }))
    assert.strictEqual(early.objection("a", "restart"), "the node is not up, or goes down")
    const it = diamond()
    assert.match(it.objection("top", "exchange") ?? "", /^it has no fallback/)
    assert.strictEqual(it.objection("top", "stop"), "the node cannot do without it")
    assert.strictEqual(it.objection("base", "stop"), "top holds it, and the node cannot do without top")
    for (const [name, how] of [
      ["top", "exchange"],
      ["top", "stop"],
      ["base", "stop"]
    ] as const) {
      assert.deepStrictEqual(it.ask(name, how), [])
    }
    it.ask("top", "restart")
    assert.match(it.objection("base", "restart") ?? "", /^top is on its way down or up because of such a request/)
    assert.deepStrictEqual(it.ask("base", "restart"), [])
  })

  it("objects while somebody is being built on it", () => {
    const it = boot(Manifest.make({ name: "base" }), Manifest.make({ name: "late", needs: ["base"], ...optional }))
    it.up("base")
    it.fail("late")
    it.persisted()
    it.restore("late")
    assert.strictEqual(it.objection("base", "restart"), "late is being built on it; wait until that is over")
    it.up("late")
    assert.isUndefined(it.objection("base", "restart"))
  })

  it("brings everything back, whatever the graph, whoever is restarted, and in whatever order things are closed", () => {
    let parallel = 0
    const graphs = fc.array(fc.array(fc.nat({ max: 5 }), { maxLength: 3 }), { minLength: 1, maxLength: 7 })
    fc.assert(
      fc.property(graphs, fc.nat(), fc.array(fc.nat(), { maxLength: 40 }), (graph, target, picks) => {
        const needs = graph.map((back, i) => [...new Set(back.map((b) => i - 1 - b).filter((at) => at >= 0))])
        const it = boot(...needs.map((all, i) => Manifest.make({ name: `c${i}`, needs: all.map((at) => `c${at}`) })))
        needs.forEach((_, i) => it.up(`c${i}`))
        it.persisted()
        const name = `c${target % graph.length}`
        const expected = ByHand.withHolders(it.state, it.plan.index.get(name)!).length
        it.commands.length = 0
        it.ask(name, "restart")
        let turn = 0
        const released: Array<number> = []
        const started: Array<number> = []
        while (ByHand.isUnderWay(it.state)) {
          const open = it.commands.filter(({ _tag }) => _tag === "Release" || _tag === "Start")
          assert.isNotEmpty(open, "it waits for nothing")
          if (open.length > 1) parallel++
          const next = open[(picks[turn++] ?? 0) % open.length]!
          it.commands.splice(it.commands.indexOf(next), 1)
          if (next._tag === "Release") it.closed(it.plan.components[next.component]!.name)
          if (next._tag === "Start") it.up(it.plan.components[next.component]!.name)
          if ("component" in next) (next._tag === "Release" ? released : started).push(next.component)
        }
        // Each of them once down and once up, and all of them up in the end.
        assert.lengthOf(released, expected)
        assert.sameMembers(started, released)
        assert.isTrue(it.plan.components.every(({ name }) => it.status(name) === "ready"))
      }),
      { numRuns: 500, seed: 7 }
    )
    assert.isAbove(parallel, 20)
  })
})
