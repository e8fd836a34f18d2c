/**
 * More than a node takes: thousands of tasks at once over REST, behind them a real PostgreSQL. What is refused is refused
 * in documented words, what was acknowledged is done, and the node stays small.
 *
 * **Details**
 *
 * `TASKS=10000` is the campaign; without it there are as many as half a minute allows.
 */
import { readFileSync } from "node:fs"
import { Agent, request } from "node:https"
import { join } from "node:path"
import { Contract, Tasks } from "@novacron/api"
import { Schema } from "effect"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { Place } from "./Novacron.ts"

const count = Number(process.env["TASKS"] ?? 600)

let place: Place
beforeEach(() => {
  place = new Place()
})
afterEach(() => place.remove())

interface Reply {
  readonly status: number
  readonly retryAfter: number | undefined
  readonly body: string
}

/** A program of this machine that talks to the node inside of a directory, over so many connections. */
const clientOf = (dataDir: string, connections: number) => {
  const { ca, serverName, token, url } = JSON.parse(readFileSync(join(dataDir, "api/local.json"), "utf8"))
  const agent = new Agent({ ca, servername: serverName, keepAlive: true, maxSockets: connections })
  const ask = (path: string, body?: object, headers: { readonly [name: string]: string } = {}): Promise<Reply> =>
    new Promise((resume, fail) => {
      const asked = request(`${url}${path}`, {
        agent,
        method: body === undefined ? "GET" : "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers }
      })
      asked.once("error", fail)
      asked.once("response", (response) => {
        let text = ""
        response.setEncoding("utf8")
        response.on("data", (chunk: string) => void (text += chunk))
        response.once("end", () => {
          const after = response.headers["retry-after"]
          const retryAfter = after === undefined ? undefined : Number(after)
          resume({ status: response.statusCode ?? 0, retryAfter, body: text })
        })
      })
      asked.end(body === undefined ? undefined : JSON.stringify(body))
    })
  return { ask, close: () => agent.destroy() }
}

/** All tasks that there are, by their ids. */
const everything = async (ask: (path: string) => Promise<Reply>) => {
  const found = new Map<string, Tasks.Task>()
  for (let cursor: string | null = ""; cursor !== null;) {
    const { body, retryAfter, status } = await ask(`/v1/tasks?limit=1000${cursor === "" ? "" : `&cursor=${cursor}`}`)
    if (status === 429) {
      await seconds(retryAfter ?? 1)
      continue
    }
    assert.strictEqual(status, 200, body)
    const page: Contract.Page = Schema.decodeUnknownSync(Contract.Page)(JSON.parse(body))
    for (const task of page.tasks) found.set(task.id, task)
    cursor = page.next
  }
  return found
}

const seconds = (n: number): Promise<void> => new Promise((resume) => setTimeout(resume, n * 1_000))

/** The most memory a process has had, in MB. */
const peakOf = (pid: number | undefined): number =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_000

const submission = { name: "one-of-many", run: { driver: "process", command: ["/bin/true"] } }

/** With a heap that small, what is kept for each task or refusal, and not let go, ends the node. */
const small = { NODE_OPTIONS: "--max-old-space-size=256" }

/** What may be said instead of yes, each with a time to ask again. */
const codes: { readonly [status: number]: RegExp } = { 429: /NVC-28(?:19|26)/, 503: /NVC-2821/ }

describe("thousands of tasks at once", () => {
  it(
    "are refused in documented words beyond what the settings allow, and what was taken is done",
    { timeout: 180_000 },
    async () => {
      const node = await place.ready([], { ...small, NOVACRON_API_RATE_PER_MINUTE: "120" })
      const { ask, close } = clientOf(place.dataDir, 500)
      const replies = await Promise.all(Array.from({ length: count }, () => ask("/v1/tasks", submission)))
      const taken = replies.filter(({ status }) => status === 201)
      const refused = replies.filter(({ status }) => status !== 201)
      // The burst of a caller, and what its bucket has got meanwhile.
      assert.isAtLeast(taken.length, 100)
      assert.isAbove(refused.length, 0)
      for (const { body, retryAfter, status } of refused) {
        assert.match(body, codes[status] ?? /never/, `${status}`)
        assert.isAtLeast(retryAfter ?? 0, 1)
      }
      const ids = new Set(taken.map(({ body }) => Schema.decodeUnknownSync(Tasks.Task)(JSON.parse(body)).id))
      const all = await done(ask, ids.size)
      assert.deepStrictEqual(new Set(all.keys()), ids)
      const peak = peakOf(node.child.pid)
      process.stdout.write(`${taken.length} taken, ${refused.length} refused, ${Math.round(peak)} MB at most\n`)
      assert.isBelow(peak, 700)
      close()
      node.child.kill("SIGTERM")
      assert.strictEqual((await node.ended).code, 0)
    }
  )

  it(
    "are all taken from a client that comes back when it was told to, each is done once, and each has its audit line",
    { timeout: 180_000 + count * 60 },
    async () => {
      // Whoever asks for all at once gets both kinds of no: too often, and too many.
      const node = await place.ready([], {
        ...small,
        NOVACRON_API_RATE_PER_MINUTE: `${count * 6}`,
        NOVACRON_ORCHESTRATION_MAX_QUEUED: `${Math.ceil(count / 10)}`
      })
      const { ask, close } = clientOf(place.dataDir, 500)
      const seen = new Map<string, number>()
      const submit = async (i: number): Promise<string> => {
        while (true) {
          const { body, retryAfter, status } = await ask("/v1/tasks", submission, { "idempotency-key": `task-${i}` })
          const code = /"code":"(NVC-\d+)"/.exec(body)?.[1] ?? ""
          seen.set(`${status} ${code}`, (seen.get(`${status} ${code}`) ?? 0) + 1)
          if (status === 201) return Schema.decodeUnknownSync(Tasks.Task)(JSON.parse(body)).id
          assert.match(body, codes[status] ?? /never/, `${status}`)
          // Not all of them in the same moment.
          await seconds((retryAfter ?? 0) * (1 + (i % 16) / 32))
        }
      }
      const beganMs = performance.now()
      const ids = await Promise.all(Array.from({ length: count }, (_, i) => submit(i)))
      const takenMs = performance.now() - beganMs
      assert.strictEqual(new Set(ids).size, count)
      assert.isTrue(
        [...seen.keys()].some((key) => key.startsWith("429")),
        "the limits were reached"
      )
      const all = await done(ask, count)
      const doneMs = performance.now() - beganMs
      assert.deepStrictEqual([...all.keys()].toSorted(), ids.toSorted())
      for (const { attempts, state } of all.values()) {
        assert.strictEqual(state, "succeeded")
        assert.strictEqual(attempts.length, 1)
      }
      const peak = peakOf(node.child.pid)
      const told = [...seen].map(([what, times]) => `${times} × ${what}`).join(", ")
      const [taking, doing] = [takenMs, doneMs].map((ms) => (ms / 1_000).toFixed(1))
      process.stdout.write(
        `${count} tasks: all in after ${taking} s, done after ${doing} s; ${told}; ${Math.round(peak)} MB at most\n`
      )
      assert.isBelow(peak, 700)
      close()
      node.child.kill("SIGTERM")
      assert.strictEqual((await node.ended).code, 0)
      const lines = readFileSync(join(place.dataDir, "security/audit.jsonl"), "utf8").split("\n")
      const audited = lines.filter((line) => line.includes('"task.submitted"') && line.includes('"success":true'))
      // More than one for a task whose answer did not come in time, and which was asked for again.
      assert.isAtLeast(audited.length, count)
    }
  )
})

/** Waits until so many tasks have ended well. */
const done = async (ask: (path: string) => Promise<Reply>, wanted: number) => {
  while (true) {
    const all = await everything(ask)
    const succeeded = [...all.values()].filter(({ state }) => state === "succeeded")
    if (succeeded.length >= wanted) return all
    await seconds(1)
  }
}
