import { assert, describe, it } from "@effect/vitest"
import { type BootEvent, Report } from "@novacron/boot/model"
import * as fc from "fast-check"
import * as Feed from "../../src/operator/Feed.ts"

const started = (names: ReadonlyArray<string>): BootEvent.BootEvent => ({
  _tag: "BootStarted",
  atMs: 0,
  version: 1,
  bootId: "b",
  nodeId: "n",
  environment: "datacenter",
  configVersion: "c",
  startedAt: 0,
  concurrency: 4,
  worstCaseMs: 1,
  components: names.map((name) => ({ name, phase: "core", severity: "degraded", needs: [], fallbacks: ["memory"] }))
})
const ready: BootEvent.BootEvent = { _tag: "BootReady", atMs: 1, outcome: "ready" }
const health = (component: string, healthy: boolean, atMs = 2): BootEvent.BootEvent => ({
  _tag: "HealthChanged",
  atMs,
  component,
  healthy,
  message: ""
})

interface Message {
  readonly id: string
  readonly kind: string
  readonly events: ReadonlyArray<BootEvent.BootEvent>
}

/** A reader with so much room: it takes that many messages and no more, until it is asked to. */
const reader = (room = Infinity) => {
  const texts: Array<string> = []
  let left = room
  let drained = () => {}
  const seen = { isCut: false, isEnded: false }
  const sink: Feed.Sink = {
    write: (text) => {
      texts.push(text)
      return --left > 0
    },
    onDrain: (listener) => (drained = listener),
    cut: () => void (seen.isCut = true),
    end: () => void (seen.isEnded = true)
  }
  const take = (count = Infinity) => {
    left = count
    drained()
  }
  const messages = (): ReadonlyArray<Message> =>
    texts.flatMap((text) => {
      const [, id = "", kind = "", data = ""] =
        /^(?:id: ([^\n]*)\n)?event: ([^\n]*)\ndata: ?([^\n]*)\n\n$/.exec(text) ?? []
      return kind === "begin" || kind === "events" ? [{ id, kind, events: JSON.parse(data) }] : []
    })
  /** What a page would have: everything since the last new beginning. */
  const page = () => {
    const all = messages()
    return all.slice(all.findLastIndex(({ kind }) => kind === "begin")).flatMap(({ events }) => events)
  }
  return { sink, seen, texts, take, messages, page }
}

const soon = () => new Promise((resume) => setImmediate(resume))

const clock = () => {
  const it = { nowMs: 0 }
  return { it, nowMs: () => it.nowMs }
}

describe("a feed", () => {
  it("tells all from the beginning, and then what happens, in order", async () => {
    const feed = Feed.make(() => 0)
    feed.observe(started(["a"]))
    const one = reader()
    feed.attach(one.sink, undefined)
    assert.deepStrictEqual(
      one.messages().map(({ kind }) => kind),
      ["begin"]
    )
    for (const event of [ready, health("a", false)]) feed.observe(event)
    await soon()
    assert.deepStrictEqual(one.page(), feed.events())
    assert.strictEqual(one.page().length, 3)
  })

  it("goes on where a reader was cut off, and begins anew for one of another node", async () => {
    const feed = Feed.make(() => 0)
    feed.observe(started(["a"]))
    const one = reader()
    const leave = feed.attach(one.sink, undefined)
    const lastId = one.messages().at(-1)?.id
    leave?.()
    feed.observe(ready)
    const back = reader()
    feed.attach(back.sink, lastId)
    assert.deepStrictEqual(
      back.messages().map(({ events, kind }) => [kind, events]),
      [["events", [ready]]]
    )
    for (const foreign of ["000000000000.1", "nonsense", `${lastId?.split(".")[0]}.99`, ""]) {
      const other = reader()
      feed.attach(other.sink, foreign)
      assert.strictEqual(other.messages()[0]?.kind, "begin", foreign)
    }
  })

  it("holds nothing for a reader that does not read, and tells it the rest when it does", async () => {
    const feed = Feed.make(() => 0, { chunk: 4 })
    feed.observe(started(["a"]))
    const slow = reader(1)
    feed.attach(slow.sink, undefined)
    for (let i = 0; i < 100; i++) feed.observe(health("a", i % 2 === 0, i))
    await soon()
    assert.strictEqual(slow.texts.length, 1)
    slow.take(2)
    assert.strictEqual(slow.texts.length, 3)
    slow.take()
    assert.deepStrictEqual(slow.page(), feed.events())
  })

  it("cuts off who has taken nothing for half a minute", () => {
    const { it: time, nowMs } = clock()
    const feed = Feed.make(nowMs)
    const [slow, quick] = [reader(1), reader()]
    feed.attach(slow.sink, undefined)
    feed.attach(quick.sink, undefined)
    time.nowMs = 30_000
    feed.beat()
    assert.isFalse(slow.seen.isCut)
    time.nowMs = 30_001
    feed.beat()
    assert.isTrue(slow.seen.isCut)
    assert.isFalse(quick.seen.isCut)
    assert.strictEqual(feed.readers(), 1)
  })

  it("takes so many readers and no more", () => {
    const feed = Feed.make(() => 0, { readers: 2 })
    const leave = feed.attach(reader().sink, undefined)
    assert.isDefined(feed.attach(reader().sink, undefined))
    assert.isUndefined(feed.attach(reader().sink, undefined))
    leave?.()
    assert.isDefined(feed.attach(reader().sink, undefined))
  })

  it("does not grow while a node runs, and whoever was behind comes to the same state", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.boolean()), { minLength: 60, maxLength: 200 }),
        fc.nat(50),
        async (changes, behind) => {
          const feed = Feed.make(() => 0, { events: 40, chunk: 8 })
          const all: Array<BootEvent.BootEvent> = [started(["a", "b", "c"]), ready]
          for (const event of all) feed.observe(event)
          const [follower, late] = [reader(), reader(1 + behind)]
          feed.attach(follower.sink, undefined)
          feed.attach(late.sink, undefined)
          for (const [i, [component, healthy]] of changes.entries()) {
            const event = health(component, healthy, i)
            all.push(event)
            feed.observe(event)
            if (i % 7 === 0) await soon()
          }
          await soon()
          late.take()
          assert.isAtMost(feed.events().length, 41)
          const states = (events: ReadonlyArray<BootEvent.BootEvent>) =>
            Report.fromEvents(events).components.map((one) => [one.name, one.state, one.health?.healthy])
          assert.deepStrictEqual(states(follower.page()), states(all))
          assert.deepStrictEqual(states(late.page()), states(all))
        }
      ),
      { numRuns: 40 }
    ))

  it("begins a new story with a new boot", async () => {
    const feed = Feed.make(() => 0)
    const one = reader()
    feed.attach(one.sink, undefined)
    for (const event of [started(["a"]), ready, started(["b"])]) feed.observe(event)
    await soon()
    assert.deepStrictEqual(one.page(), [started(["b"])])
  })

  it("tells the end to those who follow, and lets them go", () => {
    const feed = Feed.make(() => 0)
    const one = reader()
    feed.attach(one.sink, undefined)
    feed.observe(started(["a"]))
    feed.observe({ _tag: "BootEnded", atMs: 3, outcome: "failed", clean: true })
    assert.strictEqual(feed.end(), 1)
    assert.strictEqual(one.page().at(-1)?._tag, "BootEnded")
    assert.isTrue(one.seen.isEnded)
  })

  it("keeps hostile text inside of one message", () => {
    const feed = Feed.make(() => 0)
    feed.observe(started(["x\n\nevent: begin\ndata: []\n\n", "\u2028\r\n\u001b[2J"]))
    const one = reader()
    feed.attach(one.sink, undefined)
    assert.strictEqual(one.texts.length, 1)
    assert.deepStrictEqual(one.page(), feed.events())
  })
})
