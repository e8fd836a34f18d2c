/**
 * The file of a model: networks as half precision numbers, with a header that says what they were made for, and a checksum.
 *
 * **Details**
 *
 * All numbers little-endian: `NVPB`, version u16, layout u16 (of Signals), hidden u16, networks u16, parameters of one
 * network u32, reserved u32, SHA-256 of the rest (32 bytes), then the parameters as float16. Several networks trained from
 * other seeds forecast together, as the mean of their points.
 */
import { createHash } from "node:crypto"
import { existsSync, readFileSync, statSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Data, Result } from "effect"
import * as Network from "./Network.ts"
import { layout } from "./Signals.ts"

export interface Model {
  readonly hidden: number
  readonly networks: ReadonlyArray<Float64Array>
  /** The first digits of its checksum, which name it in logs. */
  readonly id: string
}

/** Why a model cannot be used. The classical forecasts serve meanwhile. */
export class BadModel extends Data.TaggedError("BadModel")<{
  readonly file: string
  readonly reason: "Missing" | "NotAModel" | "OtherVersion" | "Damaged"
  readonly cause?: unknown
}> {
  readonly code = "NVC-4302"
  override get message(): string {
    const why = {
      Missing: "is not there, or may not be read",
      NotAModel: "is no model of bandwidth",
      OtherVersion: "is a model of another version",
      Damaged: "is damaged: its checksum or its size is wrong"
    }[this.reason]
    return (
      `${this.file} ${why}. Bandwidth is forecast by classical means until a good model is loaded: ` +
      "put back the file that came with this version."
    )
  }
}

const magic = "NVPB"
const version = 1
const head = 52
/** A larger file is not read. */
export const mostBytes = 8 * 1024 * 1024

/** Where the model that comes with this package is. */
export const shipped = (): string => {
  // In a bundle the code lies elsewhere, and the models beside its commands.
  const places = ["../../models/bandwidth.bin", "../models/bandwidth.bin"]
  const paths = places.map((place) => fileURLToPath(new URL(place, import.meta.url)))
  return paths.find((path) => existsSync(path)) ?? paths[0]!
}

export const encode = (hidden: number, networks: ReadonlyArray<Float64Array>): Uint8Array => {
  const each = Network.parameterCount(hidden)
  const bytes = new Uint8Array(head + 2 * each * networks.length)
  const view = new DataView(bytes.buffer)
  bytes.set(new TextEncoder().encode(magic))
  view.setUint16(4, version, true)
  view.setUint16(6, layout, true)
  view.setUint16(8, hidden, true)
  view.setUint16(10, networks.length, true)
  view.setUint32(12, each, true)
  for (const [k, network] of networks.entries()) {
    for (let i = 0; i < each; i++) view.setUint16(head + 2 * (k * each + i), toHalf(network[i]!), true)
  }
  bytes.set(checksum(bytes), 20)
  return bytes
}

/** `file` is for the message of the error. */
export const decode = (bytes: Uint8Array, file = "The model"): Result.Result<Model, BadModel> => {
  const bad = (reason: BadModel["reason"]) => Result.fail(new BadModel({ file, reason }))
  if (bytes.length < head || new TextDecoder().decode(bytes.subarray(0, 4)) !== magic) return bad("NotAModel")
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const [hidden, count, each] = [view.getUint16(8, true), view.getUint16(10, true), view.getUint32(12, true)]
  if (view.getUint16(4, true) !== version || view.getUint16(6, true) !== layout) return bad("OtherVersion")
  const fits =
    count > 0 && hidden > 0 && each === Network.parameterCount(hidden) && bytes.length === head + 2 * each * count
  const sum = checksum(bytes)
  if (!fits || sum.some((byte, i) => byte !== bytes[20 + i])) return bad("Damaged")
  const networks = Array.from({ length: count }, (_, k) => fromHalves(view, head + 2 * k * each, each))
  // The checksum of someone who wanted to harm would be right.
  if (!networks.every((network) => network !== undefined)) return bad("Damaged")
  return Result.succeed({ hidden, networks, id: Buffer.from(sum.subarray(0, 6)).toString("hex") })
}

/** At the start of a command; the service reads with Effect. */
export const read = (file: string): Result.Result<Model, BadModel> => {
  const bytes = Result.try({
    try: () => (statSync(file).size > mostBytes ? new Uint8Array() : readFileSync(file)),
    catch: (cause) => new BadModel({ file, reason: "Missing", cause })
  })
  return Result.flatMap(bytes, (bytes) => decode(bytes, file))
}

/** Of all but its own place. */
const checksum = (bytes: Uint8Array): Uint8Array =>
  createHash("sha256").update(bytes.subarray(0, 20)).update(bytes.subarray(head)).digest()

// ----------------------------------------------------------------------------------------------------- half precision

const single = new Float32Array(1)
const bits = new Uint32Array(single.buffer)

/** To the nearest of IEEE 754 binary16, ties to even; what is too large becomes infinite. */
export const toHalf = (value: number): number => {
  single[0] = value
  const all = bits[0]!
  const sign = (all >>> 16) & 0x8000
  const exponent = ((all >>> 23) & 0xff) - 112
  const fraction = all & 0x7fffff
  if (exponent >= 31) return sign | (Number.isNaN(value) ? 0x7e00 : 0x7c00)
  if (exponent <= 0) {
    if (exponent < -10) return sign
    const shift = 14 - exponent
    const full = fraction | 0x800000
    return sign | rounded(full, shift)
  }
  return sign | ((exponent << 10) + rounded(fraction, 13))
}

const rounded = (value: number, shift: number): number => {
  const whole = value >>> shift
  const rest = value - whole * 2 ** shift
  const half = 2 ** (shift - 1)
  return rest > half || (rest === half && whole % 2 === 1) ? whole + 1 : whole
}

export const fromHalf = (half: number): number => {
  const sign = half & 0x8000 ? -1 : 1
  const exponent = (half >>> 10) & 0x1f
  const fraction = half & 0x3ff
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** So many of them, from a place on; `undefined` when one of them is not finite. */
const fromHalves = (view: DataView, at: number, count: number): Float64Array | undefined => {
  const singles = new Uint32Array(count)
  // As whole numbers, in a loop: a boot does this once, before the engine has made anything of it fast.
  for (let i = 0; i < count; i++) {
    const half = view.getUint16(at + 2 * i, true)
    const exponent = half & 0x7c00
    if (exponent === 0x7c00) return undefined
    if (exponent === 0) {
      single[0] = fromHalf(half)
      singles[i] = bits[0]!
    } else singles[i] = ((half & 0x8000) << 16) | (((half & 0x7fff) + (112 << 10)) << 13)
  }
  return new Float64Array(new Float32Array(singles.buffer))
}
