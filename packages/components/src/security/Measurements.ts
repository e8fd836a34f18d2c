/**
 * What was started, as one digest: each thing that was measured extends it, as a TPM extends a register.
 *
 * **Details**
 *
 * A register is 32 bytes that begin as zeros. To extend it by a digest is to replace it by SHA-256 of itself and the digest
 * (TPM 2.0, part 1, section 17.2). Measurements are taken in the order of their names, and not in the order in which things
 * were found or came up: the same program with the same settings ends in the same digest.
 */
import { createHash } from "node:crypto"

/** Something that was measured. */
export interface Measurement {
  /** `program`, `settings`, `component/database`. */
  readonly what: string
  /** SHA-256, in lower case hexadecimal. */
  readonly digest: string
}

/** All that was measured, in the order in which it counts. */
export type Log = ReadonlyArray<Measurement>

/** What a register holds before anything was measured. */
export const zero = "0".repeat(64)

/** Sorts what was measured. Each `what` counts once: the last one said. */
export const log = (measured: Iterable<Measurement>): Log =>
  [...new Map([...measured].map((one) => [one.what, one])).values()].toSorted((a, b) =>
    a.what < b.what ? -1 : a.what > b.what ? 1 : 0
  )

/** The register after a digest. */
const extend = (register: string, digest: string): string =>
  createHash("sha256").update(Buffer.from(register, "hex")).update(Buffer.from(digest, "hex")).digest("hex")

/** What the register holds after all of it. */
export const final = (log: Log): string => log.reduce((register, { digest }) => extend(register, digest), zero)

/** Measures a text or bytes. */
export const digestOf = (content: string | Uint8Array): string => createHash("sha256").update(content).digest("hex")

/** How two logs differ, by name: what was exchanged, what came, what is gone. */
export const differences = (before: Log, after: Log): ReadonlyArray<string> => {
  const [old, now] = [before, after].map((log) => new Map(log.map(({ digest, what }) => [what, digest])))
  const names = new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])
  return [...names].filter((what) => old?.get(what) !== now?.get(what)).toSorted()
}
