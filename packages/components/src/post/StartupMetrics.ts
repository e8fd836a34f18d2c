/**
 * What a boot took, as metrics: a fold of its report, written into Effect's registry once, for whoever exports that.
 *
 * **Details**
 *
 * `novacron_init_duration_seconds{phase}`, `novacron_component_init_duration_seconds{component}`,
 * `novacron_component_init_success_total`, `novacron_component_init_failures_total`,
 * `novacron_component_retry_attempts_total` (each by component), `novacron_init_total_duration_seconds`,
 * `novacron_components_initialized_total`, `novacron_components_failed_total`, `novacron_parallel_efficiency_ratio`.
 *
 * Phases go by their long names, `pre_init` to `post_init`. Names that end in `_total` are counters.
 *
 * **Gotchas**
 *
 * The last phase and the whole are not over while a component of that phase asks: record again when the boot has settled.
 * Recording twice counts nothing twice.
 */
import { Phase, type Report } from "@novacron/boot/model"
import { Context, Effect, Metric } from "effect"

/** The figures of the start are written. */
export class StartupMetrics extends Context.Service<
  StartupMetrics,
  {
    /** Writes them anew. */
    readonly record: Effect.Effect<void>
  }
>()("novacron/startup-metrics") {}

/** One figure. */
export interface Figure {
  readonly name: string
  readonly labels: { readonly [label: string]: string }
  readonly value: number
}

/** The figures of a report, durations in seconds. */
export const figures = (report: Report.Report): ReadonlyArray<Figure> => {
  const figure = (name: string, value: number, labels: Figure["labels"] = {}) => ({ name, labels, value })
  const isUp = (state: string) => state === "ready" || state === "degraded"
  const isFailed = (state: string) => state === "failed" || state === "absent"
  const { components } = report
  // A group is one to whoever counts; its members have figures of their own.
  const ones = components.filter(({ name }) => !name.includes("/"))
  return [
    ...report.phases.map(({ durationMs, phase }) =>
      figure("novacron_init_duration_seconds", durationMs / 1_000, { phase: Phase.title[phase] })
    ),
    ...components.flatMap(({ attempts, name: component, runningMs, state }) => [
      figure("novacron_component_init_duration_seconds", runningMs / 1_000, { component }),
      figure("novacron_component_init_success_total", isUp(state) ? 1 : 0, { component }),
      figure("novacron_component_init_failures_total", attempts.filter(({ error }) => error !== null).length, {
        component
      }),
      figure("novacron_component_retry_attempts_total", Math.max(0, attempts.length - 1), { component })
    ]),
    figure("novacron_init_total_duration_seconds", report.durationMs / 1_000),
    figure("novacron_parallel_efficiency_ratio", report.parallelEfficiency),
    figure("novacron_components_initialized_total", ones.filter(({ state }) => isUp(state)).length),
    figure("novacron_components_failed_total", ones.filter(({ state }) => isFailed(state)).length)
  ]
}

/** Writes figures into the registry. What a counter has had from here before is not added again. */
export const recorder = (): ((all: ReadonlyArray<Figure>) => Effect.Effect<void>) => {
  const counted = new Map<string, number>()
  const one = ({ labels, name, value }: Figure) => {
    if (!name.endsWith("_total")) return Metric.update(Metric.withAttributes(Metric.gauge(name), labels), value)
    const key = JSON.stringify([name, labels])
    const more = value - (counted.get(key) ?? 0)
    counted.set(key, Math.max(value, counted.get(key) ?? 0))
    const counter = Metric.counter(name, { incremental: true })
    return Metric.update(Metric.withAttributes(counter, labels), Math.max(0, more))
  }
  return (all) => Effect.suspend(() => Effect.forEach(all, one, { discard: true }))
}
