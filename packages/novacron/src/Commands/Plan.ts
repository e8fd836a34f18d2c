/** `novacron plan`, `graph` and `impact`: what a boot would do with these settings, and nothing is started. */
import { Durations, Phase, Plan, PlanView, TimelineView, Words } from "@novacron/boot/model"
import { Effect } from "effect"
import * as Configuration from "../Configuration.ts"
import { NoSuchComponent } from "../Errors.ts"
import * as Expected from "../Expected.ts"
import * as Program from "../Program.ts"
import * as Node from "../Node.ts"
import { Surroundings } from "../Surroundings.ts"
import { visible } from "../Terminal.ts"

/** What all of them may be told. */
export interface Flags extends Configuration.Asked {
  readonly json: boolean
}

const planned = Effect.fnUntraced(function* (flags: Flags) {
  const { detection, loaded } = yield* Configuration.load(flags, { resources: "skip" })
  const { settings } = loaded
  const slots = Node.concurrency(settings, detection.kind)
  const plan = yield* Effect.fromResult(Node.plan(settings, yield* Node.factsOf(settings, detection)))
  const limit = Configuration.explain(loaded, "system.boot_timeout") ?? ""
  return { plan, slots, limit, dataDir: Configuration.dataDirOf(settings, yield* Surroundings) }
})

/** The plan as text or JSON: order, levels, critical path, worst case, impact; and what earlier boots say of its time. */
export const plan = Program.make(
  Effect.fnUntraced(function* (flags: Flags) {
    const { dataDir, limit, plan, slots } = yield* planned(flags)
    const { stdout } = yield* Surroundings
    const durations = yield* Expected.learn(`${dataDir}/journal`)
    const expected = durations.size === 0 ? undefined : Durations.predict(plan, durations, slots)
    const learned = plan.components.flatMap(({ name }) => {
      const known = durations.get(name)
      return known === undefined ? [] : [{ name, ...known }]
    })
    if (flags.json) {
      const forecast = expected === undefined ? {} : { expected: { ...expected, components: learned } }
      stdout.write(`${JSON.stringify({ ...PlanView.toJson(plan, { slots }), ...forecast })}\n`)
    } else {
      const forecast =
        expected === undefined ? "" : `\n${TimelineView.predictionText(expected)}\n${learnedText(learned)}`
      const given = `A boot that takes longer is given up, whatever the worst case of its parts: ${visible(limit)}.`
      stdout.write(`${PlanView.toText(plan, { slots })}${given}\n${forecast}`)
    }
  })
)

/** A line for each component of which something is known: half of its boots took no longer, nineteen of twenty. */
const learnedText = (all: ReadonlyArray<Durations.Learned & { readonly name: string }>): string => {
  const width = Math.max(9, ...all.map(({ name }) => name.length))
  const line = (name: string, ...columns: ReadonlyArray<string>) =>
    `  ${name.padEnd(width)}${columns.map((text) => text.padStart(10)).join("")}\n`
  const rows = all.map(({ name, p50Ms, p95Ms, samples }) =>
    line(name, Words.duration(p50Ms), Words.duration(p95Ms), `${samples}`)
  )
  return [line("component", "p50", "p95", "boots"), ...rows].join("")
}

/** The graph as Mermaid, DOT, JSON, or as the stages that follow each other. */
export const graph = Program.make(
  Effect.fnUntraced(function* (flags: Flags & { readonly format: "mermaid" | "dot" | "stages" | "json" }) {
    const { plan } = yield* planned(flags)
    const { stdout } = yield* Surroundings
    const write = {
      mermaid: () => PlanView.toMermaid(plan),
      dot: () => PlanView.toDot(plan),
      stages: () => stagesText(plan),
      json: () => JSON.stringify(PlanView.toJson(plan))
    }[flags.json ? "json" : flags.format]
    stdout.write(`${write().trimEnd()}\n`)
  })
)

/** A line for each stage, from the foundation to what tells that all is well. */
const stagesText = (plan: Plan.Plan): string => {
  const titles = Math.max(...Phase.all.map((phase) => Phase.title[phase].length))
  return Plan.stages(plan)
    .map((names, stage) => {
      const phase = plan.components[plan.index.get(names[0] ?? "") ?? -1]?.phase ?? "pre"
      return `${String(stage).padStart(2)}  ${Phase.title[phase].padEnd(titles)}  ${names.join(" · ")}`
    })
    .join("\n")
}

/** What follows when one component cannot be had: for the boot, and for everyone who needs it. */
export const impact = Program.make(
  Effect.fnUntraced(function* (flags: Flags & { readonly component: string }) {
    const { plan } = yield* planned(flags)
    const { stdout } = yield* Surroundings
    const path = flags.component.split("/")
    const own = path.at(-1) ?? ""
    const around = path.slice(0, -1).reduce<Plan.Plan | undefined>((at, name) => at?.groups.get(name), plan)
    const i = around?.index.get(own)
    const lost = i === undefined ? undefined : around?.components[i]
    if (around === undefined || lost === undefined) {
      return yield* new NoSuchComponent({ name: flags.component, names: namesIn(plan) })
    }
    const [, ...fallbacks] = lost.variants.map(({ name }) => name)
    // By the names that every other command takes.
    const within = path
      .slice(0, -1)
      .map((name) => `${name}/`)
      .join("")
    const concerned = Plan.impact(around, own).map((one) => ({ ...one, component: `${within}${one.component}` }))
    const { optional, severity } = lost
    if (flags.json) {
      const told = { component: flags.component, severity, optional, fallbacks, concerned }
      stdout.write(`${JSON.stringify(told)}\n`)
      return
    }
    const what = path.length > 1 ? `its group ${path.slice(0, -1).join("/")}` : "the boot"
    const follows = optional ? `${what} goes on without it` : `${what} fails, and what had started is rolled back`
    const width = Math.max(0, ...concerned.map(({ component }) => component.length))
    const lines = [
      `${flags.component} is ${severity}${fallbacks.length === 0 ? "" : `; it gives way to ${fallbacks.join(", then ")}`}.`,
      fallbacks.length === 0 ? `When it cannot be had, ${follows}.` : `When that cannot be had either, ${follows}.`,
      ...(concerned.length === 0 ? ["Nobody needs it."] : ["", "Who needs it, directly or not:"]),
      ...concerned.map(({ component, effect }) => `  ${component.padEnd(width)}  ${effects[effect]}`)
    ]
    stdout.write(`${lines.join("\n")}\n`)
  })
)

/** Of all components, members of groups by their path. */
const namesIn = ({ components, groups }: Plan.Plan): ReadonlyArray<string> =>
  components.flatMap(({ name }) => {
    const group = groups.get(name)
    return [name, ...(group === undefined ? [] : namesIn(group).map((member) => `${name}/${member}`))]
  })

const effects: { readonly [E in Plan.Impact["effect"]]: string } = {
  skipped: "is skipped",
  "absent-option": "starts, and does without",
  "fails-boot": "cannot start, and may not be missing"
}
