/**
 * The drivers of a node as one layer: which of them runs a task is said by the task. All start their programs in the same
 * way ({@link Programs}), so what holds a program to its limits holds for each of them.
 */
import { Effect, Layer } from "effect"
import { Driver, type Host } from "./Driver.ts"
import * as Programs from "./Programs.ts"
import type { Settings } from "./Settings.ts"
import * as VmDriver from "./VmDriver.ts"

export const layer = (settings: Settings, node: string, host: Host): Layer.Layer<Driver> =>
  Layer.effect(
    Driver,
    Effect.gen(function* () {
      const programs = yield* Programs.make(settings, node, host)
      const vms = yield* VmDriver.make(settings, programs, host)
      return {
        limits: `${programs.limits} ${vms.limits}`,
        labels: vms.labels,
        start: (run) => {
          const spec = run.submission.run
          return spec.driver === "vm" ? vms.start(run, spec) : programs.start(run, spec)
        },
        killAll: programs.killAll,
        alive: programs.alive
      }
    })
  )
