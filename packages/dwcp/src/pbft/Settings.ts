/**
 * The settings of PBFT. An empty section is that of the paper, with a view change after ten seconds; and nothing is decided
 * by it before `byzantine_tolerance` says so.
 */
import { Field } from "@novacron/config"
import { Schema } from "effect"
import * as Membership from "./Membership.ts"

export const Settings = Schema.Struct({
  checkpointEvery: Field.withDefault(Field.count, 100).annotate({
    description: "Decided batches between checkpoints. Twice as many may be open."
  }),
  maxBatch: Field.withDefault(Field.count, 100).annotate({
    description: "The most proposals that are decided at once."
  }),
  pipeline: Field.withDefault(Field.count, 4).annotate({
    description: "Batches that the primary has open at once. While it waits, the next batch grows."
  }),
  viewChange: Field.withDefault(Field.duration, "10s").annotate({
    description: "How long a proposal may wait before another replica becomes primary. Doubles each time in a row."
  }),
  tick: Field.withDefault(Field.duration, "250ms").annotate({
    description: "How often replicas say where they are, and get what they lack."
  }),
  answer: Field.withDefault(Field.duration, "60s").annotate({
    description: "How long a proposal waits for its decision before it is called undecided."
  }),
  maxProposal: Field.withDefault(Field.size, "64 KiB").annotate({ description: "The largest proposal that is taken." }),
  maxFrame: Field.withDefault(Field.size, "32 MiB").annotate({
    description: "The largest message that is taken from a peer, the state of a checkpoint included."
  })
})

const Member = Schema.Struct({
  host: Schema.NonEmptyString.annotate({ description: "The name or address that the others reach it at." }),
  port: Field.withDefault(Field.port, 9094).annotate({ description: "The port that the others reach it at." }),
  publicKey: Schema.NonEmptyString.annotate({
    description: "Its Ed25519 key: PEM, or the base64 between its lines in one line."
  }),
  serverName: Schema.optionalKey(Schema.NonEmptyString).annotate({
    description: "A name that its certificate bears. Default: dwcp.server_name."
  })
})

interface Members {
  readonly byzantineTolerance: boolean
  readonly members: ReadonlyArray<{ readonly publicKey: string }>
}

/** The section `dwcp.consensus`: who decides when some of those who decide may lie. */
export const Consensus = Schema.Struct({
  byzantineTolerance: Field.withDefault(Schema.Boolean, false).annotate({
    description: "Whether shared state is decided by PBFT among the members, up to a third of whom may lie."
  }),
  members: Field.withDefault(Schema.Array(Member), []).annotate({
    description: "3f + 1 nodes where f may lie: four, seven. The same list in the same order on each of them."
  }),
  key: Field.withDefault(Schema.NonEmptyString, "consensus-key").annotate({
    description: "Name of the secret that holds the Ed25519 private key of this node, as PEM (PKCS 8)."
  }),
  bindPort: Schema.optionalKey(Field.port).annotate({
    description: "The port to listen at for the others, where it is not that of this node's entry among the members."
  }),
  ...Settings.fields
}).check(
  Schema.makeFilter(({ byzantineTolerance, members }: Members) => {
    const problem = byzantineTolerance ? Membership.problemOf(members) : undefined
    return problem === undefined || { path: ["members"], issue: `byzantine_tolerance cannot be had: ${problem}` }
  })
)
