/**
 * What a task prints, as it prints it: followed over server-sent events, and gone on with after a break where it was.
 */
import * as Output from "../src/Output.ts"

export interface Told {
  readonly blocks: ReadonlyArray<Output.Block>
  /** Bytes that the task has printed so far. */
  readonly bytes: number
  /** Characters that are not shown any more. */
  readonly dropped: number
  /** `ended`: nothing will follow. */
  readonly line: "opening" | "live" | "lost" | "ended"
}

export const nothing: Told = { blocks: [], bytes: 0, dropped: 0, line: "opening" }

/** The node gives a sign of life every five seconds. */
const silenceMs = 15_000
const againMs = 1_500

/** Follows a task until it is stopped; what has come is told with each frame at the most. */
export const follow = (task: string, tell: (told: Told) => void): (() => void) => {
  const output = Output.make()
  let line: Told["line"] = "opening"
  let source: EventSource | undefined
  let again: ReturnType<typeof setTimeout> | undefined
  let heardAt = 0
  let isDue = false
  let isOver = false

  const show = (): void => {
    if (isDue) return
    isDue = true
    // A page that nobody sees gets no frame, and need not be drawn.
    requestAnimationFrame(() => {
      isDue = false
      if (!isOver) tell({ blocks: output.blocks(), bytes: output.next(), dropped: output.dropped(), line })
    })
  }
  const turn = (next: Told["line"]): void => {
    heardAt = performance.now()
    line = next
    show()
  }
  const open = (): void => {
    clearTimeout(again)
    source?.close()
    heardAt = performance.now()
    const mine = (source = new EventSource(
      `/api/output?${new URLSearchParams({ id: task, offset: `${output.next()}` })}`
    ))
    mine.onopen = () => turn("live")
    mine.onerror = () => {
      if (source === mine) lose()
    }
    mine.addEventListener("beat", () => turn("live"))
    mine.addEventListener("output", ({ data }) => {
      output.add(JSON.parse(data))
      turn("live")
    })
    mine.addEventListener("end", () => {
      mine.close()
      output.end()
      turn("ended")
    })
  }
  const lose = (): void => {
    source?.close()
    source = undefined
    turn("lost")
    again = setTimeout(open, againMs)
  }
  const watch = setInterval(() => {
    if (line === "live" && performance.now() - heardAt > silenceMs) lose()
  }, 1_000)
  // A browser has six connections to a node for all of its pages: one that nobody looks at needs none.
  const turned = (): void => {
    if (document.hidden) {
      source?.close()
      source = undefined
      clearTimeout(again)
      if (line !== "ended") line = "opening"
    } else if (source === undefined && line !== "ended") {
      open()
    }
  }
  document.addEventListener("visibilitychange", turned)
  open()
  return () => {
    isOver = true
    document.removeEventListener("visibilitychange", turned)
    clearInterval(watch)
    clearTimeout(again)
    source?.close()
  }
}
