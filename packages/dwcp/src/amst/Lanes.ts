/**
 * Which priority goes next: critical, normal and background share a link 50 : 30 : 20, and what one does not use the
 * others have.
 */
export type Priority = "critical" | "normal" | "background"

export const priorities: ReadonlyArray<Priority> = ["critical", "normal", "background"]
export const shares: { readonly [P in Priority]: number } = { critical: 50, normal: 30, background: 20 }

/** How much each has had, in bytes over its share. */
export interface Lanes {
  readonly had: Readonly<Record<Priority, number>>
  /** Whether it had something to send when we last looked. */
  readonly busy: Readonly<Record<Priority, boolean>>
}

export const initial: Lanes = {
  had: { critical: 0, normal: 0, background: 0 },
  busy: { critical: false, normal: false, background: false }
}

/** The priority that is furthest behind of those with something to send. */
export const next = (
  lanes: Lanes,
  waiting: (priority: Priority) => boolean
): readonly [Lanes, Priority | undefined] => {
  const busy = { critical: waiting("critical"), normal: waiting("normal"), background: waiting("background") }
  const least = Math.min(...priorities.filter((p) => busy[p] && lanes.busy[p]).map((p) => lanes.had[p]))
  const had = { ...lanes.had }
  for (const p of priorities) {
    // Who was idle has no claim on the time before.
    if (busy[p] && !lanes.busy[p] && Number.isFinite(least)) had[p] = Math.max(had[p], least)
  }
  const first = priorities.filter((p) => busy[p]).toSorted((a, b) => had[a] - had[b])[0]
  return [{ had, busy }, first]
}

export const charge = (lanes: Lanes, priority: Priority, bytes: number): Lanes => ({
  ...lanes,
  had: { ...lanes.had, [priority]: lanes.had[priority] + bytes / shares[priority] }
})
