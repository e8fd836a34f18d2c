/** How two settings differ, key by key. Secrets are masked: that one changed is said, what it was is not. */
import type { Loaded } from "./Config.ts"
import * as Mask from "./Mask.ts"

/** A key whose value is not the same. `from` and `to` are JSON, masked; absent when the key is. */
export interface Difference {
  readonly key: string
  readonly from: string | undefined
  readonly to: string | undefined
}

/** From `a` to `b`, in the order of the Schema. */
export const between = <A>(a: Loaded<A>, b: Loaded<A>): ReadonlyArray<Difference> => {
  const names = new Set([...a.values.keys(), ...b.values.keys()])
  return [...names].flatMap((key) => {
    const before = a.values.get(key)
    const after = b.values.get(key)
    if (before?.print === after?.print) return []
    // What is a secret on one side may be in plain text on the other.
    const isSecret = before?.isSecret === true || after?.isSecret === true
    const show = (it: typeof before) =>
      it?.print === undefined ? undefined : isSecret ? Mask.hidden : Mask.shorten(Mask.show(it.shown))
    return [{ key, from: show(before), to: show(after) }]
  })
}

/** For people, a line for each; empty when there are none. */
export const text = (differences: ReadonlyArray<Difference>): string =>
  differences
    .map(({ from, key, to }) => {
      if (from === undefined) return `+ ${key}: ${to}`
      return to === undefined ? `- ${key}: ${from}` : `~ ${key}: ${from} → ${to}`
    })
    .join("\n")
