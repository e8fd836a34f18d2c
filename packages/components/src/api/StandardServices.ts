/**
 * What every server of gRPC has: the service of health, and the one of reflection, by which a client finds out what there
 * is. And how a service of protobuf-es is told to grpc-js.
 *
 * **Details**
 *
 * Both are made of the descriptors that the generated code has anyway. The libraries of grpc-js for them read files of
 * their packages when they are loaded, which are not there in a bundle, and give clients names that these do not find.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/health-checking.md
 * @see https://github.com/grpc/grpc/blob/master/doc/server-reflection.md
 */
import {
  create,
  type DescFile,
  type DescService,
  fromBinary,
  type Message,
  type MessageInitShape,
  toBinary
} from "@bufbuild/protobuf"
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt"
import * as Rpc from "@grpc/grpc-js"
import * as HealthProto from "./wire/HealthProto.ts"
import * as ReflectionProto from "./wire/ReflectionProto.ts"

/** A service of protobuf-es as grpc-js wants it. */
export const definitionOf = (
  service: DescService
): { readonly [name: string]: Rpc.MethodDefinition<Message, Message> } =>
  Object.fromEntries(
    service.methods.map(({ input, localName, methodKind, name, output }) => [
      localName,
      {
        path: `/${service.typeName}/${name}`,
        requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
        responseStream: methodKind === "server_streaming" || methodKind === "bidi_streaming",
        requestSerialize: (message) => Buffer.from(toBinary(input, message)),
        requestDeserialize: (bytes) => fromBinary(input, bytes),
        responseSerialize: (message) => Buffer.from(toBinary(output, message)),
        responseDeserialize: (bytes) => fromBinary(output, bytes)
      }
    ])
  )

// ------------------------------------------------------------------------------------------------------------ health

type Status = HealthProto.HealthCheckResponse_ServingStatus
const { NOT_SERVING, SERVING, SERVICE_UNKNOWN } = HealthProto.HealthCheckResponse_ServingStatus

/** The service of health, for all of these services and the server as a whole, which are as well as each other. */
export const health = (services: ReadonlyArray<DescService>) => {
  const names = ["", ...services.map(({ typeName }) => typeName)]
  const watchers = new Set<() => void>()
  let isServing = false
  const statusOf = (service: string): Status => {
    if (!names.includes(service)) return SERVICE_UNKNOWN
    return isServing ? SERVING : NOT_SERVING
  }
  const answer = (status: Status) => create(HealthProto.HealthCheckResponseSchema, { status })

  return {
    serving: (now: boolean): void => {
      if (now === isServing) return
      isServing = now
      for (const tell of watchers) tell()
    },
    places: {
      check: (
        call: Rpc.ServerUnaryCall<HealthProto.HealthCheckRequest, Message>,
        reply: Rpc.sendUnaryData<Message>
      ) => {
        const status = statusOf(call.request.service)
        if (status === SERVICE_UNKNOWN) reply({ code: Rpc.status.NOT_FOUND, details: "There is no such service." })
        else reply(null, answer(status))
      },
      list: (_: Rpc.ServerUnaryCall<HealthProto.HealthListRequest, Message>, reply: Rpc.sendUnaryData<Message>) => {
        const statuses = Object.fromEntries(names.map((name) => [name, answer(statusOf(name))]))
        reply(null, create(HealthProto.HealthListResponseSchema, { statuses }))
      },
      watch: (call: Rpc.ServerWritableStream<HealthProto.HealthCheckRequest, Message>) => {
        if (watchers.size >= maxWatchers) {
          call.emit("error", { code: Rpc.status.RESOURCE_EXHAUSTED, details: "There are too many watchers." })
          return
        }
        const tell = (): void => void call.write(answer(statusOf(call.request.service)))
        watchers.add(tell)
        const leave = (): void => void watchers.delete(tell)
        call.once("cancelled", leave).once("close", leave).once("error", leave)
        tell()
      }
    }
  }
}

/** Anybody may watch, so there is an end to it. */
const maxWatchers = 1_000

// -------------------------------------------------------------------------------------------------------- reflection

type Answer = MessageInitShape<typeof ReflectionProto.ServerReflectionResponseSchema>["messageResponse"]

/** The service of reflection: which services there are, and the files they are defined in. */
export const reflection = (services: ReadonlyArray<DescService>) => {
  const files = new Map<string, DescFile>()
  const symbols = new Map<string, DescFile>()
  const add = (file: DescFile): void => {
    if (files.has(file.name)) return
    files.set(file.name, file)
    for (const service of file.services) {
      symbols.set(service.typeName, file)
      for (const { name } of service.methods) symbols.set(`${service.typeName}.${name}`, file)
    }
    for (const { typeName } of [...file.messages, ...file.enums]) symbols.set(typeName, file)
    file.dependencies.forEach(add)
  }
  for (const { file } of services) add(file)

  /** A file with all that it is made of: clients need not ask again. */
  const described = (file: DescFile | undefined, what: string): Answer => {
    if (file === undefined) {
      const error = { errorCode: Rpc.status.NOT_FOUND, errorMessage: `There is no ${what}.` }
      return { case: "errorResponse", value: error }
    }
    const all = new Set<DescFile>()
    const collect = (one: DescFile): void => {
      if (all.has(one)) return
      all.add(one)
      one.dependencies.forEach(collect)
    }
    collect(file)
    const fileDescriptorProto = [...all].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto))
    return { case: "fileDescriptorResponse", value: { fileDescriptorProto } }
  }

  /** A nested name is found by what it is nested in. */
  const fileOf = (symbol: string): DescFile | undefined => {
    const found = symbols.get(symbol)
    const parent = symbol.slice(0, Math.max(0, symbol.lastIndexOf(".")))
    return found ?? (parent === "" ? undefined : fileOf(parent))
  }

  const answer = ({ messageRequest }: ReflectionProto.ServerReflectionRequest): Answer => {
    switch (messageRequest.case) {
      case "listServices":
        return {
          case: "listServicesResponse",
          value: { service: services.map(({ typeName }) => ({ name: typeName })) }
        }
      case "fileByFilename":
        return described(files.get(messageRequest.value), `file ${messageRequest.value}`)
      case "fileContainingSymbol":
        return described(fileOf(messageRequest.value), `symbol ${messageRequest.value}`)
      case "fileContainingExtension":
      case "allExtensionNumbersOfType":
        return described(undefined, "extension")
      case undefined:
        return { case: "errorResponse", value: { errorCode: Rpc.status.INVALID_ARGUMENT, errorMessage: "What?" } }
    }
  }

  return {
    serverReflectionInfo: (call: Rpc.ServerDuplexStream<ReflectionProto.ServerReflectionRequest, Message>) => {
      call.on("data", (request: ReflectionProto.ServerReflectionRequest) => {
        const { host: validHost } = request
        const body = { validHost, originalRequest: request, messageResponse: answer(request) ?? { case: undefined } }
        call.write(create(ReflectionProto.ServerReflectionResponseSchema, body))
      })
      call.on("end", () => call.end())
      call.on("error", () => undefined)
    }
  }
}
