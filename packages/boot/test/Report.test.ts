import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as fc from "fast-check"
import type { BootEvent, Closing, Failure } from "../src/BootEvent.ts"
import * as Manifest from "../src/Manifest.ts"
import * as Phase from "../src/Phase.ts"
import * as Plan from "../src/Plan.ts"
import * as Progress from "../src/Progress.ts"
import * as Report from "../src/Report.ts"

// ---------------------------------------------------------------------------------------------------------- the world

/** What an attempt does: it comes up, goes wrong, or hangs (`undefined`) after a while, and then takes a while to close. */
interface Attempt {
  readonly afterMs: number
  readonly then: "up" | Failure | undefined
  readonly closeMs: number
  /** Undefined hangs. */
  readonly closing: Closing | undefined
}

interface World {
  readonly manifests: ReadonlyArray<Manifest.Manifest>
  readonly limits?: Partial<Progress.Limits>
  readonly attempt: (name: string, variant: number, attempt: number) => Partial<Attempt>
  /** Delay after a failed attempt, and before a restoration; null for none. */
  readonly retryMs?: number | null
  readonly restoreMs?: number | null
  readonly stop?: { readonly atMs: number; readonly because: string }
  readonly invalid?: { readonly [name: string]: Failure }
  readonly health?: { readonly atMs: number; readonly component: string; readonly message: string }
}

const quick: Attempt = { afterMs: 10, then: "up", closeMs: 1, closing: "clean" }

/** Plays the driver in virtual time: answers commands, and ticks when `Progress` wants it. Deterministic. */
const logOf = (world: World): ReadonlyArray<BootEvent> => {
  const plan = Result.getOrThrow(Plan.make(world.manifests, { environment: "test" }))
  const limits = { ...Progress.defaultLimits, ...world.limits }
  const state = Progress.make(plan, limits)
  const name = (i: number) => plan.components[i]!.name
  const position = (one: string) => plan.index.get(one)!
  const log: Array<BootEvent> = [started(plan, limits)]
  const due: Array<{ readonly input: Progress.Input; readonly owner: object }> = []
  const cancelled = new Set<object>()
  const attempts = plan.components.map(() => ({ owner: {}, doing: quick }))
  const at = (owner: object, input: Progress.Input) => void due.push({ input, owner })
  const failedInput = (component: number, atMs: number, failure: Failure): Progress.Input => {
    const { restoreMs = null, retryMs = 5 } = world
    return { _tag: "Failed", atMs, component, failure, retryInMs: retryMs, restoreInMs: restoreMs }
  }
  const closeLater = (owner: object, component: number, fromMs: number, doing: Attempt) => {
    const { closeMs, closing } = doing
    if (closing !== undefined) at(owner, { _tag: "Closed", atMs: fromMs + closeMs, component, closing })
  }

  const execute = (command: Progress.Command, atMs: number) => {
    switch (command._tag) {
      case "Start": {
        const { attempt, component, variant } = command
        const doing = { ...quick, ...world.attempt(name(component), variant, attempt) }
        const owner = {}
        attempts[component] = { owner, doing }
        const endMs = atMs + doing.afterMs
        if (doing.then === "up") {
          at(owner, { _tag: "Acquired", atMs: endMs, component })
          at(owner, { _tag: "Healthy", atMs: endMs, component })
        } else if (doing.then !== undefined) {
          at(owner, failedInput(component, endMs, doing.then))
          closeLater(owner, component, endMs, doing)
        }
        return
      }
      case "Interrupt": {
        const { component, late } = command
        const { doing, owner } = attempts[component]!
        cancelled.add(owner)
        if (late !== undefined) at({}, failedInput(component, atMs, late.failure))
        closeLater({}, component, atMs, doing)
        return
      }
      case "Release":
        return closeLater({}, command.component, atMs, attempts[command.component]!.doing)
      case "Abandon":
        return
      case "Persist":
        return at({}, { _tag: "Persisted", atMs })
      case "Swap": {
        const { component, variant } = command
        const doing = { ...quick, ...world.attempt(name(component), variant, 99) }
        const base = { atMs: atMs + doing.afterMs, component, variant }
        const { restoreMs = null } = world
        if (doing.then === "up") at({}, { ...base, _tag: "Swapped", closing: "clean", restoreInMs: restoreMs })
        else at({}, { ...base, _tag: "SwapFailed", failure: doing.then ?? refused, retryInMs: restoreMs })
        return
      }
      case "End":
        return
    }
  }

  const { health, invalid, stop } = world
  if (invalid === undefined) at({}, { _tag: "Begin", atMs: 0 })
  else {
    const failures = new Map(Object.entries(invalid).map(([one, failure]) => [position(one), failure]))
    at({}, { _tag: "Invalid", atMs: 2, failures })
  }
  if (health !== undefined) at({}, { ...health, _tag: "HealthChanged", healthy: false, component: position(health.component) })
  if (stop !== undefined) at({}, { _tag: "Stop", ...stop })
  for (let steps = 0; steps < 2_000 && state.stage !== "ended"; steps++) {
    let first = -1
    due.forEach(({ input }, k) => {
      if (first < 0 || input.atMs < due[first]!.input.atMs) first = k
    })
    const wakeMs = Progress.nextWakeMs(state)
    let input: Progress.Input
    if (first < 0 || (wakeMs !== undefined && wakeMs < due[first]!.input.atMs)) {
      if (wakeMs === undefined) break
      input = { _tag: "Tick", atMs: wakeMs }
    } else {
      const [next] = due.splice(first, 1)
      if (cancelled.has(next!.owner)) continue
      input = next!.input
    }
    const output: Progress.Output = { events: [], commands: [] }
    Progress.advance(state, input, output)
    log.push(...output.events)
    for (const command of output.commands) execute(command, input.atMs)
  }
  return log
}

const started = (plan: Plan.Plan, limits: Progress.Limits): BootEvent => ({
  _tag: "BootStarted",
  atMs: 0,
  version: 1,
  bootId: "boot-1",
  nodeId: "node-a",
  environment: plan.environment,
  configVersion: "v7",
  startedAt: 1_790_000_000_000,
  concurrency: limits.slots,
  worstCaseMs: Plan.worstCaseMs(plan, { slots: limits.slots }),
  components: plan.components.map((component, i) => ({
    name: component.name,
    phase: Phase.all[plan.phase[i]!]!,
    severity: component.severity,
    needs: plan.needs[i]!.map((need) => plan.components[need]!.name),
    fallbacks: component.variants.slice(1).map((variant) => variant.name)
  }))
})

const refused: Failure = {
  kind: "error",
  tag: "Refused",
  message: "connect ECONNREFUSED 127.0.0.1:5432",
  severity: "critical"
}
const variant = (name: string, attempts = 1): Manifest.Variant => ({
  name,
  attempts,
  retryMs: 10_000,
  timeoutMs: 1_000,
  deadlineMs: Infinity
})

const reportOf = (world: World) => Report.fromEvents(logOf(world))
const of = (report: Report.Report, name: string) => report.components.find((one) => one.name === name)!

// ------------------------------------------------------------------------------------------------------ random worlds

const chance = (seed: number, ...parts: ReadonlyArray<string | number>): number => {
  let h = seed | 0
  for (const char of parts.join("/")) h = Math.imul(h ^ char.charCodeAt(0), 0x01000193)
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d)
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39)
  return ((h ^ (h >>> 15)) >>> 0) / 2 ** 32
}

const node = fc.record({
  needs: fc.array(fc.record({ back: fc.integer({ min: 1, max: 5 }), optional: fc.boolean() }), { maxLength: 3 }),
  phase: fc.integer({ min: 0, max: 3 }),
  severity: fc.constantFrom("critical" as const, "degraded" as const, "warning" as const),
  fallbacks: fc.integer({ min: 0, max: 2 }),
  attempts: fc.integer({ min: 1, max: 3 }),
  elsewhere: fc.integer({ min: 0, max: 9 })
})

const manifestsOf = (
  nodes: ReadonlyArray<typeof node extends fc.Arbitrary<infer N> ? N : never>
): ReadonlyArray<Manifest.Manifest> => {
  const phases: Array<number> = []
  return nodes.map(({ attempts, elsewhere, fallbacks, needs, phase, severity }, i) => {
    const reachable = needs.filter(({ back }) => back <= i)
    phases.push(Math.max(phase, ...reachable.map(({ back }) => phases[i - back]!)))
    const name = `c${i}`
    return Manifest.make({
      name,
      phase: Phase.all[phases[i]!]!,
      severity,
      optional: severity === "warning",
      environments: elsewhere === 0 ? ["elsewhere"] : undefined,
      slowMs: 300,
      stopMs: 200,
      variants: [
        variant(name, attempts),
        ...Array.from({ length: severity === "degraded" ? fallbacks + 1 : 0 }, (_, k) => variant(`f${k}`))
      ],
      needs: [...new Map(reachable.map(({ back, optional }) => [back, optional]))].map(([back, optional]) => ({
        key: `c${i - back}`,
        kind: optional || nodes[i - back]!.severity === "warning" ? ("optional" as const) : ("hard" as const)
      }))
    })
  })
}

/** Any boot: random graphs and faults, few or many slots, stopped in the middle, short of time. */
const worlds: fc.Arbitrary<World> = fc
  .record({
    nodes: fc.array(node, { minLength: 1, maxLength: 12 }),
    seed: fc.integer(),
    faults: fc.constantFrom(0, 0.15, 0.5),
    fatal: fc.constantFrom(0, 0.1),
    slots: fc.constantFrom(1, 2, 100),
    scheduling: fc.constantFrom("dataflow" as const, "phased" as const),
    bootMs: fc.constantFrom(600, 30_000, 30_000),
    stopMs: fc.option(fc.integer({ min: 0, max: 3_000 }), { nil: undefined }),
    restoreMs: fc.option(fc.integer({ min: 50, max: 200 }))
  })
  .map(({ bootMs, fatal, faults, nodes, restoreMs, scheduling, seed, slots, stopMs }) => {
    const manifests = manifestsOf(nodes)
    return {
      manifests,
      limits: { bootMs, scheduling, slots, rollbackMs: 500 },
      restoreMs,
      ...(stopMs === undefined ? {} : { stop: { atMs: stopMs, because: "SIGTERM" } }),
      attempt: (name, variantNumber, attempt) => {
        const roll = (what: string) => chance(seed, name, variantNumber, attempt, what)
        const { severity } = manifests.find((one) => one.name === name)!
        const kinds = ["error", "timeout", "unhealthy"] as const
        const failure: Failure = {
          kind: kinds[Math.floor(roll("kind") * kinds.length)]!,
          tag: ["Refused", "Gone"][Math.floor(roll("tag") * 2)]!,
          message: `no answer from ${Math.floor(roll("message") * 3)}`,
          severity: roll("fatal") < fatal ? "critical" : variantNumber > 0 ? "warning" : severity
        }
        return {
          afterMs: Math.round(roll("after") * 1_000) / 10,
          then: roll("fails") >= (variantNumber > 0 ? faults / 4 : faults) ? "up" : roll("hangs") < 0.1 ? undefined : failure,
          closeMs: Math.round(roll("close") * 100) / 10,
          closing: roll("unclean") < 0.02 ? undefined : roll("unclean") < 0.04 ? "failed" : "clean"
        } satisfies Attempt
      }
    }
  })

const laws = (property: (report: Report.Report, world: World, log: ReadonlyArray<BootEvent>) => void, runs = 400) => {
  const seen = new Map<string, number>()
  fc.assert(
    fc.property(worlds, (world) => {
      const log = logOf(world)
      const report = Report.fromEvents(log)
      seen.set(report.outcome, (seen.get(report.outcome) ?? 0) + 1)
      property(report, world, log)
    }),
    { numRuns: runs }
  )
  // A law that only failed boots had to obey would prove little.
  for (const outcome of ["ready", "degraded", "failed", "cancelled", "stopped"]) {
    assert.isAbove(seen.get(outcome) ?? 0, runs / 100, outcome)
  }
}

const near = (actual: number, expected: number, what: string) =>
  assert.closeTo(actual, expected, 1e-6 * Math.max(1, Math.abs(expected)), what)

describe("Report", () => {
  it("accounts for every millisecond of every component until it settles", () => {
    laws((report) => {
      for (const one of report.components) {
        const spent = one.waitingMs + one.queuedMs + one.runningMs + one.backoffMs
        near(spent, one.settledAtMs ?? report.atMs, one.name)
        assert.isTrue([one.waitingMs, one.queuedMs, one.runningMs, one.backoffMs].every((ms) => ms >= 0))
        const attempts = one.attempts.reduce((sum, { durationMs }) => sum + durationMs, 0)
        near(one.runningMs, attempts, `attempts of ${one.name}`)
      }
    })
  })

  it("accounts for it as well while the boot is under way", () => {
    laws((_, world, log) => {
      const fold = Report.make()
      const upTo = Math.floor(log.length * chance(log.length, world.manifests.length))
      for (const event of log.slice(0, upTo + 1)) Report.step(fold, event)
      const early = Report.read(fold)
      const before = JSON.stringify(early)
      for (const one of early.components) {
        near(one.waitingMs + one.queuedMs + one.runningMs + one.backoffMs, one.settledAtMs ?? early.atMs, one.name)
        assert.isAbove(Report.why(early, one.name).length, 0)
      }
      assert.isAbove(Report.text(early).length, 0)
      for (const event of log.slice(upTo + 1)) Report.step(fold, event)
      assert.strictEqual(JSON.stringify(early), before, "a report that was read does not change")
      assert.deepStrictEqual(Report.read(fold), Report.fromEvents(log))
    })
  })

  it("finds a critical path of real edges that ends with the last one to settle before READY", () => {
    laws((report) => {
      const path = report.criticalPath.map((name) => of(report, name))
      assert.strictEqual(new Set(path).size, path.length)
      near(report.criticalPathMs, path.reduce((sum, one) => sum + one.runningMs + one.backoffMs, 0), "sum")
      path.slice(1).forEach((one, k) => {
        const before = path[k]!
        const isGate =
          (before.phase === "pre" && one.phase !== "pre") ||
          Phase.rank[before.phase] < Phase.rank[one.phase] ||
          (one.phase === "post" && before.phase !== "post" && before.severity === "critical")
        assert.isTrue(one.needs.includes(before.name) || isGate, `${before.name} → ${one.name}`)
        assert.isAtMost(before.settledAtMs!, one.startedAtMs ?? one.settledAtMs!)
      })
      if (report.readyAtMs === null) return
      const ran = report.components.filter(({ attempts }) => attempts.length > 0)
      assert.strictEqual(path.length === 0, ran.length === 0)
      const last = Math.max(0, ...ran.map(({ settledAtMs }) => settledAtMs!))
      if (path.length > 0) assert.strictEqual(path.at(-1)!.settledAtMs, last)
      assert.isAtMost(report.criticalPathMs, report.readyAtMs + 1e-6)
      near(report.overheadMs, report.readyAtMs - report.criticalPathMs, "overhead")
    })
  })

  it("explains all of the time to READY by the critical path when there are slots for everyone", () => {
    let explained = 0
    laws((report) => {
      if (report.readyAtMs === null || report.concurrency < 100) return
      explained++
      near(report.criticalPathMs, report.readyAtMs, "critical path")
      near(report.overheadMs, 0, "overhead")
      assert.closeTo(report.parallelEfficiency, 1, 1e-9)
    })
    assert.isAbove(explained, 20)
  })

  it("keeps its figures in bounds, and the phases add up", () => {
    laws((report) => {
      assert.isTrue(report.parallelEfficiency >= 0 && report.parallelEfficiency <= 1)
      near(report.speedup * report.durationMs, report.durationMs > 0 ? report.sequentialMs : 0, "speedup")
      assert.isAtLeast(report.sequentialMs, report.criticalPathMs - 1e-6)
      if (report.readyAtMs === null) return
      near(report.phases.reduce((sum, { durationMs }) => sum + durationMs, 0), report.readyAtMs, "phases")
      if (report.readyAtMs > 0) near(report.phases.reduce((sum, { share }) => sum + share, 0), 1, "shares")
      assert.deepStrictEqual(report.checkpoints.map(({ checkpoint }) => checkpoint), [...Phase.checkpoints])
    })
  })

  it("survives JSON and its own Schema", () => {
    const decode = Schema.decodeUnknownSync(Report.Report)
    const encode = Schema.encodeUnknownSync(Report.Report)
    laws((report) => {
      assert.deepStrictEqual(decode(JSON.parse(JSON.stringify(report))), report)
      assert.deepStrictEqual(encode(report), report)
    }, 150)
  })

  it("leads from every component that is not up to a root cause", () => {
    laws((report) => {
      for (const one of report.components) {
        const chain = Report.why(report, one.name)
        assert.isTrue(chain[0]!.startsWith(one.name))
        assert.strictEqual(new Set(chain).size, chain.length)
        chain.slice(1).forEach((sentence, k) => assert.include(chain[k]!, sentence.split(" ")[0]!))
        if (one.state === "ready") continue
        // Each end of a chain is an error, the environment, a person, or what is still going on.
        assert.match(
          chain.at(-1)!,
          /(Refused|Gone|TimedOut|no answer) |because of SIGTERM$|exists only in elsewhere|is still /,
          chain.join("\n")
        )
      }
    })
  })

  it("groups root causes and counts each component that was lost to one", () => {
    laws((report) => {
      const keys = report.failures.map(({ message, tag }) => `${tag} ${message}`)
      assert.strictEqual(new Set(keys).size, keys.length)
      const named = report.failures.flatMap(({ components, notStarted }) => [...components, ...notStarted])
      assert.strictEqual(new Set(named).size, named.length)
      for (const one of report.components) {
        if (one.state === "failed" || one.state === "degraded") assert.include(named, one.name)
        if (one.state === "ready") assert.notInclude(named, one.name)
      }
      assert.strictEqual(report.outcome === "ready" && report.failures.length > 0, false)
    })
  })
})
