/**
 * `node scripts/reference.ts` writes docs/reference from what the code says: every setting, every part of the node with
 * its graph, every error that can keep a node from coming up. A test fails when a page no longer says what the code says.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Detection } from "@novacron/components/early"
import { type Plan, PlanView } from "@novacron/boot/model"
import { Config } from "@novacron/config"
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer, Result } from "effect"
import { Codes, Node, Settings, Surroundings } from "novacron"

/** The pages, by name. */
export const pages: Effect.Effect<{ readonly [name: string]: string }> = Effect.gen(function* () {
  const definition = Settings.definition()
  const options = { environment: { NOVACRON_ENVIRONMENT_KIND: "hybrid" }, flags: {}, resources: "skip" } as const
  const { settings } = yield* Config.load(definition, options)
  const facts = yield* Node.factsOf(settings, yield* Detection.detect(settings.environment))
  const plan = Result.getOrThrow(Node.plan(settings, facts))
  return {
    "SETTINGS.md": settingsPage(definition.keys, definition.hot),
    "NODE.md": nodePage(plan),
    "ERRORS.md": errorsPage,
    "node.json": `${JSON.stringify(PlanView.toJson(plan), null, 2)}\n`
  }
}).pipe(
  Effect.provide(Layer.merge(NodeServices.layer, Layer.succeed(Surroundings.Surroundings)(Surroundings.thisProcess()))),
  Effect.orDie
)

/** Whoever reads a page knows where it comes from, and changes the code. */
const made = "Made by `node scripts/reference.ts`. Change the code, not this page."

const row = (...cells: ReadonlyArray<string>): string =>
  `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll(/\s+/g, " ")).join(" | ")} |`

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [row(...head), row(...head.map(() => "---")), ...rows.map((cells) => row(...cells))].join("\n")

// ---------------------------------------------------------------------------------------------------------- settings

type Keys = ReturnType<typeof Settings.definition>["keys"]

const settingsPage = (keys: Keys, hot: ReadonlyArray<string>): string => {
  const sections = [...keys.root.children].map(([name, section]) => {
    const leaves = keys.leaves.filter((key) => key.name.startsWith(`${name}.`) || key.name === name)
    const tables = keys.tables.filter((one) => one.name.startsWith(`${name}.`) || one.name === name)
    const rows = [
      ...leaves.map((key) => [
        `\`${key.name}\`${hot.includes(key.name) ? " ↻" : ""}`,
        key.isSecret ? "secret" : key.fallback === undefined ? "" : `\`${JSON.stringify(key.fallback)}\``,
        key.allowed,
        key.description ?? ""
      ]),
      ...tables.map((one) => [`\`${one.name}.NAME\``, "", "a table with names of your own", one.description ?? ""])
    ]
    const about = section.description === undefined ? "" : `${section.description}\n\n`
    return `## ${name}\n\n${about}${table(["key", "default", "allowed", "what it does"], rows)}`
  })
  return [
    "# Settings",
    `${made}`,
    [
      "A key `section.key` stands in `novacron.yaml`, or in the environment as `NOVACRON_SECTION_KEY`, or on the command",
      "line as `--set section.key=value`; the command line is stronger than the environment, that than the file.",
      "`novacron config explain KEY` says where a value comes from. ↻ marks what a reload changes while the node runs."
    ].join("\n"),
    ...sections
  ]
    .join("\n\n")
    .concat("\n")
}

// -------------------------------------------------------------------------------------------------------------- node

const nodePage = (plan: Plan.Plan): string => {
  const { edges, nodes } = PlanView.toJson(plan)
  const needsOf = (name: string) =>
    edges
      .filter(({ component }) => component === name)
      .map(({ kind, need }) => (kind === "hard" ? need : `${need} (${kind})`))
      .join(", ")
  const rows = nodes.map(({ name, phase, severity, variants: [own, ...fallbacks], worstCaseMs }) => [
    name,
    phase,
    needsOf(name),
    severity,
    reactions[severity] ?? "",
    `${own?.attempts ?? 1}`,
    fallbacks.map((one) => one.name).join(", "),
    `${worstCaseMs / 1_000} s`
  ])
  const head = ["component", "phase", "needs", "severity", "when it fails", "attempts", "gives way to", "worst case"]
  return [
    "# The parts of a node",
    `${made}`,
    [
      "With the defaults, in a hybrid environment; `novacron plan` and `novacron graph` show those of your settings.",
      "[node.json](node.json) is the same for programs."
    ].join("\n"),
    `\`\`\`mermaid\n${PlanView.toMermaid(plan).trimEnd()}\n\`\`\``,
    table(head, rows)
  ]
    .join("\n\n")
    .concat("\n")
}

/** What the boot does when the last attempt of a component has failed. */
const reactions: { readonly [severity: string]: string } = {
  critical: "the boot ends, everything is rolled back",
  degraded: "its fallback takes over, it is restored later",
  warning: "a warning, the boot goes on"
}

// ------------------------------------------------------------------------------------------------------------ errors

const errorsPage = [
  "# Errors that keep a node from coming up",
  `${made}`,
  "`novacron explain CODE` prints the runbook. Exit codes are those of [OPERATIONS.md](../OPERATIONS.md#exit-codes).",
  table(
    ["code", "error", "exit", "setting", "what to do"],
    Object.entries(Codes.codes)
      .toSorted(([, a], [, b]) => a.code.localeCompare(b.code))
      .map(([tag, { code, exit, remedy, setting }]) => [
        `[${code}](../runbooks/${code}.md)`,
        tag,
        `${exit}`,
        setting === undefined ? "" : `\`${setting}\``,
        remedy
      ])
  )
]
  .join("\n\n")
  .concat("\n")

if (import.meta.main) {
  const folder = join(import.meta.dirname, "../docs/reference")
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of Object.entries(await Effect.runPromise(pages))) writeFileSync(join(folder, name), text)
}
