/**
 * The components that may start now, most urgent first: a binary heap of positions in the order that the plan computed.
 */
/** Adds a position to the queue. */
export const push = (heap: Array<number>, value: number): void => {
  let i = heap.length
  heap.push(value)
  while (i > 0) {
    const up = (i - 1) >> 1
    if (heap[up]! <= value) break
    heap[i] = heap[up]!
    i = up
  }
  heap[i] = value
}

/** Takes the most urgent position from the queue. */
export const pop = (heap: Array<number>): number | undefined => {
  const top = heap[0]
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return top
  let i = 0
  for (;;) {
    let child = 2 * i + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++
    if (heap[child]! >= last) break
    heap[i] = heap[child]!
    i = child
  }
  heap[i] = last
  return top
}
