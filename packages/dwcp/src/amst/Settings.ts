/** The settings of AMST. An empty section sends over as many streams as help and takes messages up to 64 MiB. */
import { Field } from "@novacron/config"
import { Schema } from "effect"

export const Settings = Schema.Struct({
  environment: Field.withDefault(Schema.Literals(["datacenter", "internet", "hybrid"]), "internet").annotate({
    description: "Which congestion controls are asked for, and within which number of streams a link stays."
  }),
  congestion: Field.withDefault(Schema.String, "auto").annotate({
    description: "A congestion control by name (bbr, cubic, dctcp), or auto: the best the environment and kernel have."
  }),
  streams: Field.withDefault(Schema.Union([Schema.Literal("auto"), Field.count]), "auto").annotate({
    description: "Streams of a link: a number, or auto: as many as raise the rate."
  }),
  firstStreams: Field.withDefault(Field.count, 4).annotate({ description: "With how many streams auto begins." }),
  maxStreams: Field.withDefault(Field.count, 256).annotate({
    description: "The most streams of a link, those that are accepted from one peer included."
  }),
  window: Field.withDefault(Field.size, "32 MiB").annotate({
    description: "Bytes that may be on their way unacknowledged, and that may wait for the disk of the receiver."
  }),
  maxMessage: Field.withDefault(Field.size, "64 MiB").annotate({ description: "The largest message that is taken." }),
  budget: Field.withDefault(Field.size, "256 MiB").annotate({
    description: "Bytes of all messages that have come in and were not taken yet; more wait at their senders."
  }),
  maxFile: Field.withDefault(Field.size, "4 TiB").annotate({ description: "The largest file that is taken." }),
  maxTransfers: Field.withDefault(Field.count, 256).annotate({
    description: "Transfers that one peer may have on their way."
  }),
  maxSessions: Field.withDefault(Field.count, 64).annotate({ description: "Peers that may be connected." }),
  stall: Field.withDefault(Field.duration, "4s").annotate({
    description: "Silence after which a stream that owes an answer is replaced. A peer says something each second."
  }),
  dial: Field.withDefault(Field.duration, "10s").annotate({ description: "How long a stream may take to connect." }),
  connect: Field.withDefault(Field.duration, "15s").annotate({
    description: "How long a peer that was never reached may stay so before its transfers end."
  }),
  giveUp: Field.withDefault(Field.duration, "60s").annotate({
    description: "How long a peer that was reached may be out of reach before its transfers end."
  }),
  idle: Field.withDefault(Field.duration, "60s").annotate({
    description:
      "How long the transfers of a peer without streams are kept open, and the name of a file is kept for a peer that says " +
      "nothing. Files stay on the disk after that."
  })
})
