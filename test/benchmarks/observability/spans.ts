/**
 * What becomes of the spans of so many boots, ready and failed, while the collector is down when they begin, slow, killed in
 * the middle, out of its mind, and back: each is a life of its own, with the spool that the one before it has left.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Boot } from "@novacron/boot"
import type { BootEvent } from "@novacron/boot/model"
import { Monitoring } from "@novacron/components"
import { Effect, Exit, Fiber, Logger, Metric, Schema } from "effect"
import { make, type Mood } from "./Collector.ts"
import { parts } from "./Parts.ts"

type Weather = Mood | "down" | "comes up" | "dies"

const weather: ReadonlyArray<Weather> = ["down", "slow", "dies", "comes up", "well", "cuts", "busy", "babbles"]

/** How many spans there were, and how many of them the collector has not got in the end. */
export const lost = async (boots: number): Promise<{ readonly spans: number; readonly lost: number }> => {
  const directory = mkdtempSync(join(tmpdir(), "novacron-spans-"))
  const collector = await make()
  const settings = Schema.decodeUnknownSync(Monitoring.Settings)({
    traces: { endpoint: collector.url, interval: "20ms", timeout: "500ms", maxBackoff: "100ms", stopBudget: "150ms" }
  })
  const expected = new Set<string>()
  const life = (failing: string | undefined, forMs: number) =>
    Effect.gen(function* () {
      const options = { version: "bench", process, spool: join(directory, "spool") }
      const monitor = yield* Monitoring.Monitor.make(settings, options)
      const events: Array<BootEvent.BootEvent> = []
      const observe = (event: BootEvent.BootEvent) => {
        events.push(event)
        monitor.observe(event)
      }
      const all = parts({ speed: 20, ...(failing === undefined ? {} : { failing }) })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const exit = yield* Effect.exit(Boot.make(all, { observe, checked: false }))
          yield* Effect.sleep(forMs)
          if (Exit.isSuccess(exit)) yield* exit.value.stop()
        })
      )
      for (const { spanId } of Monitoring.BootTrace.fromEvents(events, { ratio: 1 }).spans) expected.add(spanId)
    }).pipe(Effect.scoped)
  const program = Effect.gen(function* () {
    for (let k = 0; k < boots; k++) {
      const today = weather[k % weather.length]!
      yield* Effect.promise(collector.down)
      collector.mood = today === "down" || today === "comes up" || today === "dies" ? "well" : today
      if (today !== "down" && today !== "comes up") yield* Effect.promise(collector.up)
      const later = today === "comes up" ? collector.up : today === "dies" ? collector.down : async () => undefined
      const turn = yield* Effect.forkChild(Effect.andThen(Effect.sleep("20 millis"), Effect.promise(later)))
      yield* life(k % 5 === 4 ? "database" : undefined, 10)
      yield* Fiber.join(turn)
      if (k % 50 === 49) console.error(`… ${k + 1} boots`)
    }
    collector.mood = "well"
    yield* Effect.promise(collector.up)
    // What is left is sent by the next process.
    yield* life(undefined, 500)
    return { spans: expected.size, lost: [...expected].filter((id) => !collector.spans.has(id)).length }
  }).pipe(Effect.provide(Logger.layer([])), Effect.provideService(Metric.MetricRegistry, new Map()))
  try {
    return await Effect.runPromise(program)
  } finally {
    await collector.down()
    rmSync(directory, { recursive: true, force: true })
  }
}
