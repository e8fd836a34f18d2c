/**
 * What must hold of `Plan` and of `Progress`, each law in a few lines and checked by other means than the kernel's
 * own. The mutations are judged by these; a law that no mutation breaks is not worth its time here.
 */
// `!` after an index: positions come from the plan.
import { Manifest, Plan, Progress } from "@novacron/boot/model"
import { Graphs, Odds, Random, Scenario, World } from "@novacron/simulation"
import { Result } from "effect"
import * as ModelCheck from "./ModelCheck.ts"
import regressions from "./seeds.json" with { type: "json" }
import * as SmallPlans from "./SmallPlans.ts"

/** A law. `check` throws when it does not hold. */
interface Law {
  readonly name: string
  readonly check: () => void
}

/** A law that does not hold. */
class Broken extends Error {
  override readonly name = "Broken"
}

const holds = (condition: boolean, otherwise: string): void => {
  if (!condition) throw new Broken(otherwise)
}

// ------------------------------------------------------------------------------------------------------------ of plans

const planOf = ({ costMs, manifests }: Scenario.Scenario): Plan.Plan =>
  Result.getOrThrow(Plan.make(manifests, { environment: Graphs.environment, durationsMs: costMs }))

const scenarios = Array.from({ length: 150 }, (_, seed) => Scenario.make(seed, 24))

const reference = (): Plan.Plan => Result.getOrThrow(Plan.make(Graphs.reference, { durationsMs: Graphs.referenceMs }))

const forEachPlan = (check: (plan: Plan.Plan, scenario: Scenario.Scenario) => void): void => {
  for (const scenario of scenarios) check(planOf(scenario), scenario)
}

const waitsForItsNeeds = (plan: Plan.Plan, { manifests }: Scenario.Scenario): void => {
  for (const { environments, name, needs } of manifests) {
    const i = plan.index.get(name)!
    const isHere = environments === undefined || environments.includes(Graphs.environment)
    holds(plan.excluded[i] === !isHere, `${name} is excluded: ${plan.excluded[i]}`)
    const wanted = (...kinds: ReadonlyArray<string>) =>
      [...new Set(needs.filter(({ kind }) => kinds.includes(kind)).map(({ key }) => plan.index.get(key)!))]
        .filter(
          (j) =>
            isHere && (!plan.excluded[j] || needs.some(({ key, kind }) => kind === "hard" && plan.index.get(key) === j))
        )
        .sort((a, b) => a - b)
        .join()
    holds(plan.needs[i]!.join() === wanted("hard", "optional"), `${name} waits for [${plan.needs[i]!.join()}]`)
    holds(plan.hard[i]!.join() === wanted("hard"), `${name} cannot do without [${plan.hard[i]!.join()}]`)
    for (const j of plan.needs[i]!) holds(plan.dependents[j]!.includes(i), `${name} is no dependent of ${j}`)
  }
  const edges = (lists: ReadonlyArray<ReadonlyArray<number>>) => lists.reduce((sum, { length }) => sum + length, 0)
  holds(edges(plan.needs) === edges(plan.dependents), "needs and dependents are not the same edges")
}

const isInOrder = (plan: Plan.Plan): void => {
  holds(new Set(plan.order).size === plan.components.length, "not everybody has a place in the order")
  const level: Array<number> = []
  for (const i of plan.order) {
    for (const j of plan.needs[i]!) holds(level[j] !== undefined, `${i} comes before ${j}, which it needs`)
    level[i] = plan.needs[i]!.reduce((most, j) => Math.max(most, level[j]! + 1), 0)
    holds(plan.level[i] === level[i], `${i} is on level ${plan.level[i]}, not ${level[i]}`)
  }
}

/** Whom each has to wait for besides its needs, by the two edges between phases that are real. */
const gatesOf = (plan: Plan.Plan, i: number): ReadonlyArray<number> =>
  plan.order.filter((j) => {
    if (plan.excluded[j] || plan.phase[j]! >= plan.phase[i]!) return false
    const { phase, severity } = plan.components[j]!
    return phase === "pre" || (plan.components[i]!.phase === "post" && severity === "critical")
  })

const ranksByRemainingPath = (plan: Plan.Plan): void => {
  const rank: Array<number> = plan.order.map(() => 0)
  for (const i of plan.order.toReversed()) {
    if (plan.excluded[i]) continue
    const after = plan.order.filter(
      (d) => !plan.excluded[d] && (plan.needs[d]!.includes(i) || gatesOf(plan, d).includes(i))
    )
    rank[i] = plan.cost[i]! + after.reduce((most, d) => Math.max(most, rank[d]!), 0)
    holds(plan.rank[i] === rank[i], `${i} has the rank ${plan.rank[i]}, not ${rank[i]}`)
  }
  const longest = Math.max(0, ...rank)
  const { path, totalMs } = Plan.criticalPath(plan)
  holds(totalMs === longest, `the critical path takes ${totalMs} ms, not ${longest} ms`)
  const onPath = path.reduce((sum, name) => sum + plan.cost[plan.index.get(name)!]!, 0)
  holds(onPath === totalMs, `the components of the critical path take ${onPath} ms`)
}

const prefersTheUrgent = (plan: Plan.Plan): void => {
  const key = (i: number) => [-plan.components[i]!.priority, -plan.rank[i]!, i]
  for (const i of plan.order) {
    for (const j of plan.order) {
      const [a, b] = [key(i), key(j)]
      const difference = a.map((x, k) => x - b[k]!).find((d) => d !== 0) ?? 0
      holds(Math.sign(Plan.first(plan, i, j)) === Math.sign(difference), `${i} and ${j} are not in this order`)
    }
  }
}

const boundsTheWorstCase = (): void => {
  const limits = { attempts: 2, timeoutMs: 10, retryMs: 5, deadlineMs: Infinity }
  const one = (name: string, needs: ReadonlyArray<string>) =>
    Manifest.make({ name, needs, stopMs: 1, variants: [{ ...limits, name }] })
  const plan = Result.getOrThrow(Plan.make([one("a", []), one("b", ["a"]), one("c", [])]))
  // Two attempts with their closing, the delay between them, and one closing more.
  const eachMs = 2 * (10 + 1) + 5 + 1
  holds(
    Plan.worstCaseMs(plan, { slots: 3 }) === 2 * eachMs,
    `${Plan.worstCaseMs(plan, { slots: 3 })} ms on three slots`
  )
  holds(Plan.worstCaseMs(plan, { slots: 1 }) === 3 * eachMs, `${Plan.worstCaseMs(plan, { slots: 1 })} ms on one slot`)
}

const namesTheImpact = (): void => {
  const plan = Result.getOrThrow(
    Plan.make([
      Manifest.make({ name: "a" }),
      Manifest.make({ name: "b", needs: ["a"], optional: true, severity: "warning" }),
      Manifest.make({ name: "c", needs: [{ key: "b", kind: "optional" }] }),
      Manifest.make({ name: "d", needs: ["b"] })
    ])
  )
  const impact = Plan.impact(plan, "a").map(({ component, effect }) => `${component} ${effect}`)
  holds(impact.join() === "b skipped,c absent-option,d fails-boot", `losing a means: ${impact.join()}`)
}

const findsWhatIsWrong = (): void => {
  const problems = (...manifests: ReadonlyArray<Manifest.Manifest>) => {
    const made = Plan.make(manifests, { provided: new Set(["outside"]) })
    return Result.isFailure(made) ? made.failure.problems.map(({ _tag }) => _tag).join() : ""
  }
  const expect = (found: string, wanted: string) =>
    holds(found === wanted, `found ${found || "nothing"}, not ${wanted}`)
  expect(problems(Manifest.make({ name: "a", needs: ["outside"] })), "")
  expect(problems(Manifest.make({ name: "a", needs: ["nobody"] })), "Missing")
  expect(problems(Manifest.make({ name: "a", needs: [{ key: "nobody", kind: "optional" }] })), "")
  expect(problems(Manifest.make({ name: "a" }), Manifest.make({ name: "a" })), "DuplicateName")
  expect(problems(Manifest.make({ name: "a" }), Manifest.make({ name: "b", provides: ["a"] })), "DuplicateService")
  expect(problems(Manifest.make({ name: "a", needs: ["b"] }), Manifest.make({ name: "b", needs: ["a"] })), "Cycle")
  expect(problems(Manifest.make({ name: "a", needs: ["a"] })), "Cycle")
  const early = Manifest.make({ name: "a", phase: "pre", needs: ["b"] })
  const late = Manifest.make({ name: "b", phase: "post" })
  expect(problems(early, late), "PhaseInversion")
  expect(problems(Manifest.make({ ...early, needs: [{ key: "b", kind: "late" }] }), late), "")
  expect(problems(Manifest.make({ name: "a", stopMs: 0 })), "InvalidNumber")
}

const forgetsTheRegistration = (plan: Plan.Plan, scenario: Scenario.Scenario): void => {
  const manifests = Random.shuffle(Random.make(scenario.seed), scenario.manifests)
  const other = planOf({ ...scenario, manifests })
  holds(JSON.stringify(other) === JSON.stringify(plan), "another order of registration makes another plan")
}

// --------------------------------------------------------------------------------------------------------- of progress

/** Everything succeeds and takes what it costs: the machine and the forecast then agree to the millisecond. */
const keepsTheForecast = (_: Plan.Plan, scenario: Scenario.Scenario): void => {
  // No two sums are equal: among those who end in the same moment, chance would decide.
  const costMs = Object.fromEntries(scenario.manifests.map(({ name }, k) => [name, 1 + Math.sqrt(k + 2)]))
  const plan = planOf({ ...scenario, costMs })
  // Who needs something from elsewhere is never there: forecasts are for those who are.
  if (plan.excluded.some(Boolean)) return
  const unlimited = { targetMs: Infinity, maxMs: Infinity }
  const { slots } = scenario.limits
  const state = Progress.make(plan, {
    slots,
    scheduling: "dataflow",
    bootMs: Infinity,
    rollbackMs: 1,
    phases: { pre: unlimited, core: unlimited, service: unlimited, post: unlimited }
  })
  const { endMs, makespanMs, startMs } = Plan.schedule(plan, slots)
  const out: Progress.Output = { events: [], commands: [] }
  const running: Array<number> = []
  let fact: Progress.Input = { _tag: "Begin", atMs: 0 }
  for (;;) {
    Progress.advance(state, fact, out)
    for (const command of out.commands.splice(0)) {
      if (command._tag !== "Start") continue
      const i = command.component
      holds(state.atMs === startMs[i], `${i} starts at ${state.atMs} ms, and the forecast says ${startMs[i]} ms`)
      running.push(i)
    }
    if (running.length === 0) break
    const next = running.reduce((first, i) => (endMs[i]! < endMs[first]! ? i : first))
    running.splice(running.indexOf(next), 1)
    fact = { _tag: "Healthy", atMs: endMs[next]!, component: next }
  }
  holds(state.stage === "persisting", `the machine is ${state.stage} at the end`)
  holds(state.atMs === makespanMs, `the boot takes ${state.atMs} ms, and the forecast says ${makespanMs} ms`)
}

const bootsAsPlanned = (): void => {
  const plan = reference()
  const { path, totalMs } = Plan.criticalPath(plan)
  holds(totalMs === 227, `the critical path takes ${totalMs} ms, not 227 ms`)
  holds(path.join() === "config,logger,security,database,ml", `the critical path is ${path.join()}`)
  holds(Plan.lowerBoundMs(plan, 1) === 487, `all of the work is ${Plan.lowerBoundMs(plan, 1)} ms, not 487 ms`)
  holds(Plan.slackMs(plan).get("ml") === 0, "ml has time to spare")
  for (const slots of [1, 2, 19]) {
    const { endMs, makespanMs, startMs } = Plan.schedule(plan, slots)
    holds(makespanMs >= Plan.lowerBoundMs(plan, slots), `${makespanMs} ms on ${slots} slots is too good`)
    for (const i of plan.order) {
      for (const j of plan.needs[i]!) holds(startMs[i]! >= endMs[j]!, `${i} is to start before ${j} has ended`)
    }
  }
}

const survives = (seeds: number, maxSize: number): void => {
  for (let seed = 0; seed < seeds; seed++) {
    const run = Scenario.run(Scenario.make(seed, maxSize))
    holds(run.violation === undefined, `seed ${seed}, up to ${maxSize} components: ${Scenario.complaint(run)}`)
  }
}

/** Somebody restarts, exchanges, stops and restores all the time, and what fails is to be restored. */
const survivesOperators = (): void => {
  for (let seed = 0; seed < 4_000; seed++) {
    const scenario = Scenario.make(seed, 8)
    const run = Scenario.run({ ...scenario, odds: { ...scenario.odds, hand: 1, restore: 0.5, unrestored: 0 } })
    holds(run.violation === undefined, `seed ${seed}, by hand: ${Scenario.complaint(run)}`)
  }
}

const repeatsNothing = (): void => {
  for (const { found, maxSize, seed } of regressions) {
    // Most were found before anybody asked for anything by hand.
    const scenario = Scenario.make(seed, maxSize)
    const run = Scenario.run({ ...scenario, odds: { ...scenario.odds, hand: 0 } })
    holds(run.violation === undefined, `again, ${found} (seed ${seed}): ${Scenario.complaint(run)}`)
  }
}

/** An attempt of an optional component that hangs is given up with its phase, and not tried again. */
const givesUpWithThePhase = (): void => {
  const variants = [{ name: "a", attempts: 3, retryMs: 100, timeoutMs: 1_000, deadlineMs: Infinity }] as const
  const plan = Result.getOrThrow(
    Plan.make([Manifest.make({ name: "a", severity: "warning", optional: true, variants })])
  )
  const phases = { ...Progress.defaultLimits.phases, core: { targetMs: 100, maxMs: 100 } }
  const state = Progress.make(plan, { ...Progress.defaultLimits, phases })
  const out: Progress.Output = { events: [], commands: [] }
  const failure = { kind: "timeout", tag: "TimedOut", message: "it hangs", severity: "warning" } as const
  const told: ReadonlyArray<Progress.Input> = [
    { _tag: "Begin", atMs: 0 },
    { _tag: "Tick", atMs: 100 },
    { _tag: "Failed", atMs: 100, component: 0, failure, retryInMs: 10, restoreInMs: null },
    { _tag: "Closed", atMs: 100, component: 0, closing: "clean" }
  ]
  for (const input of told) Progress.advance(state, input, out)
  const status = Progress.statusNames[state.status[0]!]
  holds(status === "absent", `after the deadline of its phase it is ${status}`)
  holds(state.stage === "persisting", `and the boot is ${state.stage}`)
}

const survivesOnTheReference = (): void => {
  const limits = { ...Progress.defaultLimits, slots: 8 }
  const world = World.make(reference(), limits, Odds.usual)
  for (let seed = 0; seed < 500; seed++) {
    const { violation } = World.boot(world, seed)
    holds(violation === undefined, `seed ${seed} on the reference graph: ${violation?.message}`)
  }
  const calm = World.make(reference(), limits, Odds.none)
  const { outcome } = World.boot(calm, 1)
  holds(outcome === "ready", `without any fault the boot is ${outcome}`)
}

const provedForSmallPlans = (...sizes: ReadonlyArray<number>): void => {
  const { families } = SmallPlans
  for (const family of [families["up to three, with deadlines"], families["up to two, while they run"]]) {
    for (const { limits, plan, scope } of SmallPlans.cases({ ...family, sizes })) {
      ModelCheck.explore(plan, limits, scope, { states: 0, transitions: 0, ends: 0, depth: 0 })
    }
  }
}

const provedInAllPhases = (): void => {
  const family = SmallPlans.families["up to two, in all phases"]
  for (const { limits, plan, scope } of SmallPlans.cases(family)) {
    ModelCheck.explore(plan, limits, scope, { states: 0, transitions: 0, ends: 0, depth: 0 })
  }
}

/** All laws, the quick ones first. */
const all: ReadonlyArray<Law> = [
  { name: "a plan says what is wrong", check: findsWhatIsWrong },
  { name: "a plan waits for needs", check: () => forEachPlan(waitsForItsNeeds) },
  { name: "a plan is in order", check: () => forEachPlan(isInOrder) },
  { name: "a plan forgets the order of registration", check: () => forEachPlan(forgetsTheRegistration) },
  { name: "ranks are remaining paths", check: () => forEachPlan(ranksByRemainingPath) },
  { name: "the urgent go first", check: () => forEachPlan(prefersTheUrgent) },
  { name: "worst cases are bounds", check: boundsTheWorstCase },
  { name: "losses have their impact", check: namesTheImpact },
  { name: "the reference graph is as timed", check: bootsAsPlanned },
  { name: "boots keep the forecast", check: () => forEachPlan(keepsTheForecast) },
  { name: "phases have a deadline", check: givesUpWithThePhase },
  { name: "what was found once is not found again", check: repeatsNothing },
  { name: "small boots survive faults", check: () => survives(4_000, 5) },
  { name: "small boots survive operators", check: survivesOperators },
  { name: "the reference graph survives faults", check: survivesOnTheReference },
  { name: "one component, in all states", check: () => provedForSmallPlans(1) },
  { name: "large boots survive faults", check: () => survives(600, 40) },
  { name: "two components, in all states", check: () => provedForSmallPlans(2) },
  { name: "two components, in all phases", check: provedInAllPhases }
]

/** The first law that does not hold, and how it is broken. */
export const firstBroken = (): { readonly law: string; readonly how: string } | undefined => {
  for (const { check, name } of all) {
    try {
      check()
    } catch (error) {
      return { law: name, how: error instanceof Error ? error.message.split("\n")[0]! : String(error) }
    }
  }
  return undefined
}
