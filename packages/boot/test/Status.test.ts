import { assert, describe, it } from "@effect/vitest"
import { Equal, HashMap, Option, Result } from "effect"
import * as fc from "fast-check"
import type { BootEvent, Failure } from "../src/BootEvent.ts"
import * as Manifest from "../src/Manifest.ts"
import * as Phase from "../src/Phase.ts"
import * as Plan from "../src/Plan.ts"
import * as Progress from "../src/Progress.ts"
import * as Status from "../src/Status.ts"

const refused = (severity: Failure["severity"]): Failure => ({ kind: "error", tag: "Refused", message: "no", severity })

const of = (status: Status.Status, name: string) => Option.getOrThrow(HashMap.get(status.components, name))

// --------------------------------------------------------------------------------- a world that answers in any order

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
 * Boots under an adversary: whatever is outstanding may be answered next, well or badly, late or never; timers fire,
 * the health of anything turns, someone restores or stops. `choices` decides, and then the boot runs to its end.
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
      case 4: {
        const how = (["restart", "stop", "exchange"] as const)[(choice >> 4) % 3]!
        advance({ _tag: "ByHand", atMs, component, how })
        break
      }
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
          kind:
            nodes[i - back]!.severity === "warning" && severity !== "warning"
              ? ("optional" as const)
              : ("hard" as const)
        }))
      })
    })
  )

const boots = fc
  .record({
    manifests,
    slots: fc.constantFrom(1, 1, 2, 16),
    bootMs: fc.constantFrom(15, 60, 30_000, 30_000),
    rollbackMs: fc.constantFrom(3, 3, 60_000),
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
      { numRuns: 4_000, seed: 7 }
    )
    const all = Object.entries(Status.transitions).flatMap(([from, next]) => next.map((to) => `${from} → ${to}`))
    assert.deepStrictEqual(
      all.filter((move) => !made.has(move)),
      []
    )
  })
  it("agrees with the decisions after every batch, however the log is cut", () => {
    const stages = new Set<Status.Status["stage"]>()
    fc.assert(
      fc.property(boots, ({ log, truth }) => {
        let status = Status.initial
        let from = 0
        for (const { events, states } of truth) {
          status = Status.steps(status, log.slice(from, events))
          from = events
          for (const [name, state] of states) {
            // What waits for its turn since this very moment is told with the next event.
            if (of(status, name).state !== state)
              assert.deepStrictEqual([of(status, name).state, state], ["waiting", "queued"])
          }
          stages.add(status.stage)
        }
        assert.isTrue(Equal.equals(status.components, Status.steps(Status.initial, log).components))
        const { components, rejected } = Status.last(log)
        assert.deepStrictEqual(new Map(components), new Map(HashMap.toEntries(status.components)))
        assert.strictEqual(rejected, status.rejected)
      }),
      { numRuns: 300, seed: 4 }
    )
    assert.sameMembers([...stages], ["booting", "ready", "rollback", "ended"])
  })

  it("gives a new value and leaves the one before as it was", () => {
    fc.assert(
      fc.property(boots, fc.nat(), ({ log }, cut) => {
        const at = cut % log.length
        const before = Status.steps(Status.initial, log.slice(0, at))
        const seen = JSON.stringify(before)
        const after = Status.steps(before, log.slice(at))
        assert.notStrictEqual(after, before)
        assert.strictEqual(JSON.stringify(before), seen)
        assert.strictEqual(JSON.stringify(Status.steps(before, log.slice(at))), JSON.stringify(after))
      }),
      { numRuns: 300, seed: 4 }
    )
    assert.strictEqual(HashMap.size(Status.initial.components), 0)
    assert.strictEqual(Status.steps(Status.initial, []), Status.initial)
  })

  const begun = (names: ReadonlyArray<string>, fallbacks: ReadonlyArray<string> = []): BootEvent => ({
    _tag: "BootStarted",
    atMs: 0,
    version: 1,
    bootId: "boot-1",
    nodeId: "node-a",
    environment: "here",
    configVersion: "v7",
    startedAt: 0,
    concurrency: 1,
    worstCaseMs: 0,
    components: names.map((name) => ({ name, phase: "core", severity: "critical", needs: [], fallbacks }))
  })
  const start = (component: string, atMs: number, attempt = 1, variant = 0): BootEvent => ({
    _tag: "ComponentStarted",
    atMs,
    component,
    attempt,
    variant
  })

  it("says what an operator asks: since when, which attempt, when the next one, on which fallback, why", () => {
    const failure = refused("degraded")
    const reason = { _tag: "Failed", failure } as const
    const told: ReadonlyArray<readonly [BootEvent, Partial<Status.ComponentStatus>]> = [
      [begun(["cache"], ["memory"]), { state: "waiting", sinceMs: 0, attempt: 0, reason: undefined }],
      [start("cache", 3), { state: "running", sinceMs: 3, attempt: 1, slow: false }],
      [
        { _tag: "ComponentSlow", atMs: 5, component: "cache", runningMs: 2 },
        { state: "running", sinceMs: 3, slow: true }
      ],
      [
        { _tag: "AttemptFailed", atMs: 6, component: "cache", attempt: 1, failure, retryInMs: 4 },
        { state: "closing", reason }
      ],
      [
        { _tag: "AttemptClosed", atMs: 7, component: "cache", closing: "clean" },
        { state: "closing", sinceMs: 6 }
      ],
      [
        { _tag: "ComponentBackoff", atMs: 7, component: "cache", untilMs: 11 },
        { state: "backoff", nextAtMs: 11, slow: false }
      ],
      [start("cache", 11, 2), { state: "running", attempt: 2, nextAtMs: undefined, reason }],
      [
        { _tag: "ComponentInterrupted", atMs: 12, component: "cache" },
        { state: "closing", sinceMs: 12 }
      ],
      [
        { _tag: "AttemptFailed", atMs: 12.5, component: "cache", attempt: 2, failure, retryInMs: null },
        { state: "closing", sinceMs: 12 }
      ],
      [
        { _tag: "FallbackChosen", atMs: 13, component: "cache", variant: 1, fallback: "memory" },
        { state: "queued", fallback: "memory", attempt: 0 }
      ],
      [
        { _tag: "ComponentQueued", atMs: 13, component: "cache" },
        { state: "queued", sinceMs: 13 }
      ],
      [start("cache", 14, 1, 1), { state: "running", fallback: "memory", attempt: 1 }],
      [
        { _tag: "ComponentDegraded", atMs: 15, component: "cache", fallback: "memory", reason },
        { state: "degraded", fallback: "memory", reason }
      ],
      [
        { _tag: "SwapCompleted", atMs: 90, component: "cache", variant: 0, closing: "clean" },
        { state: "ready", sinceMs: 90, fallback: undefined, reason: undefined }
      ],
      [
        { _tag: "HealthChanged", atMs: 95, component: "cache", healthy: false, message: "slow" },
        { state: "ready", healthy: false }
      ],
      [
        { _tag: "SwapCompleted", atMs: 96, component: "cache", variant: 1, closing: "clean" },
        {
          state: "degraded",
          fallback: "memory",
          reason: {
            _tag: "Failed",
            failure: { kind: "unhealthy", tag: "Unhealthy", message: "slow", severity: "degraded" }
          }
        }
      ]
    ]
    let status = Status.initial
    for (const [event, expected] of told) {
      status = Status.steps(status, [event])
      assert.deepInclude(of(status, "cache"), expected, event._tag)
    }
    assert.strictEqual(status.rejected, 0)
  })

  it("follows the boot as a whole to its end", () => {
    const told: ReadonlyArray<readonly [BootEvent, Partial<Status.Status>]> = [
      [begun(["a"]), { stage: "booting", outcome: undefined, checkpoint: undefined }],
      [
        { _tag: "CheckpointReached", atMs: 0, checkpoint: "init_start" },
        { stage: "booting", checkpoint: "init_start" }
      ],
      [
        { _tag: "BootReady", atMs: 9, outcome: "ready" },
        { stage: "ready", outcome: "ready", readyAtMs: 9 }
      ],
      [
        { _tag: "RollbackStarted", atMs: 10, why: "stopped", because: "SIGTERM", budgetMs: 1 },
        { stage: "rollback", outcome: "stopped", readyAtMs: 9 }
      ],
      [
        { _tag: "BootEnded", atMs: 11, outcome: "stopped", clean: true },
        { stage: "ended", outcome: "stopped" }
      ],
      [begun(["a"]), { stage: "booting", outcome: undefined, checkpoint: undefined, readyAtMs: undefined }]
    ]
    let status = Status.initial
    for (const [event, expected] of told) {
      status = Status.steps(status, [event])
      assert.deepInclude(status, expected, event._tag)
    }
    const late = { _tag: "RollbackStarted", atMs: 1, why: "deadline", because: "a", budgetMs: 1 } as const
    assert.strictEqual(Status.steps(status, [late]).outcome, "failed")
  })

  it("rejects what cannot be, and counts it", () => {
    const up = Status.steps(Status.initial, [
      begun(["a"]),
      start("a", 1),
      { _tag: "ComponentReady", atMs: 2, component: "a" }
    ])
    assert.strictEqual(up.rejected, 0)
    const impossible: ReadonlyArray<BootEvent> = [
      { _tag: "ComponentReady", atMs: 3, component: "a" },
      start("a", 3),
      { _tag: "ComponentBackoff", atMs: 3, component: "a", untilMs: 4 },
      { _tag: "ComponentFailed", atMs: 3, component: "a", failure: refused("critical") }
    ]
    for (const event of impossible) {
      const after = Status.steps(up, [event])
      assert.strictEqual(after.rejected, 1, event._tag)
      assert.deepStrictEqual(of(after, "a"), of(up, "a"))
    }
    assert.strictEqual(Status.steps(up, impossible).rejected, impossible.length)
    assert.isEmpty(Status.transitions.failed)
  })

  it("lets the members of a group begin again with their group", () => {
    const names = ["dwcp", "dwcp/acp", "dwcp/acp/deep", "security"]
    const failed: BootEvent = { _tag: "ComponentFailed", atMs: 3, component: "dwcp/acp", failure: refused("critical") }
    const first: ReadonlyArray<BootEvent> = [
      begun(names),
      start("dwcp", 1),
      start("dwcp/acp", 2),
      start("dwcp/acp/deep", 2),
      { _tag: "ComponentReady", atMs: 2, component: "dwcp/acp/deep" },
      { _tag: "ComponentInterrupted", atMs: 3, component: "dwcp/acp" },
      failed,
      { _tag: "ComponentInterrupted", atMs: 4, component: "dwcp" },
      { _tag: "ComponentBackoff", atMs: 4, component: "dwcp", untilMs: 5 }
    ]
    const down = Status.steps(Status.initial, first)
    assert.strictEqual(of(down, "dwcp/acp").state, "failed")
    const again = Status.steps(down, [start("dwcp", 5, 2)])
    assert.deepInclude(of(again, "dwcp/acp"), { state: "waiting", sinceMs: 5, reason: undefined })
    assert.strictEqual(of(again, "dwcp/acp/deep").state, "waiting")
    assert.strictEqual(Status.steps(again, [start("dwcp/acp", 6)]).rejected, 0)
    // One that nobody announced waits like all others.
    assert.strictEqual(of(Status.steps(again, [start("dwcp/new", 7)]), "dwcp/new").state, "running")
  })

  it("takes in a batch in time that does not grow with the boot", () => {
    const names = Array.from({ length: 10_000 }, (_, i) => `component-${i}`)
    const large = Status.steps(Status.initial, [begun(names)])
    const after = Status.steps(large, [start("component-7", 1)])
    // What is not concerned is shared, not copied.
    for (const name of ["component-6", "component-9999"]) assert.strictEqual(of(after, name), of(large, name))
    assert.strictEqual(of(large, "component-7").state, "waiting")
    assert.strictEqual(HashMap.size(after.components), names.length)
  })
})
