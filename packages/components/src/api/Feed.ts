/**
 * What happens, for everybody who wants to be told: changes of tasks and events of the boot, each with an id by which a
 * reader that comes back goes on where it was.
 *
 * **Details**
 *
 * An id is the name of this feed and a number, `k3f9-17`. The last `history` messages are kept, as bytes that are made
 * once for all readers, and no more of them than {@link mostBytes}: a task may have a megabyte of arguments. A reader is
 * asked whether it takes a message now; one that does not gets the last version of each task when it is ready again, in
 * the order they changed, and a `gap` where events of the boot are missing.
 */
import { randomBytes } from "node:crypto"
import { type Events, Tasks } from "@novacron/api"
import { BootEvent } from "@novacron/boot/model"
import { Schema } from "effect"

/** A message, ready to be sent. */
export interface Message {
  readonly id: string
  readonly type: Events.Event["type"]
  readonly task: Tasks.Task | undefined
  readonly bytes: Buffer
}

/** Somebody who is told. */
export interface Reader {
  /** Whether it takes this one now. When it says no, it calls {@link Subscription.resume} later. */
  readonly take: (message: Message) => boolean
}

export interface Subscription {
  /** The reader takes messages again. */
  readonly resume: () => void
  readonly end: () => void
  /** How many messages wait for it. */
  readonly waiting: () => number
}

export interface Feed {
  readonly task: (task: Tasks.Task) => void
  readonly boot: (event: BootEvent.BootEvent) => void
  /** Tells a reader what came after that id, or what comes from now on. `tasksOnly` leaves out the boot. */
  readonly subscribe: (
    reader: Reader,
    options?: { readonly after?: string | undefined; readonly tasksOnly?: boolean }
  ) => Subscription
  readonly readers: () => number
}

const encodeTask = Schema.encodeSync(Tasks.Task)
const encodeBoot = Schema.encodeSync(BootEvent.BootEvent)

/** Of all that is kept, and of what waits for one reader. Whoever misses something for its sake is told of a gap. */
const mostBytes = 64 * 1024 * 1024

export const make = ({ history, most = mostBytes }: { readonly history: number; readonly most?: number }): Feed => {
  const name = randomBytes(6).toString("base64url").replaceAll("-", "_")
  const kept: Array<Message> = []
  let keptBytes = 0
  /** The number of the next message. */
  let next = 1
  const subscribers = new Set<(message: Message) => void>()

  const message = (task: Tasks.Task | undefined, body: object): Message => {
    const id = `${name}-${next++}`
    const type = task === undefined ? "boot" : "task"
    return { id, type, task, bytes: Buffer.from(JSON.stringify({ type, ...body, id })) }
  }

  const trim = (): void => {
    let from = 0
    for (const { bytes } of kept) {
      if (kept.length - from <= history && keptBytes <= most / 2) break
      keptBytes -= bytes.length
      from++
    }
    kept.splice(0, from)
  }

  const publish = (one: Message): void => {
    kept.push(one)
    keptBytes += one.bytes.length
    // Trimmed by the half, so that it costs nothing for each.
    if (kept.length >= 2 * history || keptBytes > most) trim()
    for (const tell of subscribers) tell(one)
  }

  const gap = (): Message => {
    const id = `${name}-${next - 1}`
    const event: Events.Event = { type: "gap", id }
    return { id, type: "gap", task: undefined, bytes: Buffer.from(JSON.stringify(event)) }
  }

  /** What came after an id; undefined when nobody knows. */
  const since = (after: string): ReadonlyArray<Message> | undefined => {
    const [, of, number = ""] = /^(\w+)-(\d{1,15})$/.exec(after) ?? []
    const first = next - kept.length
    if (of !== name || Number(number) >= next || Number(number) < first - 1) return undefined
    return kept.slice(Number(number) + 1 - first)
  }

  return {
    task: (task) => publish(message(task, { task: encodeTask(task) })),
    boot: (event) => publish(message(undefined, { event: encodeBoot(event) })),
    readers: () => subscribers.size,
    subscribe: (reader, { after, tasksOnly = false } = {}) => {
      /** What it did not take: of each task the last version, in the order of the last versions. */
      const waiting = new Map<string, Message>()
      let waitingBytes = 0
      let isBehind = false
      let isMissing = false

      const forget = (id: string): void => {
        waitingBytes -= waiting.get(id)?.bytes.length ?? 0
        waiting.delete(id)
      }
      const keep = (one: Message): void => {
        if (one.task === undefined) {
          isMissing = true
          return
        }
        forget(one.task.id)
        if (waiting.size >= history || waitingBytes + one.bytes.length > most) {
          waiting.clear()
          waitingBytes = 0
          isMissing = true
        }
        waiting.set(one.task.id, one)
        waitingBytes += one.bytes.length
      }
      const tell = (one: Message): void => {
        if (tasksOnly && one.type === "boot") return
        if (isBehind) return keep(one)
        if (reader.take(one)) return
        isBehind = true
        keep(one)
      }
      const resume = (): void => {
        isBehind = false
        if (isMissing) {
          if (!reader.take(gap())) return void (isBehind = true)
          isMissing = false
        }
        for (const [id, one] of waiting) {
          if (!reader.take(one)) return void (isBehind = true)
          forget(id)
        }
      }
      if (after !== undefined) {
        const missed = since(after)
        if (missed === undefined) tell(gap())
        else for (const one of missed) tell(one)
      }
      subscribers.add(tell)
      return {
        resume,
        end: () => {
          subscribers.delete(tell)
          waiting.clear()
        },
        waiting: () => waiting.size + (isMissing ? 1 : 0)
      }
    }
  }
}
