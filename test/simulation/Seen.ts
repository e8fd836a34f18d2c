/**
 * The states that a walk has seen: numbers in the order of their discovery, found again by key, in a hash table with
 * open addresses. Keys are compared in full, so no state is ever taken for another.
 */
// `!` after an index: places and numbers come from the table itself.
import { Random } from "@novacron/simulation"

/** States by key. Make it with {@link make}. */
export interface Seen {
  readonly width: number
  count: number
  places: Int32Array
  keys: Int32Array
  /** 1 for those on the way from the begin to where the walk is. */
  onTheWay: Uint8Array
}

/** A table for keys of so many words. */
export const make = (width: number): Seen => ({
  width,
  count: 0,
  places: new Int32Array(2 * 1024),
  keys: new Int32Array(1024 * width),
  onTheWay: new Uint8Array(1024)
})

/** The number of a state, or -1. */
export const find = (self: Seen, key: Int32Array): number => {
  const { keys, places, width } = self
  for (let at = hashOf(key) & (places.length - 1); places[at] !== 0; at = (at + 1) & (places.length - 1)) {
    const id = places[at]! - 1
    let k = 0
    while (k < width && keys[id * width + k] === key[k]) k++
    if (k === width) return id
  }
  return -1
}

/** Adds a state that is not there, and answers with its number. */
export const add = (self: Seen, key: Int32Array): number => {
  const id = self.count++
  if (id >= self.onTheWay.length) {
    const keys = new Int32Array(2 * self.keys.length)
    keys.set(self.keys)
    self.keys = keys
    const onTheWay = new Uint8Array(2 * self.onTheWay.length)
    onTheWay.set(self.onTheWay)
    self.onTheWay = onTheWay
    self.places = new Int32Array(2 * self.places.length)
    for (let other = 0; other < id; other++)
      place(self, other, keys.subarray(other * self.width, (other + 1) * self.width))
  }
  self.keys.set(key, id * self.width)
  place(self, id, key)
  return id
}

const place = ({ places }: Seen, id: number, key: Int32Array): void => {
  let at = hashOf(key) & (places.length - 1)
  while (places[at] !== 0) at = (at + 1) & (places.length - 1)
  places[at] = id + 1
}

const hashOf = (key: Int32Array): number => {
  let hash = 0
  for (let k = 0; k < key.length; k++) hash = Math.imul(hash ^ key[k]!, 0x9e3779b1) ^ (hash >>> 15)
  return Random.mix(hash)
}
