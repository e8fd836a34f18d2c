/** What a person may say about the work of the cluster: how much, how patiently, and where the nodes meet. */
import { Field } from "@novacron/config"
import { Duration, Schema } from "effect"

const Retry = Schema.Struct({
  delay: Field.withDefault(Field.duration, "1s").annotate({
    description: "How long a task waits after its first failed attempt; twice as long after each that follows."
  }),
  cap: Field.withDefault(Field.duration, "1m").annotate({ description: "The longest of these waits." })
})

const Capacity = Schema.Struct({
  cpu: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 4_096 }))).annotate({
    description: "Cores that tasks may ask for. Default: all that the machine, or its control group, gives the node."
  }),
  memory: Schema.optionalKey(Field.size).annotate({
    description: "Memory that tasks may ask for. Default: all that the machine, or its control group, gives the node."
  })
})

const id = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 - 1 }))

const Process = Schema.Struct({
  keep: Field.withDefault(Field.size, "1 MiB").annotate({
    description: "How much is kept of what a task prints, on each of its two streams: the latest."
  }),
  uid: Schema.optionalKey(id).annotate({
    description:
      "The user that tasks run as. Default: 65533, as whom nothing else runs, when the node runs as root, else that of " +
      "the node. As nobody (65534) they could read the embedded database."
  }),
  gid: Schema.optionalKey(id).annotate({
    description:
      "The group that tasks run as, whatever `uid` is. Default: 65533 when the node runs as root, else that of the node."
  }),
  path: Field.withDefault(Schema.String, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").annotate({
    description: "The PATH of a task. Of the node's own variables it gets none."
  }),
  cgroup: Field.withDefault(Schema.Boolean, true).annotate({
    description: "Whether each attempt gets a control group (version 2) of its own, where the system lets the node."
  }),
  maxPids: Field.withDefault(Field.count, 1_024).annotate({
    description: "How many processes an attempt may have. Holds where control groups can limit it."
  })
})

const Vm = Schema.Struct({
  program: Schema.optionalKey(Schema.NonEmptyString).annotate({
    description:
      "The program of QEMU. Default: `qemu-system-x86_64` of `process.path`; without one there are no machines."
  }),
  accelerator: Field.withDefault(Schema.Literals(["auto", "kvm", "tcg"]), "auto").annotate({
    description:
      "What runs the processors of a machine. `auto`: KVM where the user of tasks may use it, else emulation."
  }),
  grace: Field.withDefault(Field.duration, "30s").annotate({
    description: "Between the button and the end by force, for a machine whose task does not say so itself."
  })
})

const Cluster = Schema.Struct({
  enabled: Field.withDefault(Schema.Boolean, false).annotate({
    description: "Whether several nodes share one database and its tasks. When false this node is alone."
  }),
  listenAddress: Field.withDefault(Schema.NonEmptyString, "127.0.0.1").annotate({
    description: "Where this node listens for the other nodes."
  }),
  advertise: Schema.optionalKey(Schema.NonEmptyString).annotate({
    description: "The name or address under which the others reach it. Default: `listen_address`."
  }),
  port: Field.withDefault(Field.port.check(Schema.isGreaterThanOrEqualTo(1)), 9_097).annotate({
    description: "The port for the other nodes."
  }),
  serverName: Schema.optionalKey(Schema.NonEmptyString).annotate({
    description: "The name that the certificates of all nodes bear. Default: the one under which each is reached."
  }),
  lockRefresh: Field.withDefault(Field.duration, "1s").annotate({
    description: "How often a node shows the others that it is there."
  }),
  lockExpiration: Field.withDefault(Field.duration, "4s").annotate({
    description: "After how long without a sign the coordinator moves from a node that has gone."
  })
})

/** The section `orchestration`. */
export const Settings = Schema.Struct({
  schedulerInterval: Field.withDefault(Field.duration, "5s").annotate({
    description: "How often the coordinator looks for tasks to place. It looks at once when one is submitted or ends."
  }),
  reconcileInterval: Field.withDefault(Field.duration, "30s").annotate({
    description: "How often the coordinator compares what should be with what is, and clears away what is old."
  }),
  maxConcurrent: Field.withDefault(Field.count, 100).annotate({
    description: "How many tasks this node runs at the same time."
  }),
  maxQueued: Field.withDefault(Field.count, 100_000).annotate({
    description: "How many tasks may wait. What is submitted beyond is refused."
  }),
  attempts: Field.withDefault(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 })), 1).annotate({
    description: "How often a task is tried that does not say so itself."
  }),
  grace: Field.withDefault(Field.duration, "5s").annotate({
    description: "Between SIGTERM and SIGKILL, for a task that does not say so itself."
  }),
  maxLosses: Field.withDefault(Field.count, 10).annotate({
    description: "How many nodes a task may lose under it before it is given up. They do not count as attempts."
  }),
  retry: Field.withDefault(Retry, {}).annotate({ description: "How long a task waits between two attempts." }),
  heartbeat: Field.withDefault(Field.duration, "1s").annotate({
    description: "How often a node says in the database that it is alive."
  }),
  lease: Field.withDefault(Field.duration, "4s").annotate({
    description: "How long a node may go without having said so. Then it kills what it runs."
  }),
  deadAfter: Field.withDefault(Field.duration, "6s").annotate({
    description: "After how long its tasks are taken up elsewhere. Longer than `lease` by at least a second."
  }),
  drainTimeout: Field.withDefault(Field.duration, "10s").annotate({
    description: "The most time that running tasks get to end when the node stops. Then they are queued again."
  }),
  retention: Field.withDefault(Field.duration, "7d").annotate({
    description: "How long a task and what it printed are kept after its end."
  }),
  region: Schema.optionalKey(Schema.NonEmptyString).annotate({ description: "The region of this node." }),
  labels: Field.withDefault(Schema.Record(Schema.String, Schema.String), {}).annotate({
    description: 'What tasks may ask for: `disk = "ssd"`.'
  }),
  capacity: Field.withDefault(Capacity, {}).annotate({ description: "What this node offers to tasks." }),
  process: Field.withDefault(Process, {}).annotate({ description: "How programs are run." }),
  vm: Field.withDefault(Vm, {}).annotate({ description: "How virtual machines are run." }),
  cluster: Field.withDefault(Cluster, {}).annotate({ description: "How nodes of one cluster find each other." })
}).check(
  Schema.makeFilter(
    ({ deadAfter, heartbeat, lease }: { readonly [K in "heartbeat" | "lease" | "deadAfter"]: Duration.Duration }) =>
      Duration.toMillis(heartbeat) * 2 <= Duration.toMillis(lease) &&
      Duration.toMillis(lease) + 1_000 <= Duration.toMillis(deadAfter),
    { expected: "lease to be at least two heartbeats, and dead_after at least a second longer than lease" }
  )
)
export type Settings = typeof Settings.Type
