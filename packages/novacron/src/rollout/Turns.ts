/**
 * Who is next, when several are to get shares: smooth weighted round robin, as nginx does it. After any number of turns each
 * has had its share to within one turn, in every stretch of turns and not only in the long run. Pure.
 */

/** Somebody who is to get a share. */
export interface Sharer {
  readonly name: string
  /** 0 gets nothing. */
  readonly weight: number
}

/** How far each is behind its share, by name. */
export type Debts = ReadonlyMap<string, number>

/** Before the first turn. */
export const none: Debts = new Map()

/** Whose turn it is, and what everybody is owed after it; nobody's when no weight is above zero. */
export const next = (
  sharers: ReadonlyArray<Sharer>,
  debts: Debts
): { readonly name: string | undefined; readonly debts: Debts } => {
  const some = sharers.filter(({ weight }) => weight > 0)
  const total = some.reduce((sum, { weight }) => sum + weight, 0)
  const owed = new Map(some.map(({ name, weight }) => [name, (debts.get(name) ?? 0) + weight]))
  let name: string | undefined
  for (const [one, debt] of owed) if (name === undefined || debt > (owed.get(name) ?? 0)) name = one
  if (name !== undefined) owed.set(name, (owed.get(name) ?? 0) - total)
  return { name, debts: owed }
}
