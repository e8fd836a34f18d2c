/**
 * The journals of a node: a file for each boot in the data directory. What the last boot left behind is read from it,
 * and the oldest are removed.
 *
 * **Details**
 *
 * Whoever calls this must be the only node of its data directory: the journal of a node that still runs looks like that
 * of one that was killed. A disk that is full or read-only costs the record and not the boot.
 */
import { Journal } from "@novacron/boot"
import { Clock, Effect, FileSystem } from "effect"

/** What is known from before, and where this boot is recorded. */
export interface Opened {
  readonly journal: Journal.Journal | undefined
  /** What a boot that was killed had acquired. */
  readonly previous: Journal.Unfinished | undefined
  /** What each component took the last time that it came up. */
  readonly durationsMs: { readonly [name: string]: number }
  /** What has to be said about it. */
  readonly remarks: ReadonlyArray<string>
}

/** How many journals stay. */
const kept = 20

/** Reads the last journal and begins the next one, which is closed with the scope. */
export const open = Effect.fn("Journals.open")(function* (directory: string) {
  const fileSystem = yield* FileSystem.FileSystem
  const remarks: Array<string> = []
  const files = yield* Effect.orElseSucceed(fileSystem.readDirectory(directory), () => [])
  const journals = files.filter((file) => file.endsWith(".journal")).toSorted()
  const killed: Array<Journal.Unfinished> = []
  let durationsMs: { readonly [name: string]: number } = {}
  // A boot that was killed before its recoveries ran leaves those of the boot before it to the next one.
  for (const file of journals.toReversed()) {
    const before = yield* Effect.catch(Journal.read(`${directory}/${file}`), (error) => {
      remarks.push(error.message)
      return Effect.succeed(undefined)
    })
    if (before === undefined) break
    const { ended, events, torn } = before
    // Of which nothing is known, or which was killed before it began, says nothing of what the one before it left.
    if (events.length === 0) {
      if (torn !== undefined) remarks.push(`The journal ${file} tells nothing of its boot: ${torn.reason}.`)
      continue
    }
    if (killed.length === 0) durationsMs = Journal.durationsMs(events)
    const unfinished = Journal.unfinished(events)
    if (torn !== undefined && !ended) {
      remarks.push(`The journal ${file} is torn at byte ${torn.offset}: ${torn.reason}.`)
    }
    if (unfinished === undefined) break
    killed.push(unfinished)
  }
  const previous = together(killed)
  if (previous !== undefined) {
    const left = previous.acquired.length === 0 ? "nothing was held" : `recovering ${previous.acquired.join(", ")}`
    remarks.push(
      `Boot ${previous.bootId} did not end by itself (last checkpoint: ${previous.lastCheckpoint ?? "none"}); ${left}.`
    )
  }

  // Removed before the next one is begun: on a full disk this is what makes room for it.
  yield* Effect.forEach(journals.slice(0, Math.max(0, journals.length + 1 - kept)), (file) =>
    Effect.ignore(fileSystem.remove(`${directory}/${file}`))
  )
  // Behind the last one, should the clock have been ahead then: the order of the names is that of the boots.
  const last = Number.parseInt(journals.at(-1) ?? "", 10) || 0
  const name = `${Math.max(yield* Clock.currentTimeMillis, last + 1)}`.padStart(15, "0")
  const journal = yield* Effect.catch(Journal.make({ path: `${directory}/${name}.journal` }), (error) => {
    remarks.push(`${error.message} The boot goes on without a record.`)
    return Effect.succeed(undefined)
  })
  const opened: Opened = { journal, previous, durationsMs, remarks }
  return opened
})

/** What several boots in a row left behind, the latest first: what a later one has started again is its own affair. */
export const together = (killed: ReadonlyArray<Journal.Unfinished>): Journal.Unfinished | undefined => {
  const [latest, ...earlier] = killed
  if (latest === undefined) return undefined
  const before = together(earlier)
  const begun = new Set(latest.started)
  const left = before?.acquired.filter((name) => !begun.has(name)) ?? []
  return { ...latest, acquired: [...new Set([...latest.acquired, ...left])] }
}
