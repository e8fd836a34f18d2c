/**
 * The words of the contract as messages of gRPC, and back. What is optional in one is absent in the other; states are
 * numbers with names; times are timestamps.
 */
import { create, type JsonObject, type MessageInitShape } from "@bufbuild/protobuf"
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt"
import type { Node as NodeWords, Tasks, Tokens } from "@novacron/api"
import { DateTime, Option } from "effect"
import * as NodeProto from "./wire/NodeProto.ts"
import * as TasksProto from "./wire/TasksProto.ts"
import * as TokensProto from "./wire/TokensProto.ts"

// ------------------------------------------------------------------------------------------------------------- parts

const toTime = (iso: string): Timestamp => {
  const ms = Option.match(DateTime.make(iso), { onNone: () => 0, onSome: DateTime.toEpochMillis })
  const seconds = Math.floor(ms / 1_000)
  return { $typeName: "google.protobuf.Timestamp", seconds: BigInt(seconds), nanos: (ms - seconds * 1_000) * 1e6 }
}

const fromTime = (time: Timestamp | undefined): string =>
  time === undefined ? "" : DateTime.formatIso(DateTime.makeUnsafe(timestampDate(time)))

/** Without what is null or not there: gRPC has no null. */
const present = <K extends string, V>(key: K, value: V | null | undefined): { readonly [P in K]?: V } =>
  // One key, of the type that is said.
  value === null || value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: V })

/** The same for a message that is being made: of some that are large many are asked for, and each spread costs. */
const put = <M extends object, K extends keyof M>(message: M, key: K, value: M[K] | null | undefined): void => {
  if (value !== null && value !== undefined) message[key] = value
}

const names = (values: ReadonlyArray<string> | undefined) =>
  values === undefined ? undefined : create(TasksProto.NamesSchema, { values: [...values] })

const stateNumbers: { readonly [S in Tasks.State]: TasksProto.TaskState } = {
  queued: TasksProto.TaskState.QUEUED,
  placed: TasksProto.TaskState.PLACED,
  running: TasksProto.TaskState.RUNNING,
  waiting: TasksProto.TaskState.WAITING,
  succeeded: TasksProto.TaskState.SUCCEEDED,
  failed: TasksProto.TaskState.FAILED,
  cancelled: TasksProto.TaskState.CANCELLED
}

const nodeStates = {
  up: NodeProto.NodeState.UP,
  draining: NodeProto.NodeState.DRAINING,
  down: NodeProto.NodeState.DOWN
} as const

const healths = {
  healthy: NodeProto.HealthStatus.HEALTHY,
  degraded: NodeProto.HealthStatus.DEGRADED,
  unhealthy: NodeProto.HealthStatus.UNHEALTHY,
  unknown: NodeProto.HealthStatus.UNKNOWN
} as const

const streams = { stdout: TasksProto.OutputStream.STDOUT, stderr: TasksProto.OutputStream.STDERR } as const

/** The name of a number; `undefined` for one that nobody has. */
const nameOf = <Name extends string>(numbers: { readonly [N in Name]: number }, number: number): Name | undefined => {
  for (const name in numbers) if (numbers[name] === number) return name
  return undefined
}

/** The name of a state, for what is checked by the schema of the contract afterwards. */
export const stateOf = (number: number): string => nameOf(stateNumbers, number) ?? "unspecified"

// ------------------------------------------------------------------------------------------------------------- tasks

export const toSubmission = (it: Tasks.Submission): TasksProto.Submission => {
  const { constraints, demand, run } = it
  const message: TasksProto.Submission = {
    $typeName: "novacron.v1.Submission",
    name: it.name,
    run: run.driver === "vm" ? { case: "vm", value: toVm(run) } : { case: "process", value: toProcess(run) }
  }
  put(message, "group", it.group)
  if (demand !== undefined) message.demand = toDemand(demand)
  if (constraints !== undefined) message.constraints = toConstraints(constraints)
  put(message, "attempts", it.attempts)
  if (it.timeoutMs !== undefined) message.timeoutMs = BigInt(it.timeoutMs)
  if (it.graceMs !== undefined) message.graceMs = BigInt(it.graceMs)
  put(message, "idempotencyKey", it.idempotencyKey)
  return message
}

const toProcess = ({ command, directory, env }: typeof Tasks.ProcessSpec.Type): TasksProto.Process => {
  const message: TasksProto.Process = { $typeName: "novacron.v1.Process", command: [...command], env: env ?? {} }
  put(message, "directory", directory)
  return message
}

const toVm = ({ commandLine, disks, initrd, kernel, network }: typeof Tasks.VmSpec.Type): TasksProto.Vm => {
  const message: TasksProto.Vm = { $typeName: "novacron.v1.Vm", disks: (disks ?? []).map(toDisk) }
  put(message, "kernel", kernel)
  put(message, "initrd", initrd)
  put(message, "commandLine", commandLine)
  put(message, "network", network)
  return message
}

const toDisk = ({ format, path, readOnly }: typeof Tasks.Disk.Type): TasksProto.Disk => {
  const message: TasksProto.Disk = { $typeName: "novacron.v1.Disk", path, format }
  put(message, "readOnly", readOnly)
  return message
}

const toConstraints = (it: Tasks.Constraints): TasksProto.Constraints => {
  const message: TasksProto.Constraints = { $typeName: "novacron.v1.Constraints", labels: it.labels ?? {} }
  put(message, "regions", names(it.regions))
  put(message, "excludedRegions", names(it.excludedRegions))
  put(message, "affinity", names(it.affinity))
  put(message, "antiAffinity", names(it.antiAffinity))
  put(message, "node", it.node)
  return message
}

const toDemand = ({ cpu, memory }: Tasks.Demand): TasksProto.Demand => ({
  $typeName: "novacron.v1.Demand",
  cpu,
  memory
})

/** As REST would have it in JSON: the schema of the contract says whether it is good. */
export const fromSubmission = (it: TasksProto.Submission | undefined): unknown => {
  if (it === undefined) return {}
  const { constraints, demand } = it
  return {
    name: it.name,
    ...present("group", it.group),
    ...present("run", fromRun(it.run)),
    ...present("demand", demand === undefined ? undefined : { cpu: demand.cpu, memory: demand.memory }),
    ...present(
      "constraints",
      constraints === undefined
        ? undefined
        : {
            ...present("labels", isEmpty(constraints.labels) ? undefined : constraints.labels),
            ...present("regions", constraints.regions?.values),
            ...present("excludedRegions", constraints.excludedRegions?.values),
            ...present("affinity", constraints.affinity?.values),
            ...present("antiAffinity", constraints.antiAffinity?.values),
            ...present("node", constraints.node)
          }
    ),
    ...present("attempts", it.attempts),
    ...present("timeoutMs", it.timeoutMs === undefined ? undefined : Number(it.timeoutMs)),
    ...present("graceMs", it.graceMs === undefined ? undefined : Number(it.graceMs)),
    ...present("idempotencyKey", it.idempotencyKey)
  }
}

const fromRun = (run: TasksProto.Submission["run"]): unknown => {
  switch (run.case) {
    case "process": {
      const { command, directory, env } = run.value
      return {
        driver: "process",
        command,
        ...present("env", isEmpty(env) ? undefined : env),
        ...present("directory", directory)
      }
    }
    case "vm": {
      const { commandLine, disks, initrd, kernel, network } = run.value
      return {
        driver: "vm",
        ...present("kernel", kernel),
        ...present("initrd", initrd),
        ...present("commandLine", commandLine),
        ...present("disks", disks.length === 0 ? undefined : disks.map(fromDisk)),
        ...present("network", network)
      }
    }
    case undefined:
      return undefined
  }
}

const fromDisk = ({ format, path, readOnly }: TasksProto.Disk): unknown => ({
  path,
  format,
  ...present("readOnly", readOnly)
})

/** gRPC knows no empty map: it is as good as none. */
const isEmpty = (map: object): boolean => Object.keys(map).length === 0

/** Written down as it is, without `create`, which asks the descriptor of each message: half of what an answer costs. */
export const toTask = (it: Tasks.Task): TasksProto.Task => {
  const message: TasksProto.Task = {
    $typeName: "novacron.v1.Task",
    id: it.id,
    name: it.name,
    state: stateNumbers[it.state],
    version: BigInt(it.version),
    submission: toSubmission(it.submission),
    submittedBy: it.submittedBy,
    createdAt: toTime(it.createdAt),
    updatedAt: toTime(it.updatedAt),
    attempts: it.attempts.map(toAttempt)
  }
  put(message, "group", it.group)
  if (it.placement !== null) message.placement = toPlacement(it.placement)
  return message
}

const toPlacement = ({ considered, explanation, feasible, node }: Tasks.Placement): TasksProto.Placement => {
  const message: TasksProto.Placement = { $typeName: "novacron.v1.Placement", explanation, considered, feasible }
  put(message, "node", node)
  return message
}

const toAttempt = (it: Tasks.Attempt): TasksProto.Attempt => {
  const message: TasksProto.Attempt = {
    $typeName: "novacron.v1.Attempt",
    number: it.number,
    node: it.node,
    startedAt: toTime(it.startedAt)
  }
  if (it.endedAt !== null) message.endedAt = toTime(it.endedAt)
  put(message, "exitCode", it.exitCode)
  put(message, "signal", it.signal)
  put(message, "error", it.error)
  return message
}

/** As REST would have it in JSON. */
export const fromTask = (it: TasksProto.Task): unknown => ({
  id: it.id,
  name: it.name,
  group: it.group ?? null,
  state: stateOf(it.state),
  version: Number(it.version),
  submission: fromSubmission(it.submission),
  submittedBy: it.submittedBy,
  createdAt: fromTime(it.createdAt),
  updatedAt: fromTime(it.updatedAt),
  placement:
    it.placement === undefined
      ? null
      : {
          node: it.placement.node ?? null,
          explanation: it.placement.explanation,
          considered: it.placement.considered,
          feasible: it.placement.feasible
        },
  attempts: it.attempts.map((one) => ({
    number: one.number,
    node: one.node,
    startedAt: fromTime(one.startedAt),
    endedAt: one.endedAt === undefined ? null : fromTime(one.endedAt),
    exitCode: one.exitCode ?? null,
    signal: one.signal ?? null,
    error: one.error ?? null
  }))
})

export const toOutput = (it: Tasks.Output): TasksProto.Output =>
  create(TasksProto.OutputSchema, {
    task: it.task,
    offset: BigInt(it.offset),
    stream: streams[it.stream],
    text: it.text
  })

/** As REST would have it in JSON. */
export const fromOutput = (it: TasksProto.Output): unknown => ({
  task: it.task,
  offset: Number(it.offset),
  stream: nameOf(streams, it.stream),
  text: it.text
})

// ------------------------------------------------------------------------------------------------------------- nodes

export const toNode = (it: Tasks.Node): NodeProto.Node =>
  create(NodeProto.NodeSchema, {
    id: it.id,
    address: it.address,
    state: nodeStates[it.state],
    isCoordinator: it.isCoordinator,
    ...present("region", it.region),
    labels: it.labels,
    capacity: it.capacity,
    used: it.used,
    tasks: it.tasks,
    version: it.version,
    seenAt: toTime(it.seenAt)
  })

/** As REST would have it in JSON. */
export const fromNode = (it: NodeProto.Node): unknown => ({
  id: it.id,
  address: it.address,
  state: nameOf(nodeStates, it.state),
  isCoordinator: it.isCoordinator,
  region: it.region ?? null,
  labels: it.labels,
  capacity: { cpu: it.capacity?.cpu, memory: it.capacity?.memory },
  used: { cpu: it.used?.cpu, memory: it.used?.memory },
  tasks: it.tasks,
  version: it.version,
  seenAt: fromTime(it.seenAt)
})

export const toStatus = (it: NodeWords.Status): MessageInitShape<typeof NodeProto.GetStatusResponseSchema> => ({
  node: it.node,
  version: it.version,
  outcome: it.outcome,
  accepting: it.accepting,
  startedAt: toTime(it.startedAt),
  components: it.components.map((one) => ({ name: one.name, state: one.state, severity: one.severity }))
})

export const toHealth = (it: NodeWords.Health): MessageInitShape<typeof NodeProto.GetHealthResponseSchema> => ({
  status: healths[it.status],
  ready: it.ready,
  at: toTime(it.at),
  components: it.components.map(({ latencyMs, status, ...one }) => ({
    ...one,
    status: healths[status],
    ...present("latencyMs", latencyMs)
  }))
})

export const toImpact = (it: NodeWords.Impact): NodeProto.Impact =>
  create(NodeProto.ImpactSchema, {
    component: it.component,
    state: it.state,
    concerned: it.concerned.map(({ component, effect }) => create(NodeProto.ConcernedSchema, { component, effect })),
    restoring: it.restoring
  })

/** What was encoded by a schema is JSON already. */
export const toStruct = (json: object): JsonObject => JSON.parse(JSON.stringify(json))

// ------------------------------------------------------------------------------------------------------------ tokens

export const toToken = (it: Tokens.Token): TokensProto.Token =>
  create(TokensProto.TokenSchema, {
    id: it.id,
    name: it.name,
    roles: [...it.roles],
    createdBy: it.createdBy,
    createdAt: toTime(it.createdAt),
    expiresAt: toTime(it.expiresAt)
  })
