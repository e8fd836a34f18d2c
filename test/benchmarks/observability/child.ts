/**
 * One boot as a process of its own: `child.ts on|off DIRECTORY COLLECTOR`. The nine parts of the architecture review come
 * up and go down again, with a trace, a journal and metrics, or with none of it; the code is loaded either way. Says on
 * stdout how long it took until it was ready, from when its code was there, and what CPU the whole process has used by its
 * end, in milliseconds. With `scrapes` it stays, listening. `on-1k` and `off-1k` are of a thousand components.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { NodeServices } from "@effect/platform-node"
import { Boot, Component, Journal } from "@novacron/boot"
import { Monitoring, Security } from "@novacron/components"
import { Context, Effect, Option, Schema } from "effect"
import { parts, thousand } from "./Parts.ts"

const [how = "off", directory = "", collector = ""] = process.argv.slice(2)

const beganMs = performance.now()
const ready = Effect.sync(() => performance.now() - beganMs)

const chosen = how.endsWith("-1k") ? thousand() : parts()

const plain = Effect.andThen(Boot.make(chosen, { checked: false }), ready)

const settings = Schema.decodeUnknownSync(Monitoring.Settings)({
  port: 0,
  ...(collector === "" ? {} : { traces: { endpoint: collector } })
})

/** As the node does it: the monitor stands around the boot, and a component in it lets the metrics be read. */
const watched = Effect.gen(function* () {
  const monitor = yield* Monitoring.Monitor.make(settings, { version: "bench", process, spool: `${directory}/spans` })
  const journal = yield* Journal.make({ path: `${directory}/${process.pid}.journal` })
  const all = [...chosen, Monitoring.component(settings)] as const
  const running = yield* Boot.make(all, { checked: false, observe: monitor.observe, journal }).pipe(
    Effect.provideService(Monitoring.Monitor.Monitor, monitor),
    Effect.provideService(Component.option(Security.Security), Option.none())
  )
  const readyMs = yield* ready
  yield* monitor.watch(running.health)
  const metrics = Context.get(running.services, Component.option(Monitoring.Metrics))
  return { readyMs, port: Option.match(metrics, { onNone: () => 0, onSome: ({ port }) => port }) }
})

const program = Effect.gen(function* () {
  if (how.startsWith("off")) return yield* plain
  const { port, readyMs } = yield* watched
  if (how === "scrapes") {
    console.log(JSON.stringify({ port }))
    yield* Effect.promise(() => sleep(60_000))
  }
  return readyMs
}).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

const readyMs = await Effect.runPromise(program)
const { system, user } = process.cpuUsage()
console.log(JSON.stringify({ readyMs, cpuMs: (user + system) / 1_000 }))
