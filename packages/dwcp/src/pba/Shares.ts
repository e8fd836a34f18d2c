/**
 * Shares of a link per traffic class: weighted max-min fairness (water-filling), so that nothing is left over while any
 * class still wants more.
 */

export const classes = ["critical", "normal", "background"] as const
export type Class = (typeof classes)[number]
/** Bytes per second of each class, or weights. */
export type PerClass = { readonly [C in Class]: number }

export const weights: PerClass = { critical: 50, normal: 30, background: 20 }

/**
 * Divides `capacity`, in the unit of the demands. No class gets more than it demands; each gets at least its weighted share
 * of the whole or all that it demands; what a class leaves goes to the others by their weights. A demand that is no number
 * from zero on is none; it may be infinite.
 */
export const divide = (capacity: number, demands: Partial<PerClass>, by: PerClass = weights): PerClass => {
  const shares = { critical: 0, normal: 0, background: 0 }
  const wanted = (name: Class): number => Math.max(0, demands[name] ?? 0) || 0
  let left = Math.max(0, capacity) || 0
  let hungry = classes.filter((name) => wanted(name) > 0 && by[name] > 0)
  while (hungry.length > 0) {
    const total = hungry.reduce((sum, name) => sum + by[name], 0)
    const portion = left / total
    const sated = hungry.filter((name) => wanted(name) <= portion * by[name])
    if (sated.length === 0) {
      for (const name of hungry) shares[name] = portion * by[name]
      break
    }
    for (const name of sated) {
      shares[name] = wanted(name)
      left = Math.max(0, left - wanted(name))
    }
    hungry = hungry.filter((name) => !sated.includes(name))
  }
  return shares
}
