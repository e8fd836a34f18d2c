/**
 * Bytes that lines are appended to, each behind a place for its seal. Whoever writes hundreds of thousands of short lines
 * makes no text of them that has to be put together, turned into bytes and thrown away.
 *
 * **Gotchas**
 *
 * `text` makes the room that it needs. All others write where there is room: ask for it with `room` first.
 */
import { crc32 } from "node:zlib"

const quote = 0x22
const backslash = 0x5c
const newline = 0x0a
const space = 0x20
const zero = 0x30
const digits = Uint8Array.from("0123456789abcdef", (digit) => digit.charCodeAt(0))
const utf8 = new TextEncoder()

/** Eight digits and a space: what a line begins with. */
export const sealLength = 9

/** Appends; whoever has read what was written begins anew with `clear`. */
export class LineBytes {
  private bytes = new Uint8Array(1 << 15)
  private end = 0
  private begun = 0
  private lastNumber = 0
  private lastText = "0"

  clear(): void {
    this.end = 0
  }

  /** What has been appended; good until something else is. */
  get written(): Uint8Array {
    return this.bytes.subarray(0, this.end)
  }

  /** Makes room for so many bytes. */
  room(more: number): void {
    const wanted = this.end + more
    if (wanted <= this.bytes.length) return
    const larger = new Uint8Array(2 * wanted)
    larger.set(this.written)
    this.bytes = larger
  }

  /** Any text. */
  text(text: string): void {
    this.room(3 * text.length)
    this.end += utf8.encodeInto(text, this.bytes.subarray(this.end)).written
  }

  /** Text in which each character is one byte. */
  ascii(text: string): void {
    const { bytes } = this
    let { end } = this
    for (let k = 0; k < text.length; k++) bytes[end++] = text.charCodeAt(k)
    this.end = end
  }

  /** Bytes as they are: the quickest for what is in every line. */
  part(part: Uint8Array): void {
    this.bytes.set(part, this.end)
    this.end += part.length
  }

  /** A whole number from 0, as JSON has it. */
  whole(n: number): void {
    let places = 1
    for (let rest = n; rest >= 10; rest = Math.floor(rest / 10)) places++
    let rest = n
    for (let at = this.end + places - 1; at >= this.end; at--) {
      const tens = Math.floor(rest / 10)
      this.bytes[at] = zero + (rest - 10 * tens)
      rest = tens
    }
    this.end += places
  }

  /** Any finite number, as JSON has it. Moments come in rows of the same one. */
  number(n: number): void {
    if (n !== this.lastNumber) {
      this.lastNumber = n
      this.lastText = JSON.stringify(n)
    }
    this.ascii(this.lastText)
  }

  /** A text as JSON has it, if that is itself in quotes; false, and something is left to be taken back, if not. */
  quoted(text: string): boolean {
    const { bytes } = this
    let { end } = this
    bytes[end++] = quote
    for (let k = 0; k < text.length; k++) {
      const code = text.charCodeAt(k)
      if (code < space || code > 0x7e || code === quote || code === backslash) return false
      bytes[end++] = code
    }
    bytes[end++] = quote
    this.end = end
    return true
  }

  /** Begins a line. */
  begin(): void {
    this.begun = this.end
    this.end += sealLength
  }

  /** Forgets what was written of the line. */
  takeBack(): void {
    this.end = this.begun
  }

  /** Ends a line with the CRC of all before it, and seals it; returns the CRC of all up to here. */
  seal(crc: number): number {
    const { begun, bytes, end } = this
    const sum = crc32(bytes.subarray(begun + sealLength, end), crc)
    for (let k = 0; k < 8; k++) bytes[begun + k] = digits[(sum >>> (28 - 4 * k)) & 15]!
    bytes[begun + 8] = space
    bytes[end] = newline
    this.end++
    return sum
  }
}
