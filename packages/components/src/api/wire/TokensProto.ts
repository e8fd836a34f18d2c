/** novacron/v1/tokens.proto as code of protobuf-es, made by scripts/proto.ts. Change the protocol, not this. */
import type { GenFile, GenMessage, GenService } from "@bufbuild/protobuf/codegenv2"
import { fileDesc, messageDesc, serviceDesc } from "@bufbuild/protobuf/codegenv2"
import type { Timestamp } from "@bufbuild/protobuf/wkt"
import { file_google_protobuf_timestamp } from "@bufbuild/protobuf/wkt"
import type { Message } from "@bufbuild/protobuf"

export const file_novacron_v1_tokens: GenFile =
  /*@__PURE__*/
  fileDesc(
    "Chhub3ZhY3Jvbi92MS90b2tlbnMucHJvdG8SC25vdmFjcm9uLnYxImUKEkNyZWF0ZVRva2VuUmVxdWVzdBIMCgRuYW1lGAEgASgJ" +
      "Eg0KBXJvbGVzGAIgAygJEh0KEGxpZmV0aW1lX3NlY29uZHMYAyABKAVIAIgBAUITChFfbGlmZXRpbWVfc2Vjb25kcyJIChNDcmVh" +
      "dGVUb2tlblJlc3BvbnNlEiEKBXRva2VuGAEgASgLMhIubm92YWNyb24udjEuVG9rZW4SDgoGc2VjcmV0GAIgASgJIhMKEUxpc3RU" +
      "b2tlbnNSZXF1ZXN0IjgKEkxpc3RUb2tlbnNSZXNwb25zZRIiCgZ0b2tlbnMYASADKAsyEi5ub3ZhY3Jvbi52MS5Ub2tlbiIgChJS" +
      "ZXZva2VUb2tlblJlcXVlc3QSCgoCaWQYASABKAkiFQoTUmV2b2tlVG9rZW5SZXNwb25zZSKkAQoFVG9rZW4SCgoCaWQYASABKAkS" +
      "DAoEbmFtZRgCIAEoCRINCgVyb2xlcxgDIAMoCRISCgpjcmVhdGVkX2J5GAQgASgJEi4KCmNyZWF0ZWRfYXQYBSABKAsyGi5nb29n" +
      "bGUucHJvdG9idWYuVGltZXN0YW1wEi4KCmV4cGlyZXNfYXQYBiABKAsyGi5nb29nbGUucHJvdG9idWYuVGltZXN0YW1wMoECCgxU" +
      "b2tlblNlcnZpY2USUAoLQ3JlYXRlVG9rZW4SHy5ub3ZhY3Jvbi52MS5DcmVhdGVUb2tlblJlcXVlc3QaIC5ub3ZhY3Jvbi52MS5D" +
      "cmVhdGVUb2tlblJlc3BvbnNlEk0KCkxpc3RUb2tlbnMSHi5ub3ZhY3Jvbi52MS5MaXN0VG9rZW5zUmVxdWVzdBofLm5vdmFjcm9u" +
      "LnYxLkxpc3RUb2tlbnNSZXNwb25zZRJQCgtSZXZva2VUb2tlbhIfLm5vdmFjcm9uLnYxLlJldm9rZVRva2VuUmVxdWVzdBogLm5v" +
      "dmFjcm9uLnYxLlJldm9rZVRva2VuUmVzcG9uc2ViBnByb3RvMw",
    [file_google_protobuf_timestamp]
  )

export type CreateTokenRequest = Message<"novacron.v1.CreateTokenRequest"> & {
  name: string

  roles: string[]

  /** 90 days unless it is said. */
  lifetimeSeconds?: number | undefined
}

export const CreateTokenRequestSchema: GenMessage<CreateTokenRequest> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_tokens, 0)

export type CreateTokenResponse = Message<"novacron.v1.CreateTokenResponse"> & {
  token?: Token | undefined

  secret: string
}

export const CreateTokenResponseSchema: GenMessage<CreateTokenResponse> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_tokens, 1)

export type ListTokensRequest = Message<"novacron.v1.ListTokensRequest"> & {}

export const ListTokensRequestSchema: GenMessage<ListTokensRequest> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_tokens, 2)

export type ListTokensResponse = Message<"novacron.v1.ListTokensResponse"> & {
  tokens: Token[]
}

export const ListTokensResponseSchema: GenMessage<ListTokensResponse> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_tokens, 3)

export type RevokeTokenRequest = Message<"novacron.v1.RevokeTokenRequest"> & {
  id: string
}

export const RevokeTokenRequestSchema: GenMessage<RevokeTokenRequest> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_tokens, 4)

export type RevokeTokenResponse = Message<"novacron.v1.RevokeTokenResponse"> & {}

export const RevokeTokenResponseSchema: GenMessage<RevokeTokenResponse> =
  /*@__PURE__*/
  messageDesc(file_novacron_v1_tokens, 5)

export type Token = Message<"novacron.v1.Token"> & {
  id: string

  name: string

  roles: string[]

  createdBy: string

  createdAt?: Timestamp | undefined

  expiresAt?: Timestamp | undefined
}

export const TokenSchema: GenMessage<Token> = /*@__PURE__*/ messageDesc(file_novacron_v1_tokens, 6)

/** Makes, lists and revokes tokens. */
export const TokenService: GenService<{
  /** The secret is shown this once. */
  createToken: {
    methodKind: "unary"
    input: typeof CreateTokenRequestSchema
    output: typeof CreateTokenResponseSchema
  }
  listTokens: {
    methodKind: "unary"
    input: typeof ListTokensRequestSchema
    output: typeof ListTokensResponseSchema
  }
  revokeToken: {
    methodKind: "unary"
    input: typeof RevokeTokenRequestSchema
    output: typeof RevokeTokenResponseSchema
  }
}> = /*@__PURE__*/ serviceDesc(file_novacron_v1_tokens, 0)
