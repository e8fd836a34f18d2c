/** Which chunks are there: one bit each. */

export interface Bitmap {
  readonly count: number
  readonly bytes: Uint8Array
  /** How many are set. */
  held: number
}

export const make = (count: number): Bitmap => ({ count, bytes: new Uint8Array(Math.ceil(count / 8)), held: 0 })

/** `undefined` when the bytes are not those of a bitmap of `count`. */
export const from = (count: number, bytes: Uint8Array): Bitmap | undefined => {
  if (bytes.length !== Math.ceil(count / 8)) return undefined
  const bitmap: Bitmap = { count, bytes: Uint8Array.from(bytes), held: 0 }
  for (let index = 0; index < bytes.length * 8; index++) {
    if (!has(bitmap, index)) continue
    if (index >= count) return undefined
    bitmap.held++
  }
  return bitmap
}

export const has = (bitmap: Bitmap, index: number): boolean => (bitmap.bytes[index >> 3]! & (1 << (index & 7))) !== 0

/** Whether it was not there before. */
export const add = (bitmap: Bitmap, index: number): boolean => {
  if (has(bitmap, index)) return false
  bitmap.bytes[index >> 3]! |= 1 << (index & 7)
  bitmap.held++
  return true
}

export const remove = (bitmap: Bitmap, index: number): void => {
  if (!has(bitmap, index)) return
  bitmap.bytes[index >> 3]! &= ~(1 << (index & 7))
  bitmap.held--
}

export const complete = (bitmap: Bitmap): boolean => bitmap.held === bitmap.count
