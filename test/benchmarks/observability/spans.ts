/**
 * What becomes of the spans of so many boots, ready and failed, while the collector is down when they begin, slow, killed in
 * the middle, out of its mind, and back: each is a life of its own, with the spool that the one before it has left.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { BootEvent } from "@novacron/boot/model"
import { Effect, Exit, Logger, Metric, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import * as BootTrace from "../../../packages/components/src/monitoring/BootTrace.ts"
import * as Monitor from "../../../packages/components/src/monitoring/Monitor.ts"
import { Settings } from "../../../packages/components/src/monitoring/Settings.ts"
import { boot } from "../../../packages/components/test/monitoring/fixtures/Boots.ts"
import { make, type Mood } from "../../../packages/components/test/monitoring/fixtures/Collector.ts"

type Weather = Mood | "down" | "comes up" | "dies"

const weather: ReadonlyArray<Weather> = ["down", "slow", "dies", "comes up", "well", "cuts", { status: 503 }, "babbles"]

/** How many spans there were, and how many of them the collector has not got in the end. */
export const lost = (boots: number): Promise<{ readonly spans: number; readonly lost: number }> => {
  const directory = mkdtempSync(join(tmpdir(), "novacron-spans-"))
  const program = Effect.gen(function* () {
    const collector = yield* make
    const settings = Schema.decodeUnknownSync(Settings)({
      traces: { endpoint: collector.url, interval: "20ms", timeout: "500ms", maxBackoff: "100ms", stopBudget: "150ms" }
    })
    const expected = new Set<string>()
    const life = (databaseFails: boolean, forMs: number) =>
      Effect.gen(function* () {
        const options = { version: "bench", process, spool: join(directory, "spool") }
        const monitor = yield* Monitor.make(settings, options)
        const events: Array<BootEvent.BootEvent> = []
        const observe = (event: BootEvent.BootEvent) => {
          events.push(event)
          monitor.observe(event)
        }
        yield* Effect.scoped(
          Effect.gen(function* () {
            const exit = yield* boot({ databaseFails }, observe)
            yield* Effect.sleep(forMs)
            if (Exit.isSuccess(exit)) yield* exit.value.stop()
          })
        )
        for (const { spanId } of BootTrace.fromEvents(events, { ratio: 1 }).spans) expected.add(spanId)
      }).pipe(Effect.scoped)
    for (let k = 0; k < boots; k++) {
      const today = weather[k % weather.length]!
      yield* collector.down
      collector.mood = today === "down" || today === "comes up" || today === "dies" ? "well" : today
      if (today !== "down" && today !== "comes up") yield* collector.up
      const later = today === "comes up" ? collector.up : today === "dies" ? collector.down : Effect.void
      const turn = yield* Effect.forkChild(Effect.andThen(Effect.sleep("20 millis"), later))
      yield* life(k % 5 === 4, 10)
      yield* Effect.andThen(
        Effect.sleep("1 millis"),
        Effect.sync(() => turn.pollUnsafe())
      )
      if (k % 50 === 49) console.error(`… ${k + 1} boots`)
    }
    yield* collector.down
    collector.mood = "well"
    yield* collector.up
    // What is left is sent by the next process.
    yield* life(false, 500)
    return { spans: expected.size, lost: [...expected].filter((id) => !collector.spans.has(id)).length }
  }).pipe(
    Effect.scoped,
    Effect.provide([FetchHttpClient.layer, Logger.layer([])]),
    Effect.provideService(Metric.MetricRegistry, new Map())
  )
  return Effect.runPromise(program).finally(() => rmSync(directory, { recursive: true, force: true }))
}
