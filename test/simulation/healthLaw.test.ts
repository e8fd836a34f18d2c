/**
 * What is initialised has passed its probe: held over random boots whose probes say no, hang and flap. The witness is not
 * the kernel: the probes themselves write down what they have answered.
 */
import { assert, describe, it } from "@effect/vitest"
import { Boot, type BootEvent, Component, type Health } from "@novacron/boot"
import { Fault, Graphs, Random, Simulation, StandIn } from "@novacron/simulation"
import { Effect, Exit } from "effect"
import * as fc from "fast-check"

const runs = Number(process.env["HEALTH_RUNS"] ?? 1_000)

/** What happened to a component: it began to start, its probe ended, or the kernel said that it is up. */
type Entry = { readonly component: string; readonly what: "start" | "yes" | "no" | "up" }

describe("whatever the probes of a random boot answer", () => {
  it("what is said to be up has passed its probe since it started, and is healthy when it is asked again", () => {
    const seen = { up: 0, no: 0, asked: 0, unwell: 0 }
    const law = fc.property(fc.nat(), (seed) => {
      const { book, report } = bootOf(seed)
      const last = new Map<string, Entry["what"]>()
      for (const { component, what } of book) {
        if (what === "up") {
          assert.strictEqual(last.get(component), "yes", `${component} is up, seed ${seed}`)
          seen.up++
        } else last.set(component, what)
        if (what === "no") seen.no++
      }
      for (const { name, status } of report?.components ?? []) {
        const isWell = last.get(name) === "yes"
        assert.strictEqual(status === "healthy" || status === "degraded", isWell, `${name} is ${status}, seed ${seed}`)
        seen.asked++
        if (!isWell) seen.unwell++
      }
    })
    fc.assert(law, { numRuns: runs })
    for (const [what, n] of Object.entries(seen)) assert.isAbove(n, runs / 20, what)
  })
})

const kinds = ["ProbeFails", "ProbeHangs", "Flaps", "Fails", "FailsAcquired", "Slow"] as const

/** A boot of a random graph with faults, until it is ready and every component was asked once more. */
const bootOf = (seed: number) => {
  const random = Random.fork(Random.make(seed), "health")
  const manifests = Graphs.random(random, 15)
  const faults = Fault.draw(random, manifests, { attempt: Random.pick(random, [0.05, 0.3]), kinds })
  const book: Array<Entry> = []
  const injected = Fault.inject(
    StandIn.make(manifests, { startMs: () => 3 }),
    faults.filter(({ _tag }) => kinds.some((kind) => kind === _tag))
  )
  const components = injected.components.map((component) => written(component, book))
  const observe = (event: BootEvent.BootEvent) => {
    const isUp = event._tag === "ComponentReady" || event._tag === "ComponentDegraded"
    if (isUp) book.push({ component: event.component, what: "up" })
  }
  let report: Health.HealthReport | undefined
  const life = Effect.gen(function* () {
    const { health } = yield* Boot.make(components, {
      environment: Graphs.environment,
      observe,
      checked: true,
      restoration: "off"
    })
    report = yield* health.report
  })
  const { exit } = Simulation.run(Effect.exit(Effect.scoped(life)), { seed, fuzz: true })
  assert.isTrue(Exit.isSuccess(exit))
  return { book, report }
}

/** The component, with each start and each answer of a probe written down. */
const written = (component: StandIn.StandIn, book: Array<Entry>): StandIn.StandIn =>
  Component.mapRecipe(component, (recipe) => {
    const note = (what: Entry["what"]) => Effect.sync(() => void book.push({ component: recipe.name, what }))
    const [first, ...rest] = recipe.builds.map((build) => ({
      ...build,
      start: Effect.andThen(note("start"), build.start),
      probe: (built: unknown) => Effect.onExit(build.probe(built), (exit) => note(Exit.isSuccess(exit) ? "yes" : "no"))
    }))
    return { ...recipe, builds: [first!, ...rest] }
  })
