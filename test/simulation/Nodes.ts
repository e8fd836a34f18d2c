/**
 * The nineteen components of the node as stand-ins: all of them critical, as they are measured; with fallbacks and
 * optional ones, as they are in earnest; and with the six subsystems as a group.
 */
import { Component, type Manifest, Policy } from "@novacron/boot"
import { Graphs, StandIn } from "@novacron/simulation"

const startMs = (name: string): number => Graphs.referenceMs[name.replace(/-\d$/, "")] ?? 10

/** Everything is critical, with three attempts each. */
const plain: ReadonlyArray<StandIn.StandIn> = StandIn.make(Graphs.reference, { startMs })

const warnings = new Set(["telemetry", "discovery", "ml", "monitoring"])
const options = new Set(["telemetry", "ml"])

/** The cache and the transport fall back, four are optional, the api would like to have what is optional. */
const varied: ReadonlyArray<StandIn.StandIn> = StandIn.make(
  Graphs.reference.map((manifest): Manifest.Manifest => {
    const [variant] = manifest.variants
    const needs = [...manifest.needs]
    if (manifest.name === "api") for (const key of options) needs.push({ key, kind: "optional" })
    if (manifest.name === "orchestrator")
      needs.push({ key: "cache", kind: "hard" }, { key: "monitoring", kind: "late" })
    if (warnings.has(manifest.name)) return { ...manifest, needs, severity: "warning", optional: true }
    if (manifest.name !== "cache" && manifest.name !== "transport") return { ...manifest, needs }
    const fallback = { ...variant, name: `${manifest.name}-1`, attempts: 2, retryMs: 500 }
    return { ...manifest, needs, severity: "degraded", variants: [variant, fallback] }
  }),
  { startMs }
)

const subsystems = new Set(["amst", "hde", "pba", "ass", "acp", "itp"])

/** The subsystems are one component to the others, and six inside. */
const grouped: ReadonlyArray<StandIn.StandIn> = [
  ...plain.filter(({ recipe }) => !subsystems.has(recipe.name)),
  Component.group(
    "dwcp",
    plain.filter(({ recipe }) => subsystems.has(recipe.name))
  ).pipe(Component.retry(Policy.standard)) as unknown as StandIn.StandIn // its needs are among the others
]

/** Each with the name that a failing test gives it. */
export const nodes = { plain, varied, grouped }
