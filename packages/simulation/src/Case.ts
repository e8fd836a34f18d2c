/**
 * Everything that decides how a trial goes, besides the components themselves, as data that can be written to a file.
 */
import { type Boot, Progress } from "@novacron/boot"
import { Duration, Schema } from "effect"
import * as Fault from "./Fault.ts"

/** What of the options of a boot can be written to a file. Times are milliseconds. */
export const Settings = Schema.Struct({
  environment: Schema.optionalKey(Schema.String),
  concurrency: Schema.optionalKey(Schema.Finite),
  scheduling: Schema.optionalKey(Schema.Literals(["dataflow", "phased"])),
  deadlineMs: Schema.optionalKey(Schema.Finite),
  rollbackMs: Schema.optionalKey(Schema.Finite),
  drainMs: Schema.optionalKey(Schema.Finite),
  monitorMs: Schema.optionalKey(Schema.Finite),
  phasesMs: Schema.optionalKey(
    Schema.Struct({
      pre: Schema.optionalKey(Schema.Finite),
      core: Schema.optionalKey(Schema.Finite),
      service: Schema.optionalKey(Schema.Finite),
      post: Schema.optionalKey(Schema.Finite)
    })
  ),
  restoration: Schema.optionalKey(Schema.Literal("off"))
})
export type Settings = typeof Settings.Type

/** Everything that decides how a trial goes, besides the components themselves. */
export const Case = Schema.Struct({
  /** Chance inside the boot, and the interleaving when it is fuzzed. */
  seed: Schema.Finite,
  fuzz: Schema.Boolean,
  /** The names of those that are booted. */
  components: Schema.Array(Schema.String),
  faults: Schema.Array(Fault.Fault),
  settings: Settings,
  /** How long after it is ready it is stopped, in milliseconds. */
  stopAfterMs: Schema.Finite,
  /** When it is cancelled, unless it is ready before; in milliseconds. */
  cancelAtMs: Schema.NullOr(Schema.Finite)
})
export type Case = typeof Case.Type

/** The settings of a boot's options that a case can keep. */
export const settings = (options: Boot.RunOptions): Settings => {
  const { concurrency, deadline, drain, environment, monitor, phases, restoration, rollback, scheduling } = options
  return {
    ...(environment === undefined ? {} : { environment }),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(scheduling === undefined ? {} : { scheduling }),
    ...(deadline === undefined ? {} : { deadlineMs: Duration.toMillis(deadline) }),
    ...(rollback === undefined ? {} : { rollbackMs: Duration.toMillis(rollback) }),
    ...(drain === undefined ? {} : { drainMs: Duration.toMillis(drain) }),
    ...(monitor === undefined ? {} : { monitorMs: Duration.toMillis(monitor) }),
    ...(restoration === "off" ? { restoration } : {}),
    ...(phases === undefined
      ? {}
      : {
          phasesMs: Object.fromEntries(Object.entries(phases).map(([name, input]) => [name, Duration.toMillis(input)]))
        })
  }
}

/** The limits that a boot has under these settings. */
export const limits = (settings: Settings): Progress.Limits => {
  const base = Progress.defaultLimits
  const phase = (name: keyof Progress.Limits["phases"]) => {
    const maxMs = settings.phasesMs?.[name] ?? base.phases[name].maxMs
    return { targetMs: Math.min(base.phases[name].targetMs, maxMs), maxMs }
  }
  return {
    slots: settings.concurrency ?? base.slots,
    scheduling: settings.scheduling ?? base.scheduling,
    bootMs: settings.deadlineMs ?? base.bootMs,
    rollbackMs: settings.rollbackMs ?? base.rollbackMs,
    phases: { pre: phase("pre"), core: phase("core"), service: phase("service"), post: phase("post") }
  }
}

/** The options of a boot under these settings. */
export const optionsOf = (settings: Settings): Boot.RunOptions => {
  const { deadlineMs, drainMs, monitorMs, phasesMs, rollbackMs, ...rest } = settings
  return {
    ...rest,
    ...(deadlineMs === undefined ? {} : { deadline: deadlineMs }),
    ...(rollbackMs === undefined ? {} : { rollback: rollbackMs }),
    ...(drainMs === undefined ? {} : { drain: drainMs }),
    ...(monitorMs === undefined ? {} : { monitor: monitorMs }),
    ...(phasesMs === undefined ? {} : { phases: phasesMs })
  }
}
