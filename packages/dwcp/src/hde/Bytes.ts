/** Numbers in bytes: written to grow, read with a look at the end first. */
import { corrupt } from "./Refused.ts"

/** Whole numbers as varints: 7 bits a byte, the lowest first, the 8th says that more follow. */
export const varints = (numbers: ReadonlyArray<number>): Buffer => {
  const bytes = Buffer.allocUnsafe(numbers.length * maxVarint)
  let end = 0
  for (let number of numbers) {
    while (number >= 0x80) {
      bytes[end++] = (number % 0x80) | 0x80
      number = Math.floor(number / 0x80)
    }
    bytes[end++] = number
  }
  return bytes.subarray(0, end)
}

/** A number of either sign as one of none: 0, -1, 1, -2, 2 … become 0, 1, 2, 3, 4 … */
export const zigzag = (number: number): number => (number < 0 ? -2 * number - 1 : 2 * number)

export const unzigzag = (number: number): number => (number % 2 === 1 ? -(number + 1) / 2 : number / 2)

/** What a number of 53 bits needs. */
const maxVarint = 8

/** Reads from the beginning to the end, and throws `HdeCorrupt` where there is nothing left. */
export class Reader {
  private at = 0
  private readonly bytes: Buffer
  constructor(bytes: Buffer) {
    this.bytes = bytes
  }
  get left(): number {
    return this.bytes.length - this.at
  }
  take(length: number): Buffer {
    if (length > this.left) throw corrupt("it ends before what it announces")
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }
  byte(): number {
    return this.take(1)[0]!
  }
  varint(): number {
    let number = 0
    let weight = 1
    for (let i = 0; i < maxVarint; i++) {
      const byte = this.byte()
      number += (byte & 0x7f) * weight
      if (byte < 0x80) {
        if (number > Number.MAX_SAFE_INTEGER) break
        return number
      }
      weight *= 0x80
    }
    throw corrupt("a number in it is too long")
  }
}
