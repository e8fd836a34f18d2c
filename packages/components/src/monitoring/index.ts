/** Metrics and traces: `Monitor.make` around the boot, and `component` in it. */
export * as BootTrace from "./BootTrace.ts"
export * as Catalogue from "./Catalogue.ts"
export { component, Metrics } from "./Component.ts"
export type { Statistics } from "./Exporter.ts"
export * as Exposition from "./Exposition.ts"
export { MetricsPortUnavailable } from "./Listener.ts"
export * as Monitor from "./Monitor.ts"
export { Settings } from "./Settings.ts"
