/**
 * One boot as a process of its own: `child.ts on|off DIRECTORY COLLECTOR`. The nine parts of the architecture review come
 * up and go down again, with a trace, a journal and metrics, or with none of it; the code is loaded either way. Says on
 * stdout how long it took until it was ready, from when its code was there, and what CPU the whole process has used by its
 * end, in milliseconds. With `scrapes` it stays, listening.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { NodeServices } from "@effect/platform-node"
import { Boot, Component, Journal } from "@novacron/boot"
import { Context, Effect, Schema, type Scope } from "effect"
import { FetchHttpClient } from "effect/http"
import * as Listener from "../../../packages/components/src/monitoring/Listener.ts"
import * as Monitor from "../../../packages/components/src/monitoring/Monitor.ts"
import { Settings } from "../../../packages/components/src/monitoring/Settings.ts"
import { nine } from "../kernel/graphs.ts"

const [how = "off", directory = "", collector = ""] = process.argv.slice(2)

interface Part {
  readonly name: string
}
const keys = nine.map(({ name }) => Context.Service<Part, Part>(name))
/** What is done by the part `monitoring`, beside the time that it takes: it listens, as that of the node does. */
const partsWith = (monitoring: Effect.Effect<unknown, unknown, Scope.Scope>) =>
  nine.map(({ ms, name, needs }, i) =>
    Component.make(keys[i]!, {
      needs: needs.map((need) => keys[need]!),
      start: Effect.as(
        Effect.all([Effect.sleep(ms), name === "monitoring" ? Effect.orDie(monitoring) : Effect.void], {
          concurrency: "unbounded"
        }),
        { name }
      ),
      health: () => Effect.void
    })
  )

const beganMs = performance.now()
const ready = Effect.sync(() => performance.now() - beganMs)

const plain = Effect.andThen(Boot.make(partsWith(Effect.void), { checked: false }), ready)

const settings = Schema.decodeUnknownSync(Settings)({
  port: 0,
  ...(collector === "" ? {} : { traces: { endpoint: collector } })
})

const watched = Effect.gen(function* () {
  const monitor = yield* Monitor.make(settings, { version: "bench", process, spool: `${directory}/spans` })
  let port = 0
  const listening = Effect.map(Listener.make(settings, monitor.source), (listener) => (port = listener.port))
  const journal = yield* Journal.make({ path: `${directory}/${process.pid}.journal` })
  const running = yield* Boot.make(partsWith(listening), { checked: false, observe: monitor.observe, journal })
  const readyMs = yield* ready
  yield* monitor.watch(running.health)
  return { readyMs, port }
})

const program = Effect.gen(function* () {
  if (how === "off") return yield* plain
  const { port, readyMs } = yield* watched
  if (how === "scrapes") {
    console.log(JSON.stringify({ port }))
    yield* Effect.promise(() => sleep(60_000))
  }
  return readyMs
}).pipe(Effect.scoped, Effect.provide([NodeServices.layer, FetchHttpClient.layer]))

const readyMs = await Effect.runPromise(program)
const { system, user } = process.cpuUsage()
console.log(JSON.stringify({ readyMs, cpuMs: (user + system) / 1_000 }))
