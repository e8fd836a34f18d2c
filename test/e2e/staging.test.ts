/**
 * A staging deployment under a load like that of production: servers of its own, the profile of a data centre, callers who
 * read more than they write, tasks that are run. What its metrics said before and after is compared, printed, and judged.
 * `MINUTES=10` keeps the load on for ten minutes.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { Agent, get as getPlain } from "node:http"
import { Agent as TlsAgent, request } from "node:https"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { freePort } from "../fixtures/Ports.ts"
import { eventually, Place } from "./Novacron.ts"
import { hasRedis, Postgres, Redis } from "./Servers.ts"

const minutes = Number(process.env["MINUTES"] ?? 0)
const callers = 8
/** Of a run that has no minutes. */
const requestsAtLeast = 600

/** As a node in production is set, but for its ports, how often one caller may ask, and how small its machine may be. */
const profile = `
environment:
  kind: datacenter
resources:
  policy: warn
api:
  rate:
    per_minute: 1000000
    burst: 10000
monitoring:
  cache_interval: 100ms
orchestration:
  max_concurrent: 4
system:
  log_level: warn
`

describe.skipIf(!hasRedis)("a staging deployment", () => {
  const place = new Place()
  let [database, redis]: [Postgres, Redis] = [undefined!, undefined!]
  beforeAll(async () => {
    ;[database, redis] = [await Postgres.make(), await Redis.make()]
    await Promise.all([database.up(), redis.up()])
  })
  afterAll(async () => {
    place.remove()
    await Promise.all([database.remove(), redis.remove()])
  })

  /** The sum of a metric over its labels. */
  const metricsOf = (port: number) =>
    new Promise<(name: string) => number>((resume, reject) => {
      getPlain({ host: "127.0.0.1", port, path: "/metrics", agent: new Agent() }, (response) => {
        let text = ""
        response.on("data", (chunk: Buffer) => (text += chunk.toString()))
        response.on("end", () =>
          resume((name) =>
            [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))].reduce(
              (sum, [, n]) => sum + Number(n),
              0
            )
          )
        )
      }).once("error", reject)
    })

  it(
    "bears it: no request fails, every task that was taken is done, nothing breaks or grows, and its metrics say so",
    async () => {
      const [settings, metricsPort] = [place.path("staging.yaml"), await freePort()]
      writeFileSync(settings, profile, { mode: 0o600 })
      const node = await place.ready(["-c", settings], {
        NOVACRON_DATABASE_URL: database.url(),
        NOVACRON_CACHE_URL: redis.url,
        NOVACRON_MONITORING_PORT: `${metricsPort}`
      })
      const { ca, serverName, token, url } = JSON.parse(readFileSync(join(place.dataDir, "api/local.json"), "utf8"))
      const agent = new TlsAgent({ ca, servername: serverName, keepAlive: true, maxSockets: callers })
      const ask = (method: string, path: string, body?: unknown) =>
        new Promise<{ readonly status: number; readonly text: string; readonly ms: number }>((resume, reject) => {
          const began = performance.now()
          const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" }
          const asked = request(`${url}${path}`, { agent, method, headers }, (response) => {
            let text = ""
            response.on("data", (chunk: Buffer) => (text += chunk.toString()))
            response.on("end", () => resume({ status: response.statusCode ?? 0, text, ms: performance.now() - began }))
          })
          asked.once("error", reject)
          asked.end(body === undefined ? undefined : JSON.stringify(body))
        })

      const submission = { name: "staging", run: { driver: "process", command: ["/bin/true"] } }
      /** Of ten: seven lists, two looks at the nodes, one task. */
      const mixture = [...Array.from({ length: 7 }, () => "tasks"), "nodes", "nodes", "submit"]
      const latencies = new Map<string, Array<number>>()
      const wrong: Array<string> = []
      const taken = new Set<string>()
      let asked = 0
      const one = async () => {
        const what = mixture[asked++ % mixture.length]!
        const { ms, status, text } =
          what === "submit"
            ? await ask("POST", "/v1/tasks", submission)
            : await ask("GET", what === "tasks" ? "/v1/tasks?limit=20" : "/v1/nodes")
        if (status !== (what === "submit" ? 201 : 200)) wrong.push(`${what}: ${status} ${text.slice(0, 200)}`)
        else if (what === "submit") taken.add(String(JSON.parse(text).id))
        latencies.set(what, [...(latencies.get(what) ?? []), ms])
      }
      const load = async (atLeast: number, endsAt: number) => {
        const until = asked + atLeast
        const caller = async () => {
          while (asked < until || performance.now() < endsAt) await one()
        }
        await Promise.all(Array.from({ length: callers }, caller))
      }

      await load(200, 0)
      const before = await metricsOf(metricsPort)
      latencies.clear()
      const [beganAt, askedBefore] = [performance.now(), asked]
      await load(requestsAtLeast, performance.now() + minutes * 60_000)
      const seconds = (performance.now() - beganAt) / 1_000
      const count = asked - askedBefore
      await eventually(async () => {
        const { text } = await ask("GET", "/v1/tasks?limit=1&state=queued")
        const running = await ask("GET", "/v1/tasks?limit=1&state=running")
        return JSON.parse(text).tasks.length === 0 && JSON.parse(running.text).tasks.length === 0
      }, "all tasks are over")
      const after = await metricsOf(metricsPort)
      const failed = JSON.parse((await ask("GET", "/v1/tasks?limit=1&state=failed")).text).tasks.length

      // What it came to.
      const rose = (name: string) => after(name) - before(name)
      console.log(
        `${count} requests in ${seconds.toFixed(1)} s by ${callers} callers, ${(count / seconds).toFixed(0)} per second`
      )
      for (const [what, all] of latencies) {
        const sorted = all.toSorted((a, b) => a - b)
        const [p50, p99] = [0.5, 0.99].map((share) => sorted[Math.floor(share * (sorted.length - 1))]?.toFixed(1))
        console.log(`  ${what}: ${all.length} times, p50 ${p50} ms, p99 ${p99} ms`)
      }
      const rss = after("process_resident_memory_bytes") / 1e6
      const cpu = (1_000 * rose("process_cpu_seconds_total")) / count
      console.log(
        `  CPU ${cpu.toFixed(2)} ms per request with its tasks, memory ${rss.toFixed(0)} MB, ${taken.size} tasks`
      )

      assert.deepStrictEqual(wrong, [])
      assert.strictEqual(failed, 0)
      assert.isAbove(taken.size, 50)
      assert.isAbove(rose("process_cpu_seconds_total"), 0)
      assert.strictEqual(rose("novacron_component_errors_total"), 0)
      assert.strictEqual(rose("novacron_component_repair_duration_seconds_count"), 0)
      // A heap that is collected late is no leak; twice of what it was after the first requests is.
      assert.isBelow(rss, (2 * before("process_resident_memory_bytes")) / 1e6)
      assert.isAtMost(rose("process_open_fds"), 20)
      agent.destroy()
      node.child.kill("SIGTERM")
      const { code, stderr } = await node.ended
      assert.strictEqual(code, 0, stderr)
      assert.deepStrictEqual(place.leftovers(), [])
    },
    (minutes + 3) * 60_000
  )
})
