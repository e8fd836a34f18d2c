/** grpc/health/v1/health.proto as code of protobuf-es, made by scripts/proto.ts. Change the protocol, not this. */
import type { GenEnum, GenFile, GenMessage, GenService } from "@bufbuild/protobuf/codegenv2"
import { enumDesc, fileDesc, messageDesc, serviceDesc } from "@bufbuild/protobuf/codegenv2"
import type { Message } from "@bufbuild/protobuf"

export const file_grpc_health_v1_health: GenFile =
  /*@__PURE__*/
  fileDesc(
    "ChtncnBjL2hlYWx0aC92MS9oZWFsdGgucHJvdG8SDmdycGMuaGVhbHRoLnYxIhMKEUhlYWx0aExpc3RSZXF1ZXN0Iq4BChJIZWFs" +
      "dGhMaXN0UmVzcG9uc2USQgoIc3RhdHVzZXMYASADKAsyMC5ncnBjLmhlYWx0aC52MS5IZWFsdGhMaXN0UmVzcG9uc2UuU3RhdHVz" +
      "ZXNFbnRyeRpUCg1TdGF0dXNlc0VudHJ5EgsKA2tleRgBIAEoCRIyCgV2YWx1ZRgCIAEoCzIjLmdycGMuaGVhbHRoLnYxLkhlYWx0" +
      "aENoZWNrUmVzcG9uc2U6AjgBIiUKEkhlYWx0aENoZWNrUmVxdWVzdBIPCgdzZXJ2aWNlGAEgASgJIqkBChNIZWFsdGhDaGVja1Jl" +
      "c3BvbnNlEkEKBnN0YXR1cxgBIAEoDjIxLmdycGMuaGVhbHRoLnYxLkhlYWx0aENoZWNrUmVzcG9uc2UuU2VydmluZ1N0YXR1cyJP" +
      "Cg1TZXJ2aW5nU3RhdHVzEgsKB1VOS05PV04QABILCgdTRVJWSU5HEAESDwoLTk9UX1NFUlZJTkcQAhITCg9TRVJWSUNFX1VOS05P" +
      "V04QAzL9AQoGSGVhbHRoElAKBUNoZWNrEiIuZ3JwYy5oZWFsdGgudjEuSGVhbHRoQ2hlY2tSZXF1ZXN0GiMuZ3JwYy5oZWFsdGgu" +
      "djEuSGVhbHRoQ2hlY2tSZXNwb25zZRJSCgVXYXRjaBIiLmdycGMuaGVhbHRoLnYxLkhlYWx0aENoZWNrUmVxdWVzdBojLmdycGMu" +
      "aGVhbHRoLnYxLkhlYWx0aENoZWNrUmVzcG9uc2UwARJNCgRMaXN0EiEuZ3JwYy5oZWFsdGgudjEuSGVhbHRoTGlzdFJlcXVlc3Qa" +
      "Ii5ncnBjLmhlYWx0aC52MS5IZWFsdGhMaXN0UmVzcG9uc2VCYQoRaW8uZ3JwYy5oZWFsdGgudjFCC0hlYWx0aFByb3RvUAFaLGdv" +
      "b2dsZS5nb2xhbmcub3JnL2dycGMvaGVhbHRoL2dycGNfaGVhbHRoX3YxqgIOR3JwYy5IZWFsdGguVjFiBnByb3RvMw"
  )

export type HealthListRequest = Message<"grpc.health.v1.HealthListRequest"> & {}

export const HealthListRequestSchema: GenMessage<HealthListRequest> =
  /*@__PURE__*/
  messageDesc(file_grpc_health_v1_health, 0)

export type HealthListResponse = Message<"grpc.health.v1.HealthListResponse"> & {
  /** statuses contains all the services and their respective status. */
  statuses: { [key: string]: HealthCheckResponse }
}

export const HealthListResponseSchema: GenMessage<HealthListResponse> =
  /*@__PURE__*/
  messageDesc(file_grpc_health_v1_health, 1)

export type HealthCheckRequest = Message<"grpc.health.v1.HealthCheckRequest"> & {
  service: string
}

export const HealthCheckRequestSchema: GenMessage<HealthCheckRequest> =
  /*@__PURE__*/
  messageDesc(file_grpc_health_v1_health, 2)

export type HealthCheckResponse = Message<"grpc.health.v1.HealthCheckResponse"> & {
  status: HealthCheckResponse_ServingStatus
}

export const HealthCheckResponseSchema: GenMessage<HealthCheckResponse> =
  /*@__PURE__*/
  messageDesc(file_grpc_health_v1_health, 3)

export const HealthCheckResponse_ServingStatus = {
  UNKNOWN: 0,

  SERVING: 1,

  NOT_SERVING: 2,

  /** Used only by the Watch method. */
  SERVICE_UNKNOWN: 3
} as const
export type HealthCheckResponse_ServingStatus =
  (typeof HealthCheckResponse_ServingStatus)[keyof typeof HealthCheckResponse_ServingStatus]

export const HealthCheckResponse_ServingStatusSchema: GenEnum<HealthCheckResponse_ServingStatus> =
  /*@__PURE__*/
  enumDesc(file_grpc_health_v1_health, 3, 0)

/**
 * Health is gRPC's mechanism for checking whether a server is able to handle
 * RPCs. Its semantics are documented in
 * https://github.com/grpc/grpc/blob/master/doc/health-checking.md.
 */
export const Health: GenService<{
  /**
   * Check gets the health of the specified service. If the requested service
   * is unknown, the call will fail with status NOT_FOUND. If the caller does
   * not specify a service name, the server should respond with its overall
   * health status.
   * Clients should set a deadline when calling Check, and can declare the
   * server unhealthy if they do not receive a timely response.
   * Check implementations should be idempotent and side effect free.
   */
  check: {
    methodKind: "unary"
    input: typeof HealthCheckRequestSchema
    output: typeof HealthCheckResponseSchema
  }
  /**
   * Performs a watch for the serving status of the requested service.
   * The server will immediately send back a message indicating the current
   * serving status.  It will then subsequently send a new message whenever
   * the service's serving status changes.
   * If the requested service is unknown when the call is received, the
   * server will send a message setting the serving status to
   * SERVICE_UNKNOWN but will *not* terminate the call.  If at some
   * future point, the serving status of the service becomes known, the
   * server will send a new message with the service's serving status.
   * If the call terminates with status UNIMPLEMENTED, then clients
   * should assume this method is not supported and should not retry the
   * call.  If the call terminates with any other status (including OK),
   * clients should retry the call with appropriate exponential backoff.
   */
  watch: {
    methodKind: "server_streaming"
    input: typeof HealthCheckRequestSchema
    output: typeof HealthCheckResponseSchema
  }
  /**
   * List provides a non-atomic snapshot of the health of all the available
   * services.
   * The server may respond with a RESOURCE_EXHAUSTED error if too many services
   * exist.
   * Clients should set a deadline when calling List, and can declare the server
   * unhealthy if they do not receive a timely response.
   * Clients should keep in mind that the list of health services exposed by an
   * application can change over the lifetime of the process.
   */
  list: {
    methodKind: "unary"
    input: typeof HealthListRequestSchema
    output: typeof HealthListResponseSchema
  }
}> = /*@__PURE__*/ serviceDesc(file_grpc_health_v1_health, 0)
