import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import type { BootEvent, Closing, Failure } from "../src/BootEvent.ts"
import * as Invariants from "../src/Invariants.ts"
import * as Manifest from "../src/Manifest.ts"
import * as Phase from "../src/Phase.ts"
import * as Plan from "../src/Plan.ts"
import * as Progress from "../src/Progress.ts"

// -------------------------------------------------------------------------------------------- a world, one seed each

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
const chances = (seed: number) => {
  let a = seed | 0
  const next = () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (n: number) => Math.floor(next() * n)
  const oneOf = <A>(...options: readonly [A, ...ReadonlyArray<A>]): A => options[below(options.length)] ?? options[0]
  return { next, below, oneOf, happens: (share: number) => next() < share }
}

type Answer = (atMs: number) => Progress.Input

/** Boots a plan in a world that answers, fails, hangs, is asked to stop and to restore, until everything is down. */
const bootInWorld = (plan: Plan.Plan, limits: Progress.Limits, seed: number): ReadonlyArray<BootEvent> => {
  const { below, happens, next, oneOf } = chances(seed)
  const state = Progress.make(plan, limits)
  const out: Progress.Output = { events: [], commands: [] }
  const log: Array<BootEvent> = []
  const pending: Array<{ readonly atMs: number; readonly answer: Answer; readonly counts: () => boolean }> = []
  const token = plan.components.map(() => 0)
  const swaps = plan.components.map(() => 0)
  const faults = oneOf(0, 0.05, 0.15, 0.4)
  const hangs = oneOf(0, 0.05, 0.3)
  const [integers, pace] = [happens(0.7), oneOf(3, 10, 25)]
  let nowMs = 0

  const delay = (mostMs: number) => (integers ? below(mostMs + 1) : next() * mostMs)
  const later = (inMs: number, answer: Answer, counts = () => true) =>
    void pending.push({ atMs: nowMs + inMs, answer, counts })
  const latest = (i: number) => {
    const mine = ++token[i]!
    return () => token[i] === mine
  }
  const failure = (i: number): Failure => {
    const { severity } = plan.components[i]!
    const chosen = happens(0.85) ? severity : "critical"
    return { kind: "error", tag: "Broken", message: "it broke", severity: chosen }
  }
  const failed = (i: number, why: Failure): Answer => {
    const { attempts, retryMs } = plan.components[i]!.variants[state.variant[i]!]!
    const retryInMs = attempts === 1 || happens(0.1) ? null : integers ? below(retryMs / (attempts - 1) + 1) : retryMs / (attempts - 1) * next()
    const restoreInMs = happens(0.5) ? null : delay(60)
    return (atMs) => ({ _tag: "Failed", atMs, component: i, failure: why, retryInMs, restoreInMs })
  }
  const close = (i: number, inMs: number, counts: () => boolean) => {
    const closing: Closing = happens(0.15) ? "failed" : "clean"
    if (!happens(hangs)) later(inMs + delay(happens(0.8) ? 3 : 30), (atMs) => ({ _tag: "Closed", atMs, component: i, closing }), counts)
  }
  const start = (i: number) => {
    const counts = latest(i)
    if (happens(hangs)) return
    const inMs = delay(pace)
    const failsAt = happens(faults) ? oneOf("start", "probe") : undefined
    if (failsAt !== "start") later(inMs, (atMs) => ({ _tag: "Acquired", atMs, component: i }), counts)
    const afterMs = inMs + delay(pace / 2)
    if (failsAt === undefined) return later(afterMs, (atMs) => ({ _tag: "Healthy", atMs, component: i }), counts)
    later(afterMs, failed(i, failure(i)), counts)
    close(i, afterMs, counts)
  }
  const interrupt = (i: number, late: Progress.Late | undefined) => {
    const counts = latest(i)
    const inMs = happens(0.7) ? 0 : delay(10)
    if (late !== undefined) later(inMs, failed(i, late.failure), counts)
    else if (happens(0.2)) later(inMs, failed(i, failure(i)), counts)
    close(i, inMs, counts)
  }
  const swap = (i: number, variant: number) => {
    const mine = ++swaps[i]!
    const counts = () => swaps[i] === mine
    const base = { component: i, variant }
    const [closing, restoreInMs] = [oneOf<Closing>("clean", "clean", "failed"), happens(0.5) ? null : delay(60)]
    const why = failure(i)
    if (happens(0.1)) return
    if (happens(0.7)) later(delay(20), (atMs) => ({ ...base, _tag: "Swapped", atMs, closing, restoreInMs }), counts)
    else later(delay(20), (atMs) => ({ ...base, _tag: "SwapFailed", atMs, failure: why, retryInMs: restoreInMs }), counts)
  }
  const execute = (command: Progress.Command): void => {
    switch (command._tag) {
      case "Start":
        return start(command.component)
      case "Interrupt":
        return interrupt(command.component, command.late)
      case "Release":
        return close(command.component, 0, latest(command.component))
      case "Abandon":
        return void latest(command.component)
      case "Persist":
        return later(delay(3), (atMs) => ({ _tag: "Persisted", atMs }))
      case "Swap":
        return swap(command.component, command.variant)
      case "End":
    }
  }

  const n = plan.components.length
  if (happens(0.02)) later(0, (atMs) => ({ _tag: "Stop", atMs, because: "before it began" }))
  else if (happens(0.02)) {
    const failures = new Map([[below(n), { ...failure(0), severity: "critical" as const }]])
    later(0, (atMs) => ({ _tag: "Invalid", atMs, failures }))
  } else later(0, (atMs) => ({ _tag: "Begin", atMs }))
  if (happens(0.3)) later(delay(120), (atMs) => ({ _tag: "Stop", atMs, because: "somebody" }))
  for (let k = below(6); k > 0; k--) {
    const i = below(n)
    later(delay(600), (atMs) => ({ _tag: "Restore", atMs, component: i }))
    const healthy = happens(0.2)
    later(delay(600), (atMs) => ({ _tag: "HealthChanged", atMs, component: i, healthy, message: "" }), () => Progress.isUp(state, i))
  }
  later(1500, (atMs) => ({ _tag: "Stop", atMs, because: "the end" }))

  for (let steps = 0; state.stage !== "ended"; steps++) {
    if (steps > 20_000) throw new Error("The boot does not come to an end.")
    const wakeMs = Progress.nextWakeMs(state) ?? Infinity
    let first = 0
    pending.forEach(({ atMs }, k) => { if (atMs < pending[first]!.atMs) first = k })
    const due = pending[first]?.atMs ?? Infinity
    if (wakeMs === Infinity && due === Infinity) throw new Error(`Nothing will ever happen: ${state.stage}`)
    const ticks = wakeMs < due || (wakeMs === due && happens(0.5))
    nowMs = Math.max(nowMs, ticks ? wakeMs : due)
    const one = ticks ? undefined : pending.splice(first, 1)[0]!
    if (one?.counts() === false) continue
    Progress.advance(state, one?.answer(nowMs) ?? { _tag: "Tick", atMs: nowMs }, out)
    log.push(...out.events.splice(0))
    for (const command of out.commands.splice(0)) execute(command)
  }
  return log
}

/** The first violation of a whole log. */
const audit = (plan: Plan.Plan, limits: Progress.Limits, log: ReadonlyArray<BootEvent>, worstCaseMs = Infinity) => {
  const checker = Invariants.make(plan, limits)
  for (const event of log) {
    const violation = Invariants.check(checker, event)
    if (violation !== undefined) return violation
  }
  return Invariants.finish(checker) ?? Invariants.checkLiveness(checker, { worstCaseMs })
}

// -------------------------------------------------------------------------------------------------------- any graph

const variants = (names: ReadonlyArray<string>) =>
  fc.array(
    fc.record({
      attempts: fc.integer({ min: 1, max: 3 }),
      capMs: fc.constantFrom(0, 5, 10),
      timeoutMs: fc.constantFrom(10, 20, 40),
      deadlineMs: fc.constantFrom(Infinity, Infinity, 30, 60)
    }),
    { minLength: names.length, maxLength: names.length }
  ).map((all) => all.map(({ capMs, ...v }, k) => ({ ...v, name: names[k]!, retryMs: capMs * (v.attempts - 1) })))

/** `odd` also makes what types forbid: optional components that are not warnings, a degraded one without a fallback. */
const nodes = (odd: boolean) => fc.array(
  fc.record({
    phase: fc.integer({ min: 0, max: 3 }),
    kind: fc.constantFrom("critical", "critical", "degraded", "warning", "warning"),
    needs: fc.array(fc.record({ back: fc.nat({ max: 11 }), kind: fc.constantFrom("hard", "hard", "optional", "late") }), { maxLength: 3 }),
    fallbacks: fc.nat({ max: 2 }).chain((n) => variants(["own", "first", "second"].slice(0, n + 1))),
    environments: fc.constantFrom(undefined, undefined, undefined, ["here"], ["there"]),
    slowMs: fc.constantFrom(5, 100),
    stopMs: fc.constantFrom(5, 10, 20),
    priority: fc.nat({ max: 2 }),
    oddity: odd ? fc.nat({ max: 5 }) : fc.constant(0)
  }),
  { minLength: 1, maxLength: 12 }
)

const graph = (odd: boolean) => nodes(odd).map((list) => {
  const phases = list.map(({ phase }) => phase).sort()
  const names = list.map((_, k) => `${"qwertyuiopas"[(k * 7) % 12]}${k}`)
  const optional = list.map(({ kind, oddity }) => (oddity === 1 ? kind !== "warning" : kind === "warning"))
  const manifests = list.map((node, k): Manifest.Manifest => {
    const [first, ...rest] = node.fallbacks
    const severity: Failure["severity"] = node.kind === "degraded" && rest.length === 0 && node.oddity !== 2 ? "critical" : node.kind as "critical"
    return Manifest.make({
      ...node,
      name: names[k]!,
      phase: Phase.all[phases[k]!]!,
      severity,
      optional: optional[k]! ,
      variants: [first!, ...rest],
      needs: k === 0 ? [] : node.needs.map(({ back, kind }) => ({ key: names[back % k]!, kind: kind as "hard" }))
    })
  })
  return Result.getOrThrow(Plan.make(manifests, { environment: "here" }))
})

const limits: fc.Arbitrary<Progress.Limits> = fc.record({
  slots: fc.integer({ min: 1, max: 4 }),
  scheduling: fc.constantFrom("dataflow", "phased"),
  bootMs: fc.constantFrom(80, 300, 5000),
  rollbackMs: fc.constantFrom(15, 60, 1000),
  phaseMs: fc.constantFrom(40, 200, 5000)
}).map(({ phaseMs, ...rest }) => {
  const one = { targetMs: phaseMs / 2, maxMs: phaseMs }
  return { ...rest, phases: { pre: one, core: one, service: one, post: one } }
})
const runs = Number(process.env["RUNS"] ?? 2000)
const odd = process.env["ODD"] === "1"
describe("scratch", () => {
  it("fuzz", () => {
    const seen = new Map<string, number>()
    const seed = Number(process.env["SEED"] ?? 1)
    const r = fc.check(fc.property(graph(odd), limits, fc.integer(), (plan, limits, seed) => {
      const log = bootInWorld(plan, limits, seed)
      for (const e of log) { const k = e._tag + ("outcome" in e ? e.outcome : "") ; seen.set(k, (seen.get(k) ?? 0) + 1) }
      const v = audit(plan, limits, log, process.env["LIVE"] ? Math.min(Plan.worstCaseMs(plan, limits), limits.bootMs + 20) : Infinity)
      if (v) throw new Error(JSON.stringify(v))
    }), { numRuns: runs, seed })
    console.log(seen)
    if (r.failed) {
      const [plan, limits, seed] = r.counterexample!
      console.log(r.numRuns, r.seed, r.numShrinks)
      console.log(JSON.stringify(plan.components.map(({name,phase,severity,optional,environments,variants,needs,stopMs,slowMs}) => ({name,phase,severity,optional,environments,variants,needs: needs.map(n => n.kind+":"+n.key).join(),stopMs,slowMs})), null, 0).replaceAll("},{\"name\"", "},\n{\"name\""))
      console.log(JSON.stringify(limits), seed)
      try { for (const e of bootInWorld(plan, limits, seed)) console.log(JSON.stringify(e)) } catch (e) { console.log(e) }
      console.log((r.errorInstance as Error)?.stack?.slice(0, 600))
    }
  }, 120000)
})
