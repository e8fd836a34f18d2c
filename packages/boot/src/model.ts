/**
 * The pure half of the kernel: what a boot is, without anything that boots. It runs in a browser, where a dashboard folds
 * the same events into the same report.
 *
 * ```ts
 * import { BootEvent, Report } from "@novacron/boot/model"
 * const report = Report.fromEvents(events)
 * ```
 */
export * as BootEvent from "./BootEvent.ts"
export * as Count from "./Count.ts"
export * as Durations from "./Durations.ts"
export * as Gantt from "./Gantt.ts"
export * as GanttPage from "./GanttPage.ts"
export * as Invariants from "./Invariants.ts"
export * as Manifest from "./Manifest.ts"
export * as Phase from "./Phase.ts"
export * as Plan from "./Plan.ts"
export * as PlanView from "./PlanView.ts"
export * as Progress from "./Progress.ts"
export * as Rehearsal from "./Rehearsal.ts"
export * as Report from "./Report.ts"
export * as Severity from "./Severity.ts"
export * as Status from "./Status.ts"
export * as Timeline from "./Timeline.ts"
export * as TimelineView from "./TimelineView.ts"
export * as Words from "./Words.ts"
