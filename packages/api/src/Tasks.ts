/**
 * Tasks and nodes, as everybody sees them who asks a node: over REST, gRPC, WebSocket, in the dashboard, on the command
 * line. Orchestration keeps them, the API speaks of them; the words are these.
 */
import { Schema } from "effect"

/** A name of ours: letters, digits, `.`, `_`, `-`, beginning with a letter or digit. */
export const Name = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/u, { expected: "a name of 1 to 128 letters, digits, . _ or -" })
)

/** What can be an argument of a program: no character 0, and no half of a character. */
const Text = Schema.String.check(
  Schema.makeFilter((text: string) => isText(text), {
    expected: "text without the character 0 and without half characters"
  })
)

const isText = (text: string): boolean => !text.includes("\0") && text.isWellFormed()

/** Variables of an environment. */
const Variables = Schema.Record(Schema.String, Text.check(Schema.isMaxLength(65_536))).check(
  Schema.makeFilter((all: { readonly [name: string]: string }) => Object.keys(all).every(isVariable), {
    expected: "names of variables, of 1 to 256 letters, digits or _"
  })
)

const isVariable = (name: string): boolean => /^[A-Za-z_][A-Za-z0-9_]{0,255}$/u.test(name)

/** Labels of a node, all of which it must have. */
const Labels = Schema.Record(Schema.String, Text).check(
  Schema.makeFilter((all: { readonly [name: string]: string }) => Object.keys(all).every(isText), {
    expected: "names without the character 0 and without half characters"
  })
)

/** What a task asks of the node that runs it. */
export const Demand = Schema.Struct({
  /** Cores. */
  cpu: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 4_096 })),
  /** MiB. */
  memory: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 64 * 1024 * 1024 }))
})
export type Demand = typeof Demand.Type

/** Where a task may run. All that is given has to hold. */
export const Constraints = Schema.Struct({
  labels: Schema.optionalKey(Labels),
  regions: Schema.optionalKey(Schema.Array(Name)),
  excludedRegions: Schema.optionalKey(Schema.Array(Name)),
  /** Together with the tasks of these groups, on one node. */
  affinity: Schema.optionalKey(Schema.Array(Name)),
  /** On no node that has a task of these groups. */
  antiAffinity: Schema.optionalKey(Schema.Array(Name)),
  /** This one node. */
  node: Schema.optionalKey(Name)
})
export type Constraints = typeof Constraints.Type

/** What is run: a program with its arguments, without a shell. */
export const ProcessSpec = Schema.Struct({
  driver: Schema.Literal("process"),
  command: Schema.Array(Text.check(Schema.isMaxLength(65_536))).check(Schema.isMinLength(1), Schema.isMaxLength(1_024)),
  env: Schema.optionalKey(Variables),
  directory: Schema.optionalKey(Text.check(Schema.isMinLength(1), Schema.isMaxLength(4_096)))
})

/** A file on the node that runs the task. */
const Path = Text.check(
  Schema.isPattern(/^\//u, { expected: "an absolute path on the node" }),
  Schema.isMaxLength(4_096)
)

/** A disk of a virtual machine. */
export const Disk = Schema.Struct({
  path: Path,
  /** Said and not guessed: a guest could write the head of another format into a raw disk. */
  format: Schema.Literals(["raw", "qcow2"]),
  /** The guest cannot write to it, so that several may have it. */
  readOnly: Schema.optionalKey(Schema.Boolean)
})

/**
 * A virtual machine with the cores and the memory of the task's demand, from a kernel or from its first disk. What it says
 * on its first serial line is what the task prints; the task ends when the machine is switched off.
 */
export const VmSpec = Schema.Struct({
  driver: Schema.Literal("vm"),
  kernel: Schema.optionalKey(Path),
  initrd: Schema.optionalKey(Path),
  /** For the kernel. */
  commandLine: Schema.optionalKey(Text.check(Schema.isMaxLength(2_048))),
  disks: Schema.optionalKey(Schema.Array(Disk).check(Schema.isMinLength(1), Schema.isMaxLength(16))),
  /** `user`: it reaches what its node reaches, and nobody reaches it. Default `none`. */
  network: Schema.optionalKey(Schema.Literals(["none", "user"]))
}).check(
  Schema.makeFilter(
    ({ commandLine, disks, initrd, kernel }: { readonly [key: string]: unknown }) => {
      if (kernel === undefined && (initrd !== undefined || commandLine !== undefined)) return false
      return kernel !== undefined || disks !== undefined
    },
    { expected: "a kernel or a disk to start from; an initrd and a command line only with a kernel" }
  )
)

/** What is run, and by which driver. */
export const Run = Schema.Union([ProcessSpec, VmSpec])
export type Run = typeof Run.Type

/** A machine is as large as its demand. */
const isSized = ({ demand, run }: { readonly run: Run; readonly demand?: Demand }): boolean =>
  run.driver !== "vm" || (demand !== undefined && demand.cpu > 0 && demand.memory >= 16)

/** What is asked for. */
export const Submission = Schema.Struct({
  name: Name,
  group: Schema.optionalKey(Name),
  run: Run,
  demand: Schema.optionalKey(Demand),
  constraints: Schema.optionalKey(Constraints),
  /** Attempts in all, 1 to 20. */
  attempts: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 }))),
  /** Of one attempt, in milliseconds. */
  timeoutMs: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 30 * 86_400_000 }))),
  /** Between SIGTERM, or the button of a virtual machine, and SIGKILL, in milliseconds. */
  graceMs: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 600_000 }))),
  /** The same key twice is the same task: the second submission answers with the first. */
  idempotencyKey: Schema.optionalKey(Text.check(Schema.isMinLength(1), Schema.isMaxLength(255)))
}).check(Schema.makeFilter(isSized, { expected: "the demand of a virtual machine: some cores, and at least 16 MiB" }))
export type Submission = typeof Submission.Type

/**
 * `queued`: durable, no node yet. `placed`: a node was chosen. `running`. `waiting`: between two attempts. Ends:
 * `succeeded`, `failed` (its last attempt failed: a dead letter), `cancelled`.
 */
export const State = Schema.Literals(["queued", "placed", "running", "waiting", "succeeded", "failed", "cancelled"])
export type State = typeof State.Type

/** States that nothing follows. */
export const ends: ReadonlySet<State> = new Set<State>(["succeeded", "failed", "cancelled"])

/** Why a task is where it is, or why it is nowhere. */
export const Placement = Schema.Struct({
  node: Schema.NullOr(Schema.String),
  /** What the score is made of, or the constraint that no node keeps. */
  explanation: Schema.String,
  considered: Schema.Int,
  feasible: Schema.Int
})
export type Placement = typeof Placement.Type

/** One attempt to run it. */
export const Attempt = Schema.Struct({
  number: Schema.Int,
  node: Schema.String,
  startedAt: Schema.String,
  endedAt: Schema.NullOr(Schema.String),
  exitCode: Schema.NullOr(Schema.Int),
  signal: Schema.NullOr(Schema.String),
  /** A sentence, if it failed. */
  error: Schema.NullOr(Schema.String)
})
export type Attempt = typeof Attempt.Type

/** A task. Times are ISO 8601 in UTC. */
export const Task = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  group: Schema.NullOr(Schema.String),
  state: State,
  /** Grows with every change of this task. */
  version: Schema.Int,
  submission: Submission,
  submittedBy: Schema.String,
  createdAt: Schema.String,
  updatedAt: Schema.String,
  placement: Schema.NullOr(Placement),
  attempts: Schema.Array(Attempt)
})
export type Task = typeof Task.Type

/** What a task has printed: bytes are counted from its beginning, over all attempts. */
export const Output = Schema.Struct({
  task: Schema.String,
  /** Of the first byte of `text`, in what was kept. */
  offset: Schema.Int,
  stream: Schema.Literals(["stdout", "stderr"]),
  text: Schema.String
})
export type Output = typeof Output.Type

/** A node of the cluster, as its agent tells. */
export const Node = Schema.Struct({
  id: Schema.String,
  address: Schema.String,
  state: Schema.Literals(["up", "draining", "down"]),
  isCoordinator: Schema.Boolean,
  region: Schema.NullOr(Schema.String),
  labels: Schema.Record(Schema.String, Schema.String),
  capacity: Demand,
  used: Demand,
  tasks: Schema.Int,
  version: Schema.String,
  seenAt: Schema.String
})
export type Node = typeof Node.Type
