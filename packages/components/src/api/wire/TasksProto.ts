/** novacron/v1/tasks.proto as code of protobuf-es, made by scripts/proto.ts. Change the protocol, not this. */
import type { GenEnum, GenFile, GenMessage, GenService } from "@bufbuild/protobuf/codegenv2"
import { enumDesc, fileDesc, messageDesc, serviceDesc } from "@bufbuild/protobuf/codegenv2"
import type { Timestamp } from "@bufbuild/protobuf/wkt"
import { file_google_protobuf_timestamp } from "@bufbuild/protobuf/wkt"
import type { Message } from "@bufbuild/protobuf"

export const file_novacron_v1_tasks: GenFile =
  /*@__PURE__*/
  fileDesc(
    "Chdub3ZhY3Jvbi92MS90YXNrcy5wcm90bxILbm92YWNyb24udjEiQAoRU3VibWl0VGFza1JlcXVlc3QSKwoKc3VibWlzc2lvbhgB" +
      "IAEoCzIXLm5vdmFjcm9uLnYxLlN1Ym1pc3Npb24iNQoSU3VibWl0VGFza1Jlc3BvbnNlEh8KBHRhc2sYASABKAsyES5ub3ZhY3Jv" +
      "bi52MS5UYXNrIhwKDkdldFRhc2tSZXF1ZXN0EgoKAmlkGAEgASgJIjIKD0dldFRhc2tSZXNwb25zZRIfCgR0YXNrGAEgASgLMhEu" +
      "bm92YWNyb24udjEuVGFzayKxAQoQTGlzdFRhc2tzUmVxdWVzdBIlCgVzdGF0ZRgBIAMoDjIWLm5vdmFjcm9uLnYxLlRhc2tTdGF0" +
      "ZRISCgVncm91cBgCIAEoCUgAiAEBEhEKBG5vZGUYAyABKAlIAYgBARISCgVsaW1pdBgEIAEoBUgCiAEBEhMKBmN1cnNvchgFIAEo" +
      "CUgDiAEBQggKBl9ncm91cEIHCgVfbm9kZUIICgZfbGltaXRCCQoHX2N1cnNvciJRChFMaXN0VGFza3NSZXNwb25zZRIgCgV0YXNr" +
      "cxgBIAMoCzIRLm5vdmFjcm9uLnYxLlRhc2sSEQoEbmV4dBgCIAEoCUgAiAEBQgcKBV9uZXh0Ih8KEUNhbmNlbFRhc2tSZXF1ZXN0" +
      "EgoKAmlkGAEgASgJIjUKEkNhbmNlbFRhc2tSZXNwb25zZRIfCgR0YXNrGAEgASgLMhEubm92YWNyb24udjEuVGFzayI/ChFSZWFk" +
      "T3V0cHV0UmVxdWVzdBIKCgJpZBgBIAEoCRIOCgZvZmZzZXQYAiABKAMSDgoGZm9sbG93GAMgASgIIjkKElJlYWRPdXRwdXRSZXNw" +
      "b25zZRIjCgZvdXRwdXQYASABKAsyEy5ub3ZhY3Jvbi52MS5PdXRwdXQiMQoRV2F0Y2hUYXNrc1JlcXVlc3QSEgoFYWZ0ZXIYASAB" +
      "KAlIAIgBAUIICgZfYWZ0ZXIiQQoSV2F0Y2hUYXNrc1Jlc3BvbnNlEgoKAmlkGAEgASgJEh8KBHRhc2sYAiABKAsyES5ub3ZhY3Jv" +
      "bi52MS5UYXNrIiUKBkRlbWFuZBILCgNjcHUYASABKAESDgoGbWVtb3J5GAIgASgBIhcKBU5hbWVzEg4KBnZhbHVlcxgBIAMoCSKy" +
      "AgoLQ29uc3RyYWludHMSNAoGbGFiZWxzGAEgAygLMiQubm92YWNyb24udjEuQ29uc3RyYWludHMuTGFiZWxzRW50cnkSIwoHcmVn" +
      "aW9ucxgCIAEoCzISLm5vdmFjcm9uLnYxLk5hbWVzEiwKEGV4Y2x1ZGVkX3JlZ2lvbnMYAyABKAsyEi5ub3ZhY3Jvbi52MS5OYW1l" +
      "cxIkCghhZmZpbml0eRgEIAEoCzISLm5vdmFjcm9uLnYxLk5hbWVzEikKDWFudGlfYWZmaW5pdHkYBSABKAsyEi5ub3ZhY3Jvbi52" +
      "MS5OYW1lcxIRCgRub2RlGAYgASgJSACIAQEaLQoLTGFiZWxzRW50cnkSCwoDa2V5GAEgASgJEg0KBXZhbHVlGAIgASgJOgI4AUIH" +
      "CgVfbm9kZSKYAQoHUHJvY2VzcxIPCgdjb21tYW5kGAEgAygJEioKA2VudhgCIAMoCzIdLm5vdmFjcm9uLnYxLlByb2Nlc3MuRW52" +
      "RW50cnkSFgoJZGlyZWN0b3J5GAMgASgJSACIAQEaKgoIRW52RW50cnkSCwoDa2V5GAEgASgJEg0KBXZhbHVlGAIgASgJOgI4AUIM" +
      "CgpfZGlyZWN0b3J5IkoKBERpc2sSDAoEcGF0aBgBIAEoCRIOCgZmb3JtYXQYAiABKAkSFgoJcmVhZF9vbmx5GAMgASgISACIAQFC" +
      "DAoKX3JlYWRfb25seSK0AQoCVm0SEwoGa2VybmVsGAEgASgJSACIAQESEwoGaW5pdHJkGAIgASgJSAGIAQESGQoMY29tbWFuZF9s" +
      "aW5lGAMgASgJSAKIAQESIAoFZGlza3MYBCADKAsyES5ub3ZhY3Jvbi52MS5EaXNrEhQKB25ldHdvcmsYBSABKAlIA4gBAUIJCgdf" +
      "a2VybmVsQgkKB19pbml0cmRCDwoNX2NvbW1hbmRfbGluZUIKCghfbmV0d29yayL9AgoKU3VibWlzc2lvbhIMCgRuYW1lGAEgASgJ" +
      "EhIKBWdyb3VwGAIgASgJSAGIAQESJwoHcHJvY2VzcxgDIAEoCzIULm5vdmFjcm9uLnYxLlByb2Nlc3NIABIdCgJ2bRgKIAEoCzIP" +
      "Lm5vdmFjcm9uLnYxLlZtSAASIwoGZGVtYW5kGAQgASgLMhMubm92YWNyb24udjEuRGVtYW5kEi0KC2NvbnN0cmFpbnRzGAUgASgL" +
      "Mhgubm92YWNyb24udjEuQ29uc3RyYWludHMSFQoIYXR0ZW1wdHMYBiABKAVIAogBARIXCgp0aW1lb3V0X21zGAcgASgDSAOIAQES" +
      "FQoIZ3JhY2VfbXMYCCABKANIBIgBARIcCg9pZGVtcG90ZW5jeV9rZXkYCSABKAlIBYgBAUIFCgNydW5CCAoGX2dyb3VwQgsKCV9h" +
      "dHRlbXB0c0INCgtfdGltZW91dF9tc0ILCglfZ3JhY2VfbXNCEgoQX2lkZW1wb3RlbmN5X2tleSJiCglQbGFjZW1lbnQSEQoEbm9k" +
      "ZRgBIAEoCUgAiAEBEhMKC2V4cGxhbmF0aW9uGAIgASgJEhIKCmNvbnNpZGVyZWQYAyABKAUSEAoIZmVhc2libGUYBCABKAVCBwoF" +
      "X25vZGUi6QEKB0F0dGVtcHQSDgoGbnVtYmVyGAEgASgFEgwKBG5vZGUYAiABKAkSLgoKc3RhcnRlZF9hdBgDIAEoCzIaLmdvb2ds" +
      "ZS5wcm90b2J1Zi5UaW1lc3RhbXASLAoIZW5kZWRfYXQYBCABKAsyGi5nb29nbGUucHJvdG9idWYuVGltZXN0YW1wEhYKCWV4aXRf" +
      "Y29kZRgFIAEoBUgAiAEBEhMKBnNpZ25hbBgGIAEoCUgBiAEBEhIKBWVycm9yGAcgASgJSAKIAQFCDAoKX2V4aXRfY29kZUIJCgdf" +
      "c2lnbmFsQggKBl9lcnJvciLsAgoEVGFzaxIKCgJpZBgBIAEoCRIMCgRuYW1lGAIgASgJEhIKBWdyb3VwGAMgASgJSACIAQESJQoF" +
      "c3RhdGUYBCABKA4yFi5ub3ZhY3Jvbi52MS5UYXNrU3RhdGUSDwoHdmVyc2lvbhgFIAEoAxIrCgpzdWJtaXNzaW9uGAYgASgLMhcu" +
      "bm92YWNyb24udjEuU3VibWlzc2lvbhIUCgxzdWJtaXR0ZWRfYnkYByABKAkSLgoKY3JlYXRlZF9hdBgIIAEoCzIaLmdvb2dsZS5w" +
      "cm90b2J1Zi5UaW1lc3RhbXASLgoKdXBkYXRlZF9hdBgJIAEoCzIaLmdvb2dsZS5wcm90b2J1Zi5UaW1lc3RhbXASKQoJcGxhY2Vt" +
      "ZW50GAogASgLMhYubm92YWNyb24udjEuUGxhY2VtZW50EiYKCGF0dGVtcHRzGAsgAygLMhQubm92YWNyb24udjEuQXR0ZW1wdEII" +
      "CgZfZ3JvdXAiXwoGT3V0cHV0EgwKBHRhc2sYASABKAkSDgoGb2Zmc2V0GAIgASgDEikKBnN0cmVhbRgDIAEoDjIZLm5vdmFjcm9u" +
      "LnYxLk91dHB1dFN0cmVhbRIMCgR0ZXh0GAQgASgJKtABCglUYXNrU3RhdGUSGgoWVEFTS19TVEFURV9VTlNQRUNJRklFRBAAEhUK" +
      "EVRBU0tfU1RBVEVfUVVFVUVEEAESFQoRVEFTS19TVEFURV9QTEFDRUQQAhIWChJUQVNLX1NUQVRFX1JVTk5JTkcQAxIWChJUQVNL" +
      "X1NUQVRFX1dBSVRJTkcQBBIYChRUQVNLX1NUQVRFX1NVQ0NFRURFRBAFEhUKEVRBU0tfU1RBVEVfRkFJTEVEEAYSGAoUVEFTS19T" +
      "VEFURV9DQU5DRUxMRUQQByphCgxPdXRwdXRTdHJlYW0SHQoZT1VUUFVUX1NUUkVBTV9VTlNQRUNJRklFRBAAEhgKFE9VVFBVVF9T" +
      "VFJFQU1fU1RET1VUEAESGAoUT1VUUFVUX1NUUkVBTV9TVERFUlIQAjLfAwoLVGFza1NlcnZpY2USTQoKU3VibWl0VGFzaxIeLm5v" +
      "dmFjcm9uLnYxLlN1Ym1pdFRhc2tSZXF1ZXN0Gh8ubm92YWNyb24udjEuU3VibWl0VGFza1Jlc3BvbnNlEkQKB0dldFRhc2sSGy5u" +
      "b3ZhY3Jvbi52MS5HZXRUYXNrUmVxdWVzdBocLm5vdmFjcm9uLnYxLkdldFRhc2tSZXNwb25zZRJKCglMaXN0VGFza3MSHS5ub3Zh" +
      "Y3Jvbi52MS5MaXN0VGFza3NSZXF1ZXN0Gh4ubm92YWNyb24udjEuTGlzdFRhc2tzUmVzcG9uc2USTQoKQ2FuY2VsVGFzaxIeLm5v" +
      "dmFjcm9uLnYxLkNhbmNlbFRhc2tSZXF1ZXN0Gh8ubm92YWNyb24udjEuQ2FuY2VsVGFza1Jlc3BvbnNlEk8KClJlYWRPdXRwdXQS" +
      "Hi5ub3ZhY3Jvbi52MS5SZWFkT3V0cHV0UmVxdWVzdBofLm5vdmFjcm9uLnYxLlJlYWRPdXRwdXRSZXNwb25zZTABEk8KCldhdGNo" +
      "VGFza3MSHi5ub3ZhY3Jvbi52MS5XYXRjaFRhc2tzUmVxdWVzdBofLm5vdmFjcm9uLnYxLldhdGNoVGFza3NSZXNwb25zZTABYgZw" +
      "cm90bzM",
    [file_google_protobuf_timestamp]
  )

export type SubmitTaskRequest = Message<"novacron.v1.SubmitTaskRequest"> & {
  submission?: Submission | undefined
}

export const SubmitTaskRequestSchema: GenMessage<SubmitTaskRequest> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_tasks, 0)

export type SubmitTaskResponse = Message<"novacron.v1.SubmitTaskResponse"> & {
  task?: Task | undefined
}

export const SubmitTaskResponseSchema: GenMessage<SubmitTaskResponse> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_tasks, 1)

export type GetTaskRequest = Message<"novacron.v1.GetTaskRequest"> & {
  id: string
}

export const GetTaskRequestSchema: GenMessage<GetTaskRequest> = /*@__PURE__*/ messageDesc(file_novacron_v1_tasks, 2)

export type GetTaskResponse = Message<"novacron.v1.GetTaskResponse"> & {
  task?: Task | undefined
}

export const GetTaskResponseSchema: GenMessage<GetTaskResponse> = /*@__PURE__*/ messageDesc(file_novacron_v1_tasks, 3)

export type ListTasksRequest = Message<"novacron.v1.ListTasksRequest"> & {
  state: TaskState[]

  group?: string | undefined

  node?: string | undefined

  /**
   * 1 to 1,000; 100 unless it is said. A page has fewer where tasks are large: next says whether there are more.
   */
  limit?: number | undefined

  /** next of the page before. */
  cursor?: string | undefined
}

export const ListTasksRequestSchema: GenMessage<ListTasksRequest> = /*@__PURE__*/ messageDesc(file_novacron_v1_tasks, 4)

export type ListTasksResponse = Message<"novacron.v1.ListTasksResponse"> & {
  tasks: Task[]

  /** Absent on the last page. */
  next?: string | undefined
}

export const ListTasksResponseSchema: GenMessage<ListTasksResponse> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_tasks, 5)

export type CancelTaskRequest = Message<"novacron.v1.CancelTaskRequest"> & {
  id: string
}

export const CancelTaskRequestSchema: GenMessage<CancelTaskRequest> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_tasks, 6)

export type CancelTaskResponse = Message<"novacron.v1.CancelTaskResponse"> & {
  task?: Task | undefined
}

export const CancelTaskResponseSchema: GenMessage<CancelTaskResponse> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_tasks, 7)

export type ReadOutputRequest = Message<"novacron.v1.ReadOutputRequest"> & {
  id: string

  offset: bigint

  follow: boolean
}

export const ReadOutputRequestSchema: GenMessage<ReadOutputRequest> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_tasks, 8)

export type ReadOutputResponse = Message<"novacron.v1.ReadOutputResponse"> & {
  output?: Output | undefined
}

export const ReadOutputResponseSchema: GenMessage<ReadOutputResponse> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_tasks, 9)

export type WatchTasksRequest = Message<"novacron.v1.WatchTasksRequest"> & {
  /** The id of the last event that was seen. */
  after?: string | undefined
}

export const WatchTasksRequestSchema: GenMessage<WatchTasksRequest> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_tasks, 10)

export type WatchTasksResponse = Message<"novacron.v1.WatchTasksResponse"> & {
  id: string

  /** Absent where events are missing: ask again for what is shown. */
  task?: Task | undefined
}

export const WatchTasksResponseSchema: GenMessage<WatchTasksResponse> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_tasks, 11)

/** Cores and MiB. */
export type Demand = Message<"novacron.v1.Demand"> & {
  cpu: number

  memory: number
}

export const DemandSchema: GenMessage<Demand> = /*@__PURE__*/ messageDesc(file_novacron_v1_tasks, 12)

export type Names = Message<"novacron.v1.Names"> & {
  values: string[]
}

export const NamesSchema: GenMessage<Names> = /*@__PURE__*/ messageDesc(file_novacron_v1_tasks, 13)

/** Absent lists constrain nothing. */
export type Constraints = Message<"novacron.v1.Constraints"> & {
  labels: { [key: string]: string }

  regions?: Names | undefined

  excludedRegions?: Names | undefined

  affinity?: Names | undefined

  antiAffinity?: Names | undefined

  node?: string | undefined
}

export const ConstraintsSchema: GenMessage<Constraints> = /*@__PURE__*/ messageDesc(file_novacron_v1_tasks, 14)

/** A program with its arguments, without a shell. */
export type Process = Message<"novacron.v1.Process"> & {
  command: string[]

  env: { [key: string]: string }

  directory?: string | undefined
}

export const ProcessSchema: GenMessage<Process> = /*@__PURE__*/ messageDesc(file_novacron_v1_tasks, 15)

/** A file on the node that runs the task. */
export type Disk = Message<"novacron.v1.Disk"> & {
  path: string

  /** raw or qcow2. */
  format: string

  readOnly?: boolean | undefined
}

export const DiskSchema: GenMessage<Disk> = /*@__PURE__*/ messageDesc(file_novacron_v1_tasks, 16)

/** A virtual machine, from a kernel or from its first disk. */
export type Vm = Message<"novacron.v1.Vm"> & {
  kernel?: string | undefined

  initrd?: string | undefined

  commandLine?: string | undefined

  disks: Disk[]

  /** none or user. */
  network?: string | undefined
}

export const VmSchema: GenMessage<Vm> = /*@__PURE__*/ messageDesc(file_novacron_v1_tasks, 17)

export type Submission = Message<"novacron.v1.Submission"> & {
  name: string

  group?: string | undefined

  /** What is run: one of the drivers. */
  run:
    | {
        value: Process
        case: "process"
      }
    | {
        value: Vm
        case: "vm"
      }
    | { case: undefined; value?: undefined }

  demand?: Demand | undefined

  constraints?: Constraints | undefined

  attempts?: number | undefined

  timeoutMs?: bigint | undefined

  graceMs?: bigint | undefined

  idempotencyKey?: string | undefined
}

export const SubmissionSchema: GenMessage<Submission> = /*@__PURE__*/ messageDesc(file_novacron_v1_tasks, 18)

export type Placement = Message<"novacron.v1.Placement"> & {
  node?: string | undefined

  explanation: string

  considered: number

  feasible: number
}

export const PlacementSchema: GenMessage<Placement> = /*@__PURE__*/ messageDesc(file_novacron_v1_tasks, 19)

export type Attempt = Message<"novacron.v1.Attempt"> & {
  number: number

  node: string

  startedAt?: Timestamp | undefined

  endedAt?: Timestamp | undefined

  exitCode?: number | undefined

  signal?: string | undefined

  error?: string | undefined
}

export const AttemptSchema: GenMessage<Attempt> = /*@__PURE__*/ messageDesc(file_novacron_v1_tasks, 20)

export type Task = Message<"novacron.v1.Task"> & {
  id: string

  name: string

  group?: string | undefined

  state: TaskState

  version: bigint

  submission?: Submission | undefined

  submittedBy: string

  createdAt?: Timestamp | undefined

  updatedAt?: Timestamp | undefined

  placement?: Placement | undefined

  attempts: Attempt[]
}

export const TaskSchema: GenMessage<Task> = /*@__PURE__*/ messageDesc(file_novacron_v1_tasks, 21)

export type Output = Message<"novacron.v1.Output"> & {
  task: string

  /** Of the first byte of text, in what was kept. */
  offset: bigint

  stream: OutputStream

  text: string
}

export const OutputSchema: GenMessage<Output> = /*@__PURE__*/ messageDesc(file_novacron_v1_tasks, 22)

export const TaskState = {
  UNSPECIFIED: 0,

  QUEUED: 1,

  PLACED: 2,

  RUNNING: 3,

  WAITING: 4,

  SUCCEEDED: 5,

  FAILED: 6,

  CANCELLED: 7
} as const
export type TaskState = (typeof TaskState)[keyof typeof TaskState]

export const TaskStateSchema: GenEnum<TaskState> = /*@__PURE__*/ enumDesc(file_novacron_v1_tasks, 0)

export const OutputStream = {
  UNSPECIFIED: 0,

  STDOUT: 1,

  STDERR: 2
} as const
export type OutputStream = (typeof OutputStream)[keyof typeof OutputStream]

export const OutputStreamSchema: GenEnum<OutputStream> = /*@__PURE__*/ enumDesc(file_novacron_v1_tasks, 1)

/** Submits, shows and cancels tasks. */
export const TaskService: GenService<{
  /** The same idempotency key and submission answer with the task there is. */
  submitTask: {
    methodKind: "unary"
    input: typeof SubmitTaskRequestSchema
    output: typeof SubmitTaskResponseSchema
  }
  getTask: {
    methodKind: "unary"
    input: typeof GetTaskRequestSchema
    output: typeof GetTaskResponseSchema
  }
  /** Newest first, a page at a time. */
  listTasks: {
    methodKind: "unary"
    input: typeof ListTasksRequestSchema
    output: typeof ListTasksResponseSchema
  }
  /** A task that has ended stays as it is. */
  cancelTask: {
    methodKind: "unary"
    input: typeof CancelTaskRequestSchema
    output: typeof CancelTaskResponseSchema
  }
  /** What a task has printed from an offset on; with follow, until it ends. */
  readOutput: {
    methodKind: "server_streaming"
    input: typeof ReadOutputRequestSchema
    output: typeof ReadOutputResponseSchema
  }
  /** Changes of all tasks from now on, or from the event after the one that is named. */
  watchTasks: {
    methodKind: "server_streaming"
    input: typeof WatchTasksRequestSchema
    output: typeof WatchTasksResponseSchema
  }
}> = /*@__PURE__*/ serviceDesc(file_novacron_v1_tasks, 0)
