import { assert, describe, it } from "@effect/vitest"
import { HashMap, Option, Result } from "effect"
import * as fc from "fast-check"
import type { BootEvent, Failure } from "../src/BootEvent.ts"
import * as Manifest from "../src/Manifest.ts"
import * as Phase from "../src/Phase.ts"
import * as Plan from "../src/Plan.ts"
import * as Progress from "../src/Progress.ts"
import * as Status from "../src/Status.ts"

const refused = (severity: Failure["severity"]): Failure => ({ kind: "error", tag: "Refused", message: "no", severity })

const of = (status: Status.Status, name: string) => Option.getOrThrow(HashMap.get(status.components, name))

// ------------------------------------------------------------------------------------- a world that answers in any order

interface Moved {
  readonly name: string
  readonly from: Status.State
  readonly to: Status.State
}

interface Told {
  readonly log: ReadonlyArray<BootEvent>
  /** The state of each component, by name, after each batch: what a status of that batch must say. */
  readonly truth: ReadonlyArray<{ readonly events: number; readonly states: ReadonlyMap<string, Status.State> }>
}

/**
 * Boots under an adversary: whatever is outstanding may be answered next, well or badly, late or never; timers fire, the
 * health of anything turns, someone restores or stops. `choices` decides, and the rest of the boot runs to its end.
 */
const boot = (
  manifests: ReadonlyArray<Manifest.Manifest>,
  limits: Progress.Limits,
  choices: ReadonlyArray<number>
): Told => {
  const plan = Result.getOrThrow(Plan.make(manifests, { environment: "here" }))
  const state = Progress.make(plan, limits)
  const open = new Map<string, ReadonlyArray<Progress.Input>>()
  const log: Array<BootEvent> = [
    {
      _tag: "BootStarted",
      atMs: 0,
      version: 1,
      bootId: "boot-1",
      nodeId: "node-a",
      environment: plan.environment,
      configVersion: "v7",
      startedAt: 0,
      concurrency: limits.slots,
      worstCaseMs: 0,
      components: plan.components.map(({ name, severity, variants }, i) => ({
        name,
        phase: Phase.all[plan.phase[i]!]!,
        severity,
        needs: [],
        fallbacks: variants.slice(1).map((variant) => variant.name)
      }))
    }
  ]
  const truth: Array<Told["truth"][number]> = []
  let atMs = 0

  const advance = (input: Progress.Input) => {
    const output: Progress.Output = { events: [], commands: [] }
    Progress.advance(state, { ...input, atMs }, output)
    log.push(...output.events)
    output.commands.forEach(answer)
    const states = new Map(plan.components.map(({ name }, i) => [name, Progress.statusNames[state.status[i]!]!]))
    truth.push({ events: log.length, states })
  }
  const badly = (component: number, severity: Failure["severity"], retryInMs: number | null): Progress.Input => ({
    _tag: "Failed",
    atMs,
    component,
    failure: refused(severity),
    retryInMs,
    restoreInMs: 50
  })
  const closes = (component: number): ReadonlyArray<Progress.Input> =>
    (["clean", "clean", "failed"] as const).map((closing) => ({ _tag: "Closed", atMs, component, closing }))
  const answer = (command: Progress.Command) => {
    switch (command._tag) {
      case "Start": {
        const { component } = command
        const { severity } = plan.components[component]!
        const well = { _tag: "Healthy", atMs, component } as const
        const failures = [badly(component, severity, 10), badly(component, severity, null)]
        // A boot in which everything fails would not show much: most of what is critical comes up.
        open.set(`start ${component}`, [
          ...new Array<Progress.Input>(severity === "critical" ? 12 : 3).fill(well),
          ...failures,
          ...(severity === "warning" ? [badly(component, "critical", null)] : [])
        ])
        return
      }
      case "Interrupt":
        open.delete(`start ${command.component}`)
        open.set(`close ${command.component}`, closes(command.component))
        return
      case "Release":
        open.set(`close ${command.component}`, closes(command.component))
        return
      case "Abandon":
        open.delete(`close ${command.component}`)
        return
      case "Persist":
        open.set("persist", [{ _tag: "Persisted", atMs }])
        return
      case "Swap": {
        const { component, variant } = command
        const failure = refused("degraded")
        open.set(`swap ${component}`, [
          { _tag: "Swapped", atMs, component, variant, closing: "clean", restoreInMs: 50 },
          { _tag: "SwapFailed", atMs, component, variant, failure, retryInMs: 50 }
        ])
        return
      }
      case "End":
        open.clear()
        return
    }
  }
  const take = (key: string, choice: number) => {
    const answers = open.get(key)!
    const input = answers[choice % answers.length]!
    open.delete(key)
    if (input._tag === "Failed") open.set(`close ${input.component}`, closes(input.component))
    advance(input)
  }
  const tick = () => {
    const wakeMs = Progress.nextWakeMs(state)
    if (wakeMs === undefined) return false
    atMs = Math.max(atMs, wakeMs)
    advance({ _tag: "Tick", atMs })
    return true
  }

  advance({ _tag: "Begin", atMs })
  for (const choice of choices) {
    atMs += 1
    const keys = [...open.keys()]
    const component = choice % plan.components.length
    switch (choice % 16) {
      case 0:
        tick()
        break
      case 1:
        advance({ _tag: "HealthChanged", atMs, component, healthy: choice % 3 === 0, message: "slow" })
        break
      case 2:
        advance({ _tag: "Restore", atMs, component })
        break
      case 3:
        if (choice % 7 === 0) advance({ _tag: "Stop", atMs, because: "SIGTERM" })
        break
      default:
        if (keys.length > 0) take(keys[choice % keys.length]!, choice >> 4)
    }
  }
  for (let k = 0; k < 200 && state.stage !== "ended"; k++) {
    const [key] = open.keys()
    if (key !== undefined) take(key, 0)
    else if (state.stage === "ready" || !tick()) break
  }
  return { log, truth }
}

const manifests: fc.Arbitrary<ReadonlyArray<Manifest.Manifest>> = fc
  .array(
    fc.record({
      needs: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
      severity: fc.constantFrom("critical" as const, "degraded" as const, "warning" as const, "warning" as const),
      attempts: fc.integer({ min: 1, max: 3 }),
      post: fc.boolean(),
      elsewhere: fc.integer({ min: 0, max: 9 })
    }),
    { minLength: 1, maxLength: 6 }
  )
  .map((nodes) =>
    nodes.map(({ attempts, elsewhere, needs, post, severity }, i) => {
      const variant = { attempts, retryMs: 100, timeoutMs: 100, deadlineMs: Infinity }
      return Manifest.make({
        name: `c${i}`,
        phase: post && i === nodes.length - 1 ? "post" : "core",
        severity,
        optional: severity === "warning",
        environments: elsewhere === 0 ? ["elsewhere"] : undefined,
        slowMs: 50,
        stopMs: 50,
        variants: [
          { ...variant, name: `c${i}` },
          ...(severity === "degraded" ? [1, 2].map((k) => ({ ...variant, name: `f${k}` })) : [])
        ],
        needs: [...new Set(needs.filter((back) => back <= i))].map((back) => ({
          key: `c${i - back}`,
          kind: nodes[i - back]!.severity === "warning" && severity !== "warning" ? ("optional" as const) : ("hard" as const)
        }))
      })
    })
  )

const boots = fc
  .record({
    manifests,
    slots: fc.constantFrom(1, 1, 2, 16),
    bootMs: fc.constantFrom(15, 60, 30_000, 30_000),
    rollbackMs: fc.constantFrom(3, 60_000),
    choices: fc.array(fc.nat({ max: 2 ** 20 }), { maxLength: 80, size: "max" })
  })
  .map(({ choices, manifests, ...limits }) => boot(manifests, { ...Progress.defaultLimits, ...limits }, choices))

/** All moves of a log, seen event by event. */
const movesOf = (log: ReadonlyArray<BootEvent>): ReadonlyArray<Moved> => {
  const moves: Array<Moved> = []
  let before = Status.initial
  for (const event of log) {
    const after = Status.steps(before, [event])
    if ("component" in event && HashMap.has(before.components, event.component)) {
      const [from, to] = [of(before, event.component).state, of(after, event.component).state]
      if (from !== to) moves.push({ name: event.component, from, to })
    }
    before = after
  }
  return moves
}

describe("Status", () => {
  it("follows every boot in legal transitions, each of which some boot makes", () => {
    const made = new Map<string, number>()
    fc.assert(
      fc.property(boots, ({ log }) => {
        assert.strictEqual(Status.steps(Status.initial, log).rejected, 0)
        for (const { from, name, to } of movesOf(log)) {
          assert.isTrue(Status.legal(from, to), `${name}: ${from} → ${to}`)
          made.set(`${from} → ${to}`, (made.get(`${from} → ${to}`) ?? 0) + 1)
        }
      }),
      { numRuns: 4_000, seed: 4 }
    )
    const all = Object.entries(Status.transitions).flatMap(([from, next]) => next.map((to) => `${from} → ${to}`))
    console.log(made)
    assert.deepStrictEqual(
      all.filter((move) => !made.has(move)),
      []
    )
  })
})
