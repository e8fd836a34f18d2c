/**
 * Feature flags: something is on for a share of the nodes, always the same ones, and more of them as the share grows.
 *
 * **Details**
 *
 * A node has a bucket from 0 to 99, the FNV-1a hash (32 bits) of its id modulo 100, and a flag is on where the bucket is
 * below its percentage. So 0 is nobody and 100 everybody, and whoever has it at 10 has it at 50.
 */
import { Schema } from "effect"
import * as Field from "./Field.ts"

/** One flag. */
export const Flag = Schema.Struct({
  percentage: Field.withDefault(Field.percent, 0).annotate({ description: "The share of nodes that has it" }),
  only: Schema.optionalKey(Schema.Array(Schema.String)).annotate({
    description: "These nodes have it, whatever the share"
  }),
  except: Field.withDefault(Schema.Array(Schema.String), []).annotate({
    description: "These nodes do not have it, whatever the share"
  }),
  killed: Field.withDefault(Schema.Boolean, false).annotate({ description: "Nobody has it, whatever else is said" })
})

/** Flags by their names, as a section of settings. Make it hot: `flags.*`. */
export const Settings = Field.withDefault(Schema.Record(Schema.String, Flag), {})

/** The bucket of a node, from 0 to 99. */
export const bucket = (node: string): number => fnv1a32(new TextEncoder().encode(node)) % 100

/** Whether a flag is on for a node; one that nobody has heard of is off. */
export const isOn = (flag: typeof Flag.Type | undefined, node: string): boolean => {
  if (flag === undefined || flag.killed || flag.except.includes(node)) return false
  return flag.only?.includes(node) === true || bucket(node) < flag.percentage
}

const fnv1a32 = (bytes: Uint8Array): number => {
  let hash = 0x811c9dc5
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}
