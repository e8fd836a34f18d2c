/**
 * What the pages know of the node: the events of its boot, folded here by the code that the node itself uses, and whether
 * it can be heard at all.
 *
 * **Details**
 *
 * Events come by server-sent events, the whole boot first. After a break the browser says which one it heard last. A node
 * that was restarted begins a new story. When nothing comes for 15 seconds, not even a sign of life, the connection is
 * taken for dead and made anew.
 */
import { type BootEvent, Report, Timeline } from "@novacron/boot/model"
import { batch, createSignal } from "solid-js"
import * as asking from "./asking.ts"

/** Whether the node is heard. `locked`: it wants a link first. */
export type Line = "opening" | "live" | "lost" | "locked"

const [line, setLine] = createSignal<Line>("opening")
const [lostSince, setLostSince] = createSignal(0)
const [report, setReport] = createSignal<Report.Report>(Report.fromEvents([]))
const [facts, setFacts] = createSignal<asking.NodeFacts | undefined>()
const [sample, setSample] = createSignal<({ readonly atMs: number } & asking.HealthNow) | undefined>()
const [beat, setBeat] = createSignal(0)
/** Which tasks have changed just now. */
const [news, setNews] = createSignal<News>({ tasks: [], isMore: true }, { equals: false })

export { facts, line, lostSince, news, report, sample }

export interface News {
  readonly tasks: ReadonlyArray<string>
  /** Others besides. */
  readonly isMore: boolean
}

let fold = Timeline.make()
/** By how much the clock of the node is ahead of ours. */
let aheadMs = 0
let source: EventSource | undefined
let lastId = ""
/** By the clock that nobody sets: silence is not to begin or end with a correction of the time. */
let heardAt = 0
let isDue = false

/** Milliseconds since the boot began, as of now; of a boot that is over, when it was. */
export const nowMs = (): number => {
  beat()
  const { endedAtMs, startedAt, atMs } = report()
  if (endedAtMs !== null || startedAt === "" || facts()?.mode === "journals") return atMs
  return Math.max(atMs, Date.now() + aheadMs - Date.parse(startedAt))
}

/** Milliseconds since 1970, by the clock of the node; moves as long as it is heard. */
export const clock = (): number => {
  beat()
  return Date.now() + aheadMs
}

/** Whether whoever looks may do that; the node decides, this is for what is shown. */
export const may = (action: string): boolean => facts()?.who.may.includes(action) ?? false

/** Why not, and what helps. */
export const whyNot = (action: string): string =>
  `The role ${facts()?.who.roles.join(", ") ?? ""} does not allow ${action}.`

/** The timeline of the boot that is watched. */
export const timeline = (): Timeline.Timeline => {
  report()
  return Timeline.read(fold, line() === "live" ? nowMs() : undefined)
}

/** Begins to listen; called once. */
export const listen = async (): Promise<void> => {
  const token = /^#token=([\w-]{1,128})$/.exec(location.hash)?.[1]
  if (token !== undefined) {
    // It is good once: nobody is to find it in a history.
    history.replaceState(null, "", "#/graph")
    await asking.begin(token).catch(() => undefined)
  }
  await open()
  setInterval(() => {
    if (line() === "live" && performance.now() - heardAt > silenceMs) lose()
    if (line() === "live" && report().endedAtMs === null) setBeat(Date.now())
  }, 250)
}

/** Uses a link that was pasted. */
export const unlock = async (link: string): Promise<void> => {
  const token = /([\w-]{43})\s*$/.exec(link)?.[1]
  if (token === undefined) throw new Error("That is no link of novacron dashboard.")
  await asking.begin(token)
  await open()
}

export const lock = async (): Promise<void> => {
  await asking.leave().catch(() => undefined)
  source?.close()
  setLine("locked")
}

const silenceMs = 15_000

const open = async (): Promise<void> => {
  try {
    const it = await asking.node()
    aheadMs = it.nowMs - Date.now()
    setFacts(it)
    // A role that may not even look: it is no use to go on asking.
    if (!it.who.may.includes("status.events")) return void setLine("locked")
  } catch (error) {
    if (error instanceof asking.NotAnswered && error.status === 401) return void setLine("locked")
    return lose()
  }
  follow()
}

const follow = (): void => {
  source?.close()
  heardAt = performance.now()
  const mine = (source = new EventSource(lastId === "" ? "/api/events" : `/api/events?after=${lastId}`))
  mine.onopen = () => {
    heardAt = performance.now()
    setLine("live")
    // What has changed meanwhile nobody knows.
    setNews({ tasks: [], isMore: true })
  }
  mine.onerror = () => {
    if (source === mine) lose()
  }
  mine.addEventListener("begin", (message) => take(message, true))
  mine.addEventListener("events", (message) => take(message, false))
  mine.addEventListener("beat", () => (heardAt = performance.now()))
  mine.addEventListener("health", (message) => {
    heardAt = performance.now()
    setSample(JSON.parse(message.data))
  })
  mine.addEventListener("work", (message) => setNews(JSON.parse(message.data)))
}

const take = (message: MessageEvent<string>, isNew: boolean): void => {
  heardAt = performance.now()
  lastId = message.lastEventId
  if (isNew) fold = Timeline.make()
  const events: ReadonlyArray<BootEvent.BootEvent> = JSON.parse(message.data)
  for (const event of events) Timeline.step(fold, event)
  if (isDue) return
  // A boot of a thousand components tells a thousand things at once: they are drawn together.
  isDue = true
  requestAnimationFrame(() => {
    isDue = false
    batch(() => setReport(Report.read(fold.report)))
  })
}

let waitMs = 1_000

/** Not heard any more: what is known stays, and it is tried again, less and less often. */
const lose = (): void => {
  source?.close()
  source = undefined
  if (line() !== "lost") {
    setLostSince(Date.now())
    waitMs = 500
  }
  setLine("lost")
  setTimeout(() => void open(), (waitMs = Math.min(5_000, waitMs * 1.5)))
}
