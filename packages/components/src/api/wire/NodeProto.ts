/** novacron/v1/node.proto as code of protobuf-es, made by scripts/proto.ts. Change the protocol, not this. */
import type { GenEnum, GenFile, GenMessage, GenService } from "@bufbuild/protobuf/codegenv2"
import { enumDesc, fileDesc, messageDesc, serviceDesc } from "@bufbuild/protobuf/codegenv2"
import type { Timestamp } from "@bufbuild/protobuf/wkt"
import { file_google_protobuf_struct, file_google_protobuf_timestamp } from "@bufbuild/protobuf/wkt"
import type { Demand } from "./TasksProto.ts"
import { file_novacron_v1_tasks } from "./TasksProto.ts"
import type { JsonObject, Message } from "@bufbuild/protobuf"

export const file_novacron_v1_node: GenFile =
  /*@__PURE__*/
  fileDesc(
    "ChZub3ZhY3Jvbi92MS9ub2RlLnByb3RvEgtub3ZhY3Jvbi52MSISChBHZXRTdGF0dXNSZXF1ZXN0IrcBChFHZXRTdGF0dXNSZXNw" +
      "b25zZRIMCgRub2RlGAEgASgJEg8KB3ZlcnNpb24YAiABKAkSDwoHb3V0Y29tZRgDIAEoCRIRCglhY2NlcHRpbmcYBCABKAgSLgoK" +
      "c3RhcnRlZF9hdBgFIAEoCzIaLmdvb2dsZS5wcm90b2J1Zi5UaW1lc3RhbXASLwoKY29tcG9uZW50cxgGIAMoCzIbLm5vdmFjcm9u" +
      "LnYxLkNvbXBvbmVudFN0YXRlIj8KDkNvbXBvbmVudFN0YXRlEgwKBG5hbWUYASABKAkSDQoFc3RhdGUYAiABKAkSEAoIc2V2ZXJp" +
      "dHkYAyABKAkiEgoQR2V0UmVwb3J0UmVxdWVzdCI8ChFHZXRSZXBvcnRSZXNwb25zZRInCgZyZXBvcnQYASABKAsyFy5nb29nbGUu" +
      "cHJvdG9idWYuU3RydWN0IhIKEEdldEhlYWx0aFJlcXVlc3QipwEKEUdldEhlYWx0aFJlc3BvbnNlEikKBnN0YXR1cxgBIAEoDjIZ" +
      "Lm5vdmFjcm9uLnYxLkhlYWx0aFN0YXR1cxINCgVyZWFkeRgCIAEoCBImCgJhdBgDIAEoCzIaLmdvb2dsZS5wcm90b2J1Zi5UaW1l" +
      "c3RhbXASMAoKY29tcG9uZW50cxgEIAMoCzIcLm5vdmFjcm9uLnYxLkNvbXBvbmVudEhlYWx0aCKVAQoPQ29tcG9uZW50SGVhbHRo" +
      "EgwKBG5hbWUYASABKAkSEAoIY3JpdGljYWwYAiABKAgSKQoGc3RhdHVzGAMgASgOMhkubm92YWNyb24udjEuSGVhbHRoU3RhdHVz" +
      "Eg8KB21lc3NhZ2UYBCABKAkSFwoKbGF0ZW5jeV9tcxgFIAEoAUgAiAEBQg0KC19sYXRlbmN5X21zIiwKF0V4cGxhaW5Db21wb25l" +
      "bnRSZXF1ZXN0EhEKCWNvbXBvbmVudBgBIAEoCSI+ChhFeHBsYWluQ29tcG9uZW50UmVzcG9uc2USEQoJY29tcG9uZW50GAEgASgJ" +
      "Eg8KB3JlYXNvbnMYAiADKAkiJQoQR2V0SW1wYWN0UmVxdWVzdBIRCgljb21wb25lbnQYASABKAkiOAoRR2V0SW1wYWN0UmVzcG9u" +
      "c2USIwoGaW1wYWN0GAEgASgLMhMubm92YWNyb24udjEuSW1wYWN0IiwKF1Jlc3RvcmVDb21wb25lbnRSZXF1ZXN0EhEKCWNvbXBv" +
      "bmVudBgBIAEoCSI/ChhSZXN0b3JlQ29tcG9uZW50UmVzcG9uc2USIwoGaW1wYWN0GAEgASgLMhMubm92YWNyb24udjEuSW1wYWN0" +
      "ImgKBkltcGFjdBIRCgljb21wb25lbnQYASABKAkSDQoFc3RhdGUYAiABKAkSKQoJY29uY2VybmVkGAMgAygLMhYubm92YWNyb24u" +
      "djEuQ29uY2VybmVkEhEKCXJlc3RvcmluZxgEIAEoCCIuCglDb25jZXJuZWQSEQoJY29tcG9uZW50GAEgASgJEg4KBmVmZmVjdBgC" +
      "IAEoCSISChBMaXN0Tm9kZXNSZXF1ZXN0IjUKEUxpc3ROb2Rlc1Jlc3BvbnNlEiAKBW5vZGVzGAEgAygLMhEubm92YWNyb24udjEu" +
      "Tm9kZSL3AgoETm9kZRIKCgJpZBgBIAEoCRIPCgdhZGRyZXNzGAIgASgJEiUKBXN0YXRlGAMgASgOMhYubm92YWNyb24udjEuTm9k" +
      "ZVN0YXRlEhYKDmlzX2Nvb3JkaW5hdG9yGAQgASgIEhMKBnJlZ2lvbhgFIAEoCUgAiAEBEi0KBmxhYmVscxgGIAMoCzIdLm5vdmFj" +
      "cm9uLnYxLk5vZGUuTGFiZWxzRW50cnkSJQoIY2FwYWNpdHkYByABKAsyEy5ub3ZhY3Jvbi52MS5EZW1hbmQSIQoEdXNlZBgIIAEo" +
      "CzITLm5vdmFjcm9uLnYxLkRlbWFuZBINCgV0YXNrcxgJIAEoBRIPCgd2ZXJzaW9uGAogASgJEisKB3NlZW5fYXQYCyABKAsyGi5n" +
      "b29nbGUucHJvdG9idWYuVGltZXN0YW1wGi0KC0xhYmVsc0VudHJ5EgsKA2tleRgBIAEoCRINCgV2YWx1ZRgCIAEoCToCOAFCCQoH" +
      "X3JlZ2lvbiqcAQoMSGVhbHRoU3RhdHVzEh0KGUhFQUxUSF9TVEFUVVNfVU5TUEVDSUZJRUQQABIZChVIRUFMVEhfU1RBVFVTX0hF" +
      "QUxUSFkQARIaChZIRUFMVEhfU1RBVFVTX0RFR1JBREVEEAISGwoXSEVBTFRIX1NUQVRVU19VTkhFQUxUSFkQAxIZChVIRUFMVEhf" +
      "U1RBVFVTX1VOS05PV04QBCpoCglOb2RlU3RhdGUSGgoWTk9ERV9TVEFURV9VTlNQRUNJRklFRBAAEhEKDU5PREVfU1RBVEVfVVAQ" +
      "ARIXChNOT0RFX1NUQVRFX0RSQUlOSU5HEAISEwoPTk9ERV9TVEFURV9ET1dOEAMyywQKC05vZGVTZXJ2aWNlEkoKCUdldFN0YXR1" +
      "cxIdLm5vdmFjcm9uLnYxLkdldFN0YXR1c1JlcXVlc3QaHi5ub3ZhY3Jvbi52MS5HZXRTdGF0dXNSZXNwb25zZRJKCglHZXRSZXBv" +
      "cnQSHS5ub3ZhY3Jvbi52MS5HZXRSZXBvcnRSZXF1ZXN0Gh4ubm92YWNyb24udjEuR2V0UmVwb3J0UmVzcG9uc2USSgoJR2V0SGVh" +
      "bHRoEh0ubm92YWNyb24udjEuR2V0SGVhbHRoUmVxdWVzdBoeLm5vdmFjcm9uLnYxLkdldEhlYWx0aFJlc3BvbnNlEl8KEEV4cGxh" +
      "aW5Db21wb25lbnQSJC5ub3ZhY3Jvbi52MS5FeHBsYWluQ29tcG9uZW50UmVxdWVzdBolLm5vdmFjcm9uLnYxLkV4cGxhaW5Db21w" +
      "b25lbnRSZXNwb25zZRJKCglHZXRJbXBhY3QSHS5ub3ZhY3Jvbi52MS5HZXRJbXBhY3RSZXF1ZXN0Gh4ubm92YWNyb24udjEuR2V0" +
      "SW1wYWN0UmVzcG9uc2USXwoQUmVzdG9yZUNvbXBvbmVudBIkLm5vdmFjcm9uLnYxLlJlc3RvcmVDb21wb25lbnRSZXF1ZXN0GiUu" +
      "bm92YWNyb24udjEuUmVzdG9yZUNvbXBvbmVudFJlc3BvbnNlEkoKCUxpc3ROb2RlcxIdLm5vdmFjcm9uLnYxLkxpc3ROb2Rlc1Jl" +
      "cXVlc3QaHi5ub3ZhY3Jvbi52MS5MaXN0Tm9kZXNSZXNwb25zZWIGcHJvdG8z",
    [file_google_protobuf_struct, file_google_protobuf_timestamp, file_novacron_v1_tasks]
  )

export type GetStatusRequest = Message<"novacron.v1.GetStatusRequest"> & {}

export const GetStatusRequestSchema: GenMessage<GetStatusRequest> = /*@__PURE__*/ messageDesc(file_novacron_v1_node, 0)

export type GetStatusResponse = Message<"novacron.v1.GetStatusResponse"> & {
  node: string

  version: string

  outcome: string

  accepting: boolean

  startedAt?: Timestamp | undefined

  components: ComponentState[]
}

export const GetStatusResponseSchema: GenMessage<GetStatusResponse> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_node, 1)

export type ComponentState = Message<"novacron.v1.ComponentState"> & {
  name: string

  state: string

  severity: string
}

export const ComponentStateSchema: GenMessage<ComponentState> = /*@__PURE__*/ messageDesc(file_novacron_v1_node, 2)

export type GetReportRequest = Message<"novacron.v1.GetReportRequest"> & {}

export const GetReportRequestSchema: GenMessage<GetReportRequest> = /*@__PURE__*/ messageDesc(file_novacron_v1_node, 3)

export type GetReportResponse = Message<"novacron.v1.GetReportResponse"> & {
  report?: JsonObject | undefined
}

export const GetReportResponseSchema: GenMessage<GetReportResponse> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_node, 4)

export type GetHealthRequest = Message<"novacron.v1.GetHealthRequest"> & {}

export const GetHealthRequestSchema: GenMessage<GetHealthRequest> = /*@__PURE__*/ messageDesc(file_novacron_v1_node, 5)

export type GetHealthResponse = Message<"novacron.v1.GetHealthResponse"> & {
  status: HealthStatus

  ready: boolean

  at?: Timestamp | undefined

  components: ComponentHealth[]
}

export const GetHealthResponseSchema: GenMessage<GetHealthResponse> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_node, 6)

export type ComponentHealth = Message<"novacron.v1.ComponentHealth"> & {
  name: string

  critical: boolean

  status: HealthStatus

  message: string

  latencyMs?: number | undefined
}

export const ComponentHealthSchema: GenMessage<ComponentHealth> = /*@__PURE__*/ messageDesc(file_novacron_v1_node, 7)

export type ExplainComponentRequest = Message<"novacron.v1.ExplainComponentRequest"> & {
  component: string
}

export const ExplainComponentRequestSchema: GenMessage<ExplainComponentRequest> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_node, 8)

/** From the part itself to the root cause. */
export type ExplainComponentResponse = Message<"novacron.v1.ExplainComponentResponse"> & {
  component: string

  reasons: string[]
}

export const ExplainComponentResponseSchema: GenMessage<ExplainComponentResponse> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_node, 9)

export type GetImpactRequest = Message<"novacron.v1.GetImpactRequest"> & {
  component: string
}

export const GetImpactRequestSchema: GenMessage<GetImpactRequest> = /*@__PURE__*/ messageDesc(file_novacron_v1_node, 10)

export type GetImpactResponse = Message<"novacron.v1.GetImpactResponse"> & {
  impact?: Impact | undefined
}

export const GetImpactResponseSchema: GenMessage<GetImpactResponse> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_node, 11)

export type RestoreComponentRequest = Message<"novacron.v1.RestoreComponentRequest"> & {
  component: string
}

export const RestoreComponentRequestSchema: GenMessage<RestoreComponentRequest> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_node, 12)

export type RestoreComponentResponse = Message<"novacron.v1.RestoreComponentResponse"> & {
  impact?: Impact | undefined
}

export const RestoreComponentResponseSchema: GenMessage<RestoreComponentResponse> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_node, 13)

export type Impact = Message<"novacron.v1.Impact"> & {
  component: string

  state: string

  concerned: Concerned[]

  restoring: boolean
}

export const ImpactSchema: GenMessage<Impact> = /*@__PURE__*/ messageDesc(file_novacron_v1_node, 14)

export type Concerned = Message<"novacron.v1.Concerned"> & {
  component: string

  effect: string
}

export const ConcernedSchema: GenMessage<Concerned> = /*@__PURE__*/ messageDesc(file_novacron_v1_node, 15)

export type ListNodesRequest = Message<"novacron.v1.ListNodesRequest"> & {}

export const ListNodesRequestSchema: GenMessage<ListNodesRequest> = /*@__PURE__*/ messageDesc(file_novacron_v1_node, 16)

export type ListNodesResponse = Message<"novacron.v1.ListNodesResponse"> & {
  nodes: Node[]
}

export const ListNodesResponseSchema: GenMessage<ListNodesResponse> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_node, 17)

export type Node = Message<"novacron.v1.Node"> & {
  id: string

  address: string

  state: NodeState

  isCoordinator: boolean

  region?: string | undefined

  labels: { [key: string]: string }

  capacity?: Demand | undefined

  used?: Demand | undefined

  tasks: number

  version: string

  seenAt?: Timestamp | undefined
}

export const NodeSchema: GenMessage<Node> = /*@__PURE__*/ messageDesc(file_novacron_v1_node, 18)

export const HealthStatus = {
  UNSPECIFIED: 0,

  HEALTHY: 1,

  DEGRADED: 2,

  UNHEALTHY: 3,

  UNKNOWN: 4
} as const
export type HealthStatus = (typeof HealthStatus)[keyof typeof HealthStatus]

export const HealthStatusSchema: GenEnum<HealthStatus> = /*@__PURE__*/ enumDesc(file_novacron_v1_node, 0)

export const NodeState = {
  UNSPECIFIED: 0,

  UP: 1,

  DRAINING: 2,

  DOWN: 3
} as const
export type NodeState = (typeof NodeState)[keyof typeof NodeState]

export const NodeStateSchema: GenEnum<NodeState> = /*@__PURE__*/ enumDesc(file_novacron_v1_node, 1)

/** Says how the node is and why, builds a part of it again, and lists the nodes of the cluster. */
export const NodeService: GenService<{
  getStatus: {
    methodKind: "unary"
    input: typeof GetStatusRequestSchema
    output: typeof GetStatusResponseSchema
  }
  /** The report of the boot, as REST gives it. */
  getReport: {
    methodKind: "unary"
    input: typeof GetReportRequestSchema
    output: typeof GetReportResponseSchema
  }
  getHealth: {
    methodKind: "unary"
    input: typeof GetHealthRequestSchema
    output: typeof GetHealthResponseSchema
  }
  explainComponent: {
    methodKind: "unary"
    input: typeof ExplainComponentRequestSchema
    output: typeof ExplainComponentResponseSchema
  }
  getImpact: {
    methodKind: "unary"
    input: typeof GetImpactRequestSchema
    output: typeof GetImpactResponseSchema
  }
  restoreComponent: {
    methodKind: "unary"
    input: typeof RestoreComponentRequestSchema
    output: typeof RestoreComponentResponseSchema
  }
  listNodes: {
    methodKind: "unary"
    input: typeof ListNodesRequestSchema
    output: typeof ListNodesResponseSchema
  }
}> = /*@__PURE__*/ serviceDesc(file_novacron_v1_node, 0)
