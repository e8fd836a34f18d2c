/**
 * Every metric of a node, with what it means: what is written and what is documented come from here, and a test holds
 * that nothing else is written and nothing is missing.
 *
 * **Details**
 *
 * Durations are seconds, sizes bytes, shares 0 to 1. A counter ends in `_total` and begins with the process. Labels have
 * few values: names of components, phases, outcomes, tags of errors.
 */

/** What a metric is, for Prometheus. */
export type Type = "counter" | "gauge" | "histogram"

/** One metric. */
export interface Entry {
  readonly type: Type
  readonly help: string
  readonly labels: ReadonlyArray<string>
}

const gauge = (help: string, ...labels: ReadonlyArray<string>): Entry => ({ type: "gauge", help, labels })
const counter = (help: string, ...labels: ReadonlyArray<string>): Entry => ({ type: "counter", help, labels })
const histogram = (help: string, ...labels: ReadonlyArray<string>): Entry => ({ type: "histogram", help, labels })

/** What a boot and a running node say about themselves. */
export const node = {
  novacron_node_info: gauge("Which node and which boot this is, always 1.", "node_id", "boot_id", "environment"),
  novacron_build_info: gauge("Which NovaCron on which Node.js this is, always 1.", "version", "node_version"),
  novacron_config_variant: gauge(
    "Which variant of an experiment this node tries out, always 1.",
    "experiment",
    "variant"
  ),
  novacron_boot_outcome: gauge("What has become of the boot: 1 for what is true now, 0 for the rest.", "outcome"),
  novacron_previous_boot_outcome: gauge("What became of the boot before this one, as its journal says: 1.", "outcome"),
  novacron_boot_start_timestamp_seconds: gauge("When the boot began, in seconds since 1970."),
  novacron_boot_ready_timestamp_seconds: gauge("When the boot was ready, in seconds since 1970."),
  novacron_init_duration_seconds: gauge("How long a phase took, from the completion of those before it.", "phase"),
  novacron_init_total_duration_seconds: gauge(
    "How long the boot took until it was ready or given up, or takes so far."
  ),
  novacron_critical_path_duration_seconds: gauge("What the longest chain of components took: no boot can be quicker."),
  novacron_parallel_efficiency_ratio: gauge("The speedup of the boot as a share of what needs and slots allow."),
  novacron_components_initialized_total: counter(
    "How many components have come up, on a fallback or not. A group is one."
  ),
  novacron_components_failed_total: counter("How many components failed or are absent. A group is one."),
  novacron_component_init_duration_seconds: gauge(
    "How long a component was starting, all attempts together.",
    "component"
  ),
  novacron_component_init_success_total: counter("Whether a component has come up in this boot.", "component"),
  novacron_component_init_failures_total: counter("How many attempts to start a component went wrong.", "component"),
  novacron_component_retry_attempts_total: counter("How many attempts there were after the first.", "component"),
  novacron_component_retry_successes_total: counter("How many attempts after the first succeeded.", "component"),
  novacron_component_retry_success_ratio: gauge("The share of attempts after the first that succeeded.", "component"),
  novacron_component_errors_total: counter(
    "What went wrong with a component, by the tag of its error.",
    "component",
    "error_type"
  ),
  novacron_component_state: gauge(
    "1 for the state that a component is in, 0 for those that it has left.",
    "component",
    "state"
  ),
  novacron_component_health_status: gauge(
    "1 is healthy, 0.5 on a fallback or suffering from another, 0 not serving.",
    "component"
  ),
  novacron_component_health_check_duration_seconds: histogram(
    "How long the health probe of a component took.",
    "component"
  ),
  novacron_component_restorations_total: counter(
    "Restorations of a component while running, begun and ended.",
    "component",
    "outcome"
  ),
  novacron_component_repair_duration_seconds: histogram(
    "From when a component was unhealthy or gave way to its fallback until it was itself and healthy again.",
    "component"
  ),
  novacron_component_init_cpu_seconds: gauge(
    "CPU time of the process while a component was starting, shared evenly with those that were starting meanwhile.",
    "component"
  ),
  novacron_component_init_heap_bytes: gauge(
    "Growth of the heap while a component was starting; only for those that were starting alone.",
    "component"
  ),
  novacron_dependency_resolution_duration_seconds: histogram("How long it took to make the plan of a boot."),
  novacron_config_parsing_duration_seconds: histogram("How long it took to read and check the settings."),
  novacron_rollbacks_total: counter(
    "How often everything was taken down because of a failure, a deadline or a signal.",
    "reason"
  ),
  novacron_rollback_duration_seconds: histogram("How long such a rollback took.", "reason"),
  novacron_shutdown_duration_seconds: gauge("How long the orderly stop of the node took."),
  novacron_shutdown_clean: gauge("1 when every finalizer of the stop ran to its end without failing, otherwise 0."),
  novacron_certificate_expiry_timestamp_seconds: gauge(
    "When a certificate runs out, in seconds since 1970.",
    "certificate"
  ),
  novacron_monitoring_dropped_series: gauge(
    "Series that are left out because there are too many, or they contradict others."
  ),
  novacron_trace_spans_sent_total: counter("Spans that the collector has taken."),
  novacron_trace_spans_dropped_total: counter("Spans that nobody will see, and why.", "reason"),
  novacron_trace_spans_waiting: gauge("Spans that wait for the collector."),
  novacron_trace_export_failures_total: counter(
    "Attempts to send spans that the collector did not answer as it should."
  )
} as const satisfies { readonly [name: string]: Entry }

/** What is known of the process. */
export const process = {
  process_cpu_seconds_total: counter("CPU time of the process, user and system, in seconds."),
  process_start_time_seconds: gauge("When the process started, in seconds since 1970."),
  process_resident_memory_bytes: gauge("Memory of the process that is resident, in bytes."),
  process_open_fds: gauge("How many file descriptors are open."),
  process_max_fds: gauge("How many file descriptors may be open."),
  nodejs_heap_size_total_bytes: gauge("Size of the heap, in bytes."),
  nodejs_heap_size_used_bytes: gauge("What is used of the heap, in bytes."),
  nodejs_external_memory_bytes: gauge("Memory outside of the heap that belongs to objects of it, in bytes."),
  nodejs_eventloop_utilization_ratio: gauge("The share of its time that the event loop was busy."),
  nodejs_eventloop_lag_mean_seconds: gauge("Mean delay of the event loop."),
  nodejs_eventloop_lag_p99_seconds: gauge("99th percentile of the delay of the event loop.")
} as const satisfies { readonly [name: string]: Entry }

/** The name of a metric of a node. */
export type Name = keyof typeof node

/** All of them. */
export const all: { readonly [name: string]: Entry } = { ...node, ...process }

/** A metric by its name. */
export const find = (name: string): Entry | undefined => (Object.hasOwn(all, name) ? all[name] : undefined)

/** Upper bounds of the buckets of a histogram, in seconds. */
export const bucketsOf = (name: Name): ReadonlyArray<number> =>
  name === "novacron_component_repair_duration_seconds" ? ofRepairs : ofSteps

/** What needs nobody else takes milliseconds. */
const ofSteps: ReadonlyArray<number> = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** What is repaired waits for what it needs: for a pause between two attempts at the least, or until somebody comes. */
const ofRepairs: ReadonlyArray<number> = [0.1, 1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 14_400, 86_400]
