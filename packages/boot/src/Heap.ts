/**
 * A binary heap kept in a plain array: what comes first by `before` is at index 0. The array belongs to the caller, who
 * may copy it; only these functions change it.
 */

/** Whether `a` leaves the heap before `b`. For a repeatable order it must never answer no both ways. */
export type Before<A> = (a: A, b: A) => boolean

/** Adds an item. */
export const push = <A>(heap: Array<A>, before: Before<A>, item: A): void => {
  let at = heap.push(item) - 1
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (!before(item, heap[parent]!)) break
    heap[at] = heap[parent]!
    at = parent
  }
  heap[at] = item
}

/** Takes the first item away; undefined when there is none. */
export const pop = <A>(heap: Array<A>, before: Before<A>): A | undefined => {
  const top = heap[0]
  const item = heap.pop()
  if (item === undefined || heap.length === 0) return top
  const { length } = heap
  let at = 0
  for (let child = 1; child < length; child = 2 * at + 1) {
    if (child + 1 < length && before(heap[child + 1]!, heap[child]!)) child++
    if (!before(heap[child]!, item)) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = item
  return top
}

/** Empties a list item by item: one whose length is set to 0 gives up its memory, and asks for it again a moment later. */
export const clear = (list: Array<unknown>): void => {
  while (list.length > 0) list.pop()
}
