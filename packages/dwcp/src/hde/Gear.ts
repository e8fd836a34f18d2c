/**
 * The gear hash: a rolling hash of the last 32 bytes that costs one shift and one addition a byte.
 *
 * **Details**
 *
 * `h = (h << 1) + table[byte]`, in 32 bits: a byte has left it after 32 more. The high bits depend on all of these bytes,
 * the low ones on few, so whoever looks for places looks at the high bits. The table is a part of how content is cut into
 * chunks: nodes that cut alike find the same chunks.
 */

/** How many bytes the hash remembers. */
export const width = 32

/** 256 numbers of 32 bits without a pattern: splitmix32, seeded with the golden ratio. */
export const table: Int32Array = ((): Int32Array => {
  const numbers = new Int32Array(256)
  let state = 0x9e3779b9
  for (let i = 0; i < 256; i++) {
    state = (state + 0x9e3779b9) | 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    numbers[i] = z ^ (z >>> 15)
  }
  return numbers
})()

/** A mask of so many high bits, 1 to 31: one place in `2 ** bits` has none of them set. */
export const highBits = (bits: number): number => -1 << (32 - bits)

/** Where a hash goes in a table of `2 ** bits` slots. */
export const slot = (hash: number, bits: number): number => Math.imul(hash, 0x9e3779b1) >>> (32 - bits)
