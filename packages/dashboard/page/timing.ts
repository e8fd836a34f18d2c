/** What the times of a task come to, by the clock of its node. */
import type { Task } from "./asking.ts"
import { clock } from "./live.ts"

/** How long its attempts took, the one that runs until now included. */
export const ranMs = ({ attempts }: Task): number =>
  attempts.reduce((sum, { endedAt, startedAt }) => {
    const endMs = endedAt === null ? clock() : Date.parse(endedAt)
    return sum + Math.max(0, endMs - Date.parse(startedAt))
  }, 0)

/** The node that has it or had it last; nothing as long as it waits for one. */
export const nodeOf = ({ placement, state }: Task): string | undefined =>
  state === "queued" || state === "waiting" ? undefined : (placement?.node ?? undefined)

/** Milliseconds since a time. */
export const sinceMs = (time: string): number => Math.max(0, clock() - Date.parse(time))
