/** The settings of DWCP. An empty section speaks v3 to whoever does, and v1 to everybody else. */
import { Field } from "@novacron/config"
import { Duration, Schema, Struct } from "effect"
import * as Amst from "../amst/Settings.ts"
import * as Ass from "../ass/Settings.ts"
import * as Hde from "../hde/Settings.ts"
import * as Pba from "../pba/Settings.ts"
import { Consensus } from "../pbft/Settings.ts"

const flag = (what: string) => Field.withDefault(Schema.Boolean, true).annotate({ description: what })

const share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }, { expected: "a share from 0 to 1" }))

const interval = Field.duration.check(
  Schema.makeFilter((it) => Duration.toMillis(it) >= 1_000, { expected: "a span of 1 second or more" })
)

/** Who decides, and from when on it is too much. */
const Gates = Schema.Struct({
  errors: Field.withDefault(share, 0.01).annotate({ description: "The share of messages that may fail." }),
  latency: Field.withDefault(Schema.Finite.check(Schema.isGreaterThan(1)), 2).annotate({
    description: "How many times the latency of v1 is too much."
  }),
  throughput: Field.withDefault(share, 0.8).annotate({ description: "The least share of the rate of v1." }),
  window: Field.withDefault(Field.duration, "1m").annotate({ description: "How far back is looked." }),
  fewest: Field.withDefault(Field.count, 20).annotate({ description: "With fewer messages nothing is said." })
})

const Supervision = Schema.Struct({
  intensity: Field.withDefault(Field.count, 3).annotate({
    description: "How often subsystems may be started again within the period before the whole goes back to v1."
  }),
  period: Field.withDefault(Field.duration, "30s").annotate({ description: "The period of the intensity." }),
  probeEvery: Field.withDefault(Field.duration, "5s").annotate({ description: "How often each subsystem is probed." }),
  restore: Field.withDefault(Field.duration, "30s").annotate({
    description: "After this long on its stand-in a subsystem is tried again."
  })
})

/** The section `dwcp`. */
export const Settings = Schema.Struct({
  listenAddress: Field.withDefault(Schema.String.check(Schema.isPattern(/\S/)), "127.0.0.1").annotate({
    description: "The address other nodes send to. 0.0.0.0 and :: are all there are; 127.0.0.1 is this machine alone."
  }),
  bindPort: Field.withDefault(Field.port, 9093).annotate({
    description: "The port other nodes send to; 0 lets the system choose."
  }),
  serverName: Field.withDefault(Schema.NonEmptyString, "localhost").annotate({
    description: "A name that the certificates of peers bear, where no other one is given."
  }),
  fallback: Field.withDefault(Schema.Literals(["v1", "none"]), "v1").annotate({
    description: "What follows when AMST, ASS or ACP cannot be had: v1 (degraded), or the end of the boot (none)."
  }),
  enableAutoDetection: Field.withDefault(Schema.Boolean, true).annotate({
    description: "Whether links are measured and the mode follows; without it is the environment's."
  }),
  forcedMode: Schema.optionalKey(Schema.Literals(["datacenter", "internet", "hybrid"])).annotate({
    description: "A mode that nothing changes."
  }),
  detectionInterval: Field.withDefault(interval, "30s").annotate({
    description: "How often links are measured and classified; 1 second at the least."
  }),
  enableV3Transport: flag("AMST: many streams to a peer."),
  enableV3Compression: flag("HDE: the codec by content and link."),
  enableV3Prediction: flag("PBA: forecasts of bandwidth."),
  enableV3StateSync: flag("ASS: state that nodes share."),
  enableV3Consensus: flag("ASS: engines that decide, not only spread."),
  enableV3Congestion: flag("ACP: congestion control for each socket."),
  enableV3Placement: flag("ITP: placement under constraints."),
  v3RolloutPercentage: Field.withDefault(Field.percent, 100).annotate({
    description: "The share of the nodes that use v3, always the same ones, and more of it from 50 and at 100."
  }),
  forceV1Mode: Field.withDefault(Schema.Boolean, false).annotate({
    description: "The kill switch: v1 and nothing else."
  }),
  v3Except: Field.withDefault(Schema.Array(Schema.String), []).annotate({
    description: "Ids of nodes that stay with v1."
  }),
  gates: Field.withDefault(Gates, {}).annotate({ description: "What takes v3 back on this node by itself." }),
  supervision: Field.withDefault(Supervision, {}).annotate({ description: "How patient the node is with subsystems." }),
  drain: Field.withDefault(Field.duration, "10s").annotate({
    description: "How long what is on its way may take when a link is exchanged."
  }),
  sendTimeout: Field.withDefault(Field.duration, "1m").annotate({
    description: "How long a message may take, exchanges of its link included."
  }),
  handshake: Field.withDefault(Field.duration, "10s").annotate({ description: "How long a peer may take to connect." }),
  maxPeers: Field.withDefault(Field.count, 256).annotate({ description: "Peers that may be connected, each way." }),
  maxConnections: Field.withDefault(Field.count, 8_192).annotate({ description: "Streams of all peers together." }),
  transport: Field.withDefault(Schema.Struct(Struct.omit(Amst.Settings.fields, ["environment"])), {}).annotate({
    description: "AMST."
  }),
  compression: Field.withDefault(Schema.Struct(Struct.omit(Hde.Settings.fields, ["goal"])), {}).annotate({
    description: "HDE."
  }),
  prediction: Field.withDefault(Pba.Settings, {}).annotate({ description: "PBA." }),
  sync: Field.withDefault(Schema.Struct(Struct.omit(Ass.Settings.fields, ["environment"])), {}).annotate({
    description: "ASS."
  }),
  consensus: Field.withDefault(Consensus, {}).annotate({
    description: "Decisions of ASS among members of whom some may lie."
  })
})

export type Settings = typeof Settings.Type
