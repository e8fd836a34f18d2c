/** grpc/reflection/v1/reflection.proto as code of protobuf-es, made by scripts/proto.ts. Change the protocol, not this. */
import type { GenFile, GenMessage, GenService } from "@bufbuild/protobuf/codegenv2"
import { fileDesc, messageDesc, serviceDesc } from "@bufbuild/protobuf/codegenv2"
import type { Message } from "@bufbuild/protobuf"

export const file_grpc_reflection_v1_reflection: GenFile =
  /*@__PURE__*/
  fileDesc(
    "CiNncnBjL3JlZmxlY3Rpb24vdjEvcmVmbGVjdGlvbi5wcm90bxISZ3JwYy5yZWZsZWN0aW9uLnYxIoUCChdTZXJ2ZXJSZWZsZWN0" +
      "aW9uUmVxdWVzdBIMCgRob3N0GAEgASgJEhoKEGZpbGVfYnlfZmlsZW5hbWUYAyABKAlIABIgChZmaWxlX2NvbnRhaW5pbmdfc3lt" +
      "Ym9sGAQgASgJSAASSQoZZmlsZV9jb250YWluaW5nX2V4dGVuc2lvbhgFIAEoCzIkLmdycGMucmVmbGVjdGlvbi52MS5FeHRlbnNp" +
      "b25SZXF1ZXN0SAASJwodYWxsX2V4dGVuc2lvbl9udW1iZXJzX29mX3R5cGUYBiABKAlIABIXCg1saXN0X3NlcnZpY2VzGAcgASgJ" +
      "SABCEQoPbWVzc2FnZV9yZXF1ZXN0IkUKEEV4dGVuc2lvblJlcXVlc3QSFwoPY29udGFpbmluZ190eXBlGAEgASgJEhgKEGV4dGVu" +
      "c2lvbl9udW1iZXIYAiABKAUiuAMKGFNlcnZlclJlZmxlY3Rpb25SZXNwb25zZRISCgp2YWxpZF9ob3N0GAEgASgJEkUKEG9yaWdp" +
      "bmFsX3JlcXVlc3QYAiABKAsyKy5ncnBjLnJlZmxlY3Rpb24udjEuU2VydmVyUmVmbGVjdGlvblJlcXVlc3QSTgoYZmlsZV9kZXNj" +
      "cmlwdG9yX3Jlc3BvbnNlGAQgASgLMiouZ3JwYy5yZWZsZWN0aW9uLnYxLkZpbGVEZXNjcmlwdG9yUmVzcG9uc2VIABJVCh5hbGxf" +
      "ZXh0ZW5zaW9uX251bWJlcnNfcmVzcG9uc2UYBSABKAsyKy5ncnBjLnJlZmxlY3Rpb24udjEuRXh0ZW5zaW9uTnVtYmVyUmVzcG9u" +
      "c2VIABJJChZsaXN0X3NlcnZpY2VzX3Jlc3BvbnNlGAYgASgLMicuZ3JwYy5yZWZsZWN0aW9uLnYxLkxpc3RTZXJ2aWNlUmVzcG9u" +
      "c2VIABI7Cg5lcnJvcl9yZXNwb25zZRgHIAEoCzIhLmdycGMucmVmbGVjdGlvbi52MS5FcnJvclJlc3BvbnNlSABCEgoQbWVzc2Fn" +
      "ZV9yZXNwb25zZSI3ChZGaWxlRGVzY3JpcHRvclJlc3BvbnNlEh0KFWZpbGVfZGVzY3JpcHRvcl9wcm90bxgBIAMoDCJLChdFeHRl" +
      "bnNpb25OdW1iZXJSZXNwb25zZRIWCg5iYXNlX3R5cGVfbmFtZRgBIAEoCRIYChBleHRlbnNpb25fbnVtYmVyGAIgAygFIksKE0xp" +
      "c3RTZXJ2aWNlUmVzcG9uc2USNAoHc2VydmljZRgBIAMoCzIjLmdycGMucmVmbGVjdGlvbi52MS5TZXJ2aWNlUmVzcG9uc2UiHwoP" +
      "U2VydmljZVJlc3BvbnNlEgwKBG5hbWUYASABKAkiOgoNRXJyb3JSZXNwb25zZRISCgplcnJvcl9jb2RlGAEgASgFEhUKDWVycm9y" +
      "X21lc3NhZ2UYAiABKAkyiQEKEFNlcnZlclJlZmxlY3Rpb24SdQoUU2VydmVyUmVmbGVjdGlvbkluZm8SKy5ncnBjLnJlZmxlY3Rp" +
      "b24udjEuU2VydmVyUmVmbGVjdGlvblJlcXVlc3QaLC5ncnBjLnJlZmxlY3Rpb24udjEuU2VydmVyUmVmbGVjdGlvblJlc3BvbnNl" +
      "KAEwAUJmChVpby5ncnBjLnJlZmxlY3Rpb24udjFCFVNlcnZlclJlZmxlY3Rpb25Qcm90b1ABWjRnb29nbGUuZ29sYW5nLm9yZy9n" +
      "cnBjL3JlZmxlY3Rpb24vZ3JwY19yZWZsZWN0aW9uX3YxYgZwcm90bzM"
  )

/** The message sent by the client when calling ServerReflectionInfo method. */
export type ServerReflectionRequest = Message<"grpc.reflection.v1.ServerReflectionRequest"> & {
  host: string

  /**
   * To use reflection service, the client should set one of the following
   * fields in message_request. The server distinguishes requests by their
   * defined field and then handles them using corresponding methods.
   */
  messageRequest:
    | {
        /** Find a proto file by the file name. */
        value: string
        case: "fileByFilename"
      }
    | {
        /**
         * Find the proto file that declares the given fully-qualified symbol name.
         * This field should be a fully-qualified symbol name
         * (e.g. <package>.<service>[.<method>] or <package>.<type>).
         */
        value: string
        case: "fileContainingSymbol"
      }
    | {
        /**
         * Find the proto file which defines an extension extending the given
         * message type with the given field number.
         */
        value: ExtensionRequest
        case: "fileContainingExtension"
      }
    | {
        /**
         * Finds the tag numbers used by all known extensions of the given message
         * type, and appends them to ExtensionNumberResponse in an undefined order.
         * Its corresponding method is best-effort: it's not guaranteed that the
         * reflection service will implement this method, and it's not guaranteed
         * that this method will provide all extensions. Returns
         * StatusCode::UNIMPLEMENTED if it's not implemented.
         * This field should be a fully-qualified type name. The format is
         * <package>.<type>
         */
        value: string
        case: "allExtensionNumbersOfType"
      }
    | {
        /** List the full names of registered services. The content will not be checked. */
        value: string
        case: "listServices"
      }
    | { case: undefined; value?: undefined }
}

export const ServerReflectionRequestSchema: GenMessage<ServerReflectionRequest> =
  /*@__PURE__*/
  messageDesc(file_grpc_reflection_v1_reflection, 0)

/** The type name and extension number sent by the client when requesting file_containing_extension. */
export type ExtensionRequest = Message<"grpc.reflection.v1.ExtensionRequest"> & {
  /** Fully-qualified type name. The format should be <package>.<type> */
  containingType: string

  extensionNumber: number
}

export const ExtensionRequestSchema: GenMessage<ExtensionRequest> =
  /*@__PURE__*/
  messageDesc(file_grpc_reflection_v1_reflection, 1)

/** The message sent by the server to answer ServerReflectionInfo method. */
export type ServerReflectionResponse = Message<"grpc.reflection.v1.ServerReflectionResponse"> & {
  validHost: string

  originalRequest?: ServerReflectionRequest | undefined

  /** The server sets one of the following fields according to the message_request in the request. */
  messageResponse:
    | {
        /**
         * This message is used to answer file_by_filename, file_containing_symbol,
         * file_containing_extension requests with transitive dependencies.
         * As the repeated label is not allowed in oneof fields, we use a
         * FileDescriptorResponse message to encapsulate the repeated fields.
         * The reflection service is allowed to avoid sending FileDescriptorProtos
         * that were previously sent in response to earlier requests in the stream.
         */
        value: FileDescriptorResponse
        case: "fileDescriptorResponse"
      }
    | {
        /** This message is used to answer all_extension_numbers_of_type requests. */
        value: ExtensionNumberResponse
        case: "allExtensionNumbersResponse"
      }
    | {
        /** This message is used to answer list_services requests. */
        value: ListServiceResponse
        case: "listServicesResponse"
      }
    | {
        /** This message is used when an error occurs. */
        value: ErrorResponse
        case: "errorResponse"
      }
    | { case: undefined; value?: undefined }
}

export const ServerReflectionResponseSchema: GenMessage<ServerReflectionResponse> =
  /*@__PURE__*/
  messageDesc(file_grpc_reflection_v1_reflection, 2)

/**
 * Serialized FileDescriptorProto messages sent by the server answering
 * a file_by_filename, file_containing_symbol, or file_containing_extension
 * request.
 */
export type FileDescriptorResponse = Message<"grpc.reflection.v1.FileDescriptorResponse"> & {
  /**
   * Serialized FileDescriptorProto messages. We avoid taking a dependency on
   * descriptor.proto, which uses proto2 only features, by making them opaque
   * bytes instead.
   */
  fileDescriptorProto: Uint8Array[]
}

export const FileDescriptorResponseSchema: GenMessage<FileDescriptorResponse> =
  /*@__PURE__*/
  messageDesc(file_grpc_reflection_v1_reflection, 3)

/** A list of extension numbers sent by the server answering all_extension_numbers_of_type request. */
export type ExtensionNumberResponse = Message<"grpc.reflection.v1.ExtensionNumberResponse"> & {
  /** Full name of the base type, including the package name. The format is <package>.<type> */
  baseTypeName: string

  extensionNumber: number[]
}

export const ExtensionNumberResponseSchema: GenMessage<ExtensionNumberResponse> =
  /*@__PURE__*/
  messageDesc(file_grpc_reflection_v1_reflection, 4)

/** A list of ServiceResponse sent by the server answering list_services request. */
export type ListServiceResponse = Message<"grpc.reflection.v1.ListServiceResponse"> & {
  /**
   * The information of each service may be expanded in the future, so we use
   * ServiceResponse message to encapsulate it.
   */
  service: ServiceResponse[]
}

export const ListServiceResponseSchema: GenMessage<ListServiceResponse> =
  /*@__PURE__*/
  messageDesc(file_grpc_reflection_v1_reflection, 5)

/** The information of a single service used by ListServiceResponse to answer list_services request. */
export type ServiceResponse = Message<"grpc.reflection.v1.ServiceResponse"> & {
  /** Full name of a registered service, including its package name. The format is <package>.<service> */
  name: string
}

export const ServiceResponseSchema: GenMessage<ServiceResponse> =
  /*@__PURE__*/
  messageDesc(file_grpc_reflection_v1_reflection, 6)

/** The error code and error message sent by the server when an error occurs. */
export type ErrorResponse = Message<"grpc.reflection.v1.ErrorResponse"> & {
  /** This field uses the error codes defined in grpc::StatusCode. */
  errorCode: number

  errorMessage: string
}

export const ErrorResponseSchema: GenMessage<ErrorResponse> =
  /*@__PURE__*/
  messageDesc(file_grpc_reflection_v1_reflection, 7)

export const ServerReflection: GenService<{
  /**
   * The reflection service is structured as a bidirectional stream, ensuring
   * all related requests go to a single server.
   */
  serverReflectionInfo: {
    methodKind: "bidi_streaming"
    input: typeof ServerReflectionRequestSchema
    output: typeof ServerReflectionResponseSchema
  }
}> = /*@__PURE__*/ serviceDesc(file_grpc_reflection_v1_reflection, 0)
