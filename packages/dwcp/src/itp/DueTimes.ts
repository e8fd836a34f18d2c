/** Which of many numbered things is due next: a binary heap that also finds a thing, so that its time can be changed. */
// `!` after an index: positions come from loops over the same arrays.

export interface DueTimes {
  /** The next to be due, -1 when none is. */
  readonly first: () => number
  readonly time: (thing: number) => number
  /** Sets the time of a thing, known before or not; `Infinity` takes it out. */
  readonly set: (thing: number, time: number) => void
}

export const make = (initial: number): DueTimes => {
  let capacity = Math.max(16, initial)
  let due = new Float64Array(capacity).fill(Infinity)
  let place = new Int32Array(capacity).fill(-1)
  let heap = new Int32Array(capacity)
  let size = 0

  const grow = (thing: number): void => {
    const larger = Math.max(capacity * 2, thing + 1)
    due = extended(due, new Float64Array(larger).fill(Infinity))
    place = extended(place, new Int32Array(larger).fill(-1))
    heap = extended(heap, new Int32Array(larger))
    capacity = larger
  }
  const put = (thing: number, at: number): void => {
    heap[at] = thing
    place[thing] = at
  }
  const rise = (thing: number, from: number): number => {
    const time = due[thing]!
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (due[heap[parent]!]! <= time) break
      put(heap[parent]!, at)
      at = parent
    }
    put(thing, at)
    return at
  }
  const sink = (thing: number, from: number): void => {
    const time = due[thing]!
    let at = from
    for (;;) {
      let child = 2 * at + 1
      if (child >= size) break
      if (child + 1 < size && due[heap[child + 1]!]! < due[heap[child]!]!) child++
      if (due[heap[child]!]! >= time) break
      put(heap[child]!, at)
      at = child
    }
    put(thing, at)
  }

  return {
    first: () => (size === 0 ? -1 : heap[0]!),
    time: (thing) => (thing < capacity ? due[thing]! : Infinity),
    set: (thing, time) => {
      if (thing >= capacity) grow(thing)
      due[thing] = time
      const at = place[thing]!
      if (time === Infinity) {
        if (at < 0) return
        place[thing] = -1
        const last = heap[--size]!
        if (last !== thing) sink(last, rise(last, at))
      } else if (at < 0) rise(thing, size++)
      else sink(thing, rise(thing, at))
    }
  }
}

const extended = <A extends Float64Array | Int32Array>(from: A, to: A): A => {
  to.set(from)
  return to
}
