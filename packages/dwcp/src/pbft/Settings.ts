/** The settings of PBFT. An empty section is that of the paper, with a view change after ten seconds. */
import { Field } from "@novacron/config"
import { Schema } from "effect"

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
