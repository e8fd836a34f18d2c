/**
 * Which features of v3 this node has on: by switch, by share of the nodes, by stage, and by what the gates took back. Pure.
 *
 * **Details**
 *
 * A node has a bucket from 0 to 99, FNV-1a of its id, and takes part while that is below the percentage, so whoever takes
 * part at 10 does at 50. The percentage is a stage as well: transport and compression come with the first nodes, prediction
 * and state synchronisation at 50, the rest at 100. The kill switch is above everything.
 */
import { Flags } from "@novacron/config"
import * as Features from "./Features.ts"

/** What people say about it. */
export interface Switches {
  readonly enabled: Features.Features
  /** 0 to 100. */
  readonly percentage: number
  /** Nobody, whatever else is said. */
  readonly killed: boolean
  /** Nodes that stay with v1. */
  readonly except: ReadonlyArray<string>
}

/** Why a feature was taken back while the node ran. */
export interface Hold {
  readonly feature: Features.Feature
  readonly because: string
  /** Milliseconds since 1970. */
  readonly atMillis: number
}

export interface Decision {
  readonly features: Features.Features
  readonly bucket: number
  /** Of each feature that is off, why. */
  readonly because: { readonly [F in Features.Feature]?: string }
}

export const decide = (node: string, given: Switches, holds: ReadonlyArray<Hold> = []): Decision => {
  const bucket = Flags.bucket(node)
  const because: { [F in Features.Feature]?: string } = {}
  for (const feature of Features.all) {
    const why = reason(feature, node, bucket, given, holds)
    if (why !== undefined) because[feature] = why
  }
  return { features: new Set(Features.all.filter((feature) => because[feature] === undefined)), bucket, because }
}

const reason = (
  feature: Features.Feature,
  node: string,
  bucket: number,
  { enabled, except, killed, percentage }: Switches,
  holds: ReadonlyArray<Hold>
): string | undefined => {
  if (killed) return "the kill switch is on"
  if (except.includes(node)) return "this node is excluded"
  if (!enabled.has(feature)) return "its flag is off"
  if (feature === "consensus" && !enabled.has("stateSync")) return "the flag of state synchronisation is off"
  if (bucket >= percentage) return `bucket ${bucket} is not below ${percentage} %`
  if (percentage < Features.stageOf[feature]) return `its stage is ${Features.stageOf[feature]} %`
  return holds.find((hold) => hold.feature === feature)?.because
}
