import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { assert, describe, it } from "vitest"
import { field, type Lab, missing, within } from "./fixtures/lab.ts"

const script = join(import.meta.dirname, "fixtures/send.ts")
const port = 4700

/** A stream as the kernel shows it to `ss`. */
interface Seen {
  readonly congestion: string
  readonly sendBuffer: number
}

interface Sent {
  /** What `ss` saw of the established streams, again and again while the bytes were on their way. */
  readonly seen: ReadonlyArray<ReadonlyArray<Seen>>
  readonly most: unknown
  readonly effective: unknown
}

/** Sends from a to b, and looks at the streams from outside meanwhile. */
const sent = async (lab: Lab, megabytes: number, settings: object): Promise<Sent> => {
  const to = lab.address("b")
  const receiver = lab.node("b", script, ["serve", to, `${port}`])
  await receiver.said((line) => field(line, "port"))
  const sender = lab.node("a", script, ["send", to, `${port}`, `${megabytes}`, JSON.stringify(settings)])
  let over = false
  const status = sender
    .said((line) => field(line, "status"))
    .finally(() => {
      over = true
    })
  const seen: Array<ReadonlyArray<Seen>> = []
  while (!over) {
    seen.push(streams(await lab.exec("a", "ss", ["-tinmH", "state", "established", "dst", `${to}:${port}`])))
    await sleep(100)
  }
  const said = await status
  await receiver.end("SIGKILL")
  return {
    seen: seen.filter((each) => each.length > 0),
    most: field(said, "most"),
    effective: field(field(said, "congestion"), "effective")
  }
}

/** Two lines a stream: its ends, and what is known of it. */
const streams = (said: string): ReadonlyArray<Seen> =>
  said
    .split("\n")
    .filter((line) => line.includes("skmem:"))
    .map((line) => ({
      congestion: /\b(bbr|cubic|reno|dctcp)\b/u.exec(line)?.[1] ?? "unknown",
      sendBuffer: Number(/\btb(\d+)/u.exec(line)?.[1])
    }))

const counts = ({ seen }: Sent): ReadonlyArray<number> => seen.map((each) => each.length)

describe("a link over a WAN", () => {
  it("runs bbr on every stream over the internet, and cubic where that is asked for: `ss` sees the same", async (c) => {
    if (missing !== undefined) return c.skip(missing)
    await within(2, ["--delay", "40", "--rate", "100"], async (lab) => {
      for (const [settings, wanted] of [
        [{ environment: "internet", streams: 6 }, "bbr"],
        [{ environment: "internet", streams: 6, congestion: "cubic" }, "cubic"]
      ] as const) {
        const all = await sent(lab, 30, settings)
        assert.strictEqual(all.effective, wanted)
        assert.strictEqual(Math.max(...counts(all)), 6)
        assert.deepStrictEqual([...new Set(all.seen.flat().map(({ congestion }) => congestion))], [wanted])
      }
    })
  }, 120_000)

  it("stays within the window of streams of each mode, where a link that loses wants ever more of them", async (c) => {
    if (missing !== undefined) return c.skip(missing)
    // A control that backs off at every loss, where losses are chance: each window asks for four times as many.
    const lossy = ["--delay", "60", "--rate", "60", "--loss", "2"]
    await within(2, lossy, async (lab) => {
      const windows = { datacenter: 512, internet: 256, hybrid: 512 } as const
      for (const [environment, most] of Object.entries(windows)) {
        const all = await sent(lab, 40, { environment, congestion: "cubic", maxStreams: 4_096 })
        assert.isAbove(Math.max(...counts(all)), 32, environment)
        assert.isAtMost(Math.max(...counts(all)), most, environment)
        assert.isAtMost(Number(all.most), most, environment)
      }
      // The smaller of the two holds, also for those with which a long link begins.
      const few = await sent(lab, 6, { environment: "internet", congestion: "cubic", maxStreams: 12 })
      assert.strictEqual(Math.max(...counts(few)), 12)
      assert.strictEqual(few.most, 12)
      const fixed = await sent(lab, 6, { environment: "internet", congestion: "cubic", streams: 20 })
      assert.strictEqual(Math.max(...counts(fixed)), 20)
    })
  }, 240_000)

  it("has send buffers that follow rate and round trip on long links, and those of the kernel on short ones", async (c) => {
    if (missing !== undefined) return c.skip(missing)
    const largest = async (rttMillis: number, mbit: number) =>
      await within(2, ["--delay", `${rttMillis / 2}`, "--rate", `${mbit}`], async (lab) => {
        const { seen } = await sent(lab, mbit / 2, { environment: "internet", streams: 1 })
        return Math.max(...seen.flat().map(({ sendBuffer }) => sendBuffer))
      })
    const [near, far, farther] = [await largest(4, 100), await largest(60, 100), await largest(180, 100)]
    const onItsWay = (rttMillis: number) => ((100e6 / 8) * rttMillis) / 1_000
    // The kernel counts what it needs itself, too, and shows twice what was asked for.
    assert.isAtLeast(far, 8 * onItsWay(60))
    assert.isAtLeast(farther, 8 * onItsWay(180))
    assert.isAbove(farther, 1.5 * far)
    // Its own limit is 4 MiB.
    assert.isAtMost(near, 4_194_304)
  }, 120_000)
})
