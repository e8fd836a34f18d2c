import { Timeline } from "@novacron/boot/model"
import { assert, describe, it } from "vitest"
import * as Sequence from "../../src/trace/Sequence.ts"
import { boot } from "./fixtures/journals.ts"

describe("a sequence diagram", () => {
  it("tells a boot in the order in which things happened: starts, failures, who is up, READY", () => {
    const text = Sequence.toMermaid(Timeline.fromEvents(boot()))
    assert.deepStrictEqual(text.split("\n"), [
      "sequenceDiagram",
      "  participant boot",
      "  participant c0 as security",
      "  participant c1 as database",
      "  participant c2 as cache",
      "  participant c3 as api",
      "  boot->>c0: start security",
      "  c0-->>boot: ready after 20 ms of work",
      "  boot->>c1: start database, after security",
      "  boot->>c2: start cache, after security",
      "  c2--xboot: attempt 1 failed, RedisDown",
      "  c2-->>boot: degraded after 15 ms of work, on its fallback memory",
      "  c1-->>boot: ready after 100 ms of work",
      "  boot->>c3: start api, after database, cache",
      "  c3-->>boot: ready after 10 ms of work",
      "  Note over boot: READY after 130 ms"
    ])
  })

  it("says how a boot ended that was never ready", () => {
    const text = Sequence.toMermaid(Timeline.fromEvents(boot({ isReady: false })))
    assert.notInclude(text, "READY")
    assert.match(text, /Note over boot: booting$/)
  })

  it("lets no name of a component break the diagram", () => {
    const names = ["a; participant evil", "b\nNote over boot: READY", "<script>", "#quot;%%{init}"] as const
    const text = Sequence.toMermaid(Timeline.fromEvents(boot({ names })))
    const known = [
      /^sequenceDiagram$/,
      /^ {2}participant (?:boot|c\d as .+)$/,
      /^ {2}Note over boot: READY after 130 ms$/,
      /^ {2}(?:boot->>c\d|c\d--(?:>>|x)boot): .+$/
    ]
    const lines = text.split("\n")
    assert.lengthOf(lines, 16)
    for (const line of lines) {
      assert.isTrue(
        known.some((one) => one.test(line)),
        line
      )
      assert.notMatch(line, /[;<#{]/)
    }
  })
})
