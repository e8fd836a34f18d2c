import { execFile } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf"
import * as Rpc from "@grpc/grpc-js"
import { assert, describe, it } from "@effect/vitest"
import { Problem } from "@novacron/api"
import { Deferred, Effect, Option, Ref } from "effect"
import { services } from "../../src/api/Grpc.ts"
import * as TasksProto from "../../src/api/wire/TasksProto.ts"
import {
  ask,
  certificateOf,
  environment,
  type Running,
  roles,
  securitySettings,
  start,
  submission,
  tokenOf
} from "./fixtures/server.ts"
import { allows } from "../../src/security/Roles.ts"

const buf = join(import.meta.dirname, "../../node_modules/.bin/buf")

const live = (name: string, body: () => Effect.Effect<unknown, unknown, Effect.Services<ReturnType<typeof start>>>) =>
  it.live(name, () => body().pipe(Effect.scoped, Effect.provide(environment)), 60_000)

/** `buf curl` against a running API: what it printed, and its exit code. */
const curl = (
  running: Running,
  method: string,
  options: { token?: string; data?: object; args?: Array<string> } = {}
) =>
  Effect.callback<{ readonly code: number; readonly out: string; readonly err: string }>((resume) => {
    const ca = join(running.dataDir, "ca-only.pem")
    writeFileSync(ca, running.access.ca)
    const { args = [], data, token = tokenOf("admin") } = options
    const given = [
      "curl",
      "--protocol",
      "grpc",
      "--cacert",
      ca,
      ...(token === "" ? [] : ["--header", `authorization: Bearer ${token}`]),
      ...(data === undefined ? [] : ["--data", JSON.stringify(data)]),
      ...args,
      `https://localhost:${running.api.grpcPort}${method}`
    ]
    execFile(buf, given, { timeout: 50_000 }, (error, out, err) => {
      const code = typeof error?.code === "number" ? error.code : error === null ? 0 : -1
      resume(Effect.succeed({ code, out, err }))
    })
  })

const wire = {
  name: submission.name,
  process: { command: submission.run.command }
}

/** A call of grpc-js, with a certificate or without. */
const client = ({ access, api }: Running, tls: { readonly cert?: string; readonly key?: string } = {}) => {
  const { cert, key } = tls
  const credentials = Rpc.credentials.createSsl(
    Buffer.from(access.ca),
    key === undefined ? null : Buffer.from(key),
    cert === undefined ? null : Buffer.from(cert)
  )
  return new Rpc.Client(`localhost:${api.grpcPort}`, credentials)
}

/** Listens to changes of tasks. */
const watchTasks = (it: Rpc.Client, token: string, after?: string) => {
  const method = TasksProto.TaskService.method.watchTasks
  const metadata = new Rpc.Metadata()
  metadata.set("authorization", `Bearer ${token}`)
  return it.makeServerStreamRequest(
    "/novacron.v1.TaskService/WatchTasks",
    (bytes: Uint8Array) => Buffer.from(bytes),
    (bytes: Buffer) => fromBinary(method.output, bytes),
    toBinary(method.input, create(method.input, after === undefined ? {} : { after })),
    metadata
  )
}

const unary = <N extends keyof typeof TasksProto.TaskService.method>(
  it: Rpc.Client,
  name: N,
  request: MessageInitShape<(typeof TasksProto.TaskService.method)[N]["input"]>,
  token?: string
) =>
  Effect.callback<unknown, Rpc.ServiceError>((resume) => {
    const method = TasksProto.TaskService.method[name]
    const metadata = new Rpc.Metadata()
    if (token !== undefined) metadata.set("authorization", `Bearer ${token}`)
    it.makeUnaryRequest(
      `/novacron.v1.TaskService/${method.name}`,
      (bytes: Uint8Array) => Buffer.from(bytes),
      (bytes: Buffer) => fromBinary(method.output, bytes),
      toBinary(method.input, create(method.input, request)),
      metadata,
      (error, answer) => resume(error === null ? Effect.succeed(answer) : Effect.fail(error))
    )
  })

describe("gRPC, asked by buf curl", () => {
  live("submits, shows and lists tasks", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const made = yield* curl(running, "/novacron.v1.TaskService/SubmitTask", { data: { submission: wire } })
      assert.strictEqual(made.code, 0, made.err)
      assert.containSubset(JSON.parse(made.out), { task: { name: "hello", state: "TASK_STATE_QUEUED" } })
      const list = yield* curl(running, "/novacron.v1.TaskService/ListTasks", { data: {} })
      assert.lengthOf(JSON.parse(list.out).tasks, 1)
      const nodes = yield* curl(running, "/novacron.v1.NodeService/ListNodes", { data: {} })
      assert.containSubset(JSON.parse(nodes.out), { nodes: [{ id: "node-1", state: "NODE_STATE_UP" }] })
      const missing = yield* curl(running, "/novacron.v1.TaskService/GetTask", { data: { id: "nothing" } })
      assert.notStrictEqual(missing.code, 0)
      assert.include(missing.err, "not_found")
      const bad = yield* curl(running, "/novacron.v1.TaskService/SubmitTask", { data: { submission: { name: "" } } })
      assert.include(bad.err, "invalid_argument")
      const page = yield* curl(running, "/novacron.v1.TaskService/ListTasks", { data: { cursor: "abc" } })
      assert.include(page.err, "invalid_argument")
      const part = yield* curl(running, "/novacron.v1.TaskService/ReadOutput", { data: { id: "nothing", offset: -5 } })
      assert.include(part.err, "invalid_argument")
      const nobody = yield* curl(running, "/novacron.v1.TaskService/ListTasks", { token: "", data: {} })
      assert.include(nobody.err, "unauthenticated")
    })
  )

  live("streams the output until the task ends", () =>
    Effect.gen(function* () {
      const running = yield* start()
      yield* curl(running, "/novacron.v1.TaskService/SubmitTask", { data: { submission: wire } })
      const id = "task-00000001"
      yield* running.memory.print(id, "first ")
      yield* Effect.forkScoped(
        Effect.gen(function* () {
          while ((yield* running.api.statistics).readers > 0) yield* Effect.sleep("20 millis")
          yield* running.memory.print(id, "second")
          yield* running.memory.advance(id, { state: "succeeded" })
        }).pipe(Effect.delay("500 millis"))
      )
      const read = yield* curl(running, "/novacron.v1.TaskService/ReadOutput", { data: { id, follow: true } })
      assert.strictEqual(read.code, 0, read.err)
      assert.deepStrictEqual(
        [...read.out.matchAll(/"text":\s*"([^"]*)"/g)].map(([, text]) => text).join(""),
        "first second"
      )
    })
  )

  live("says what there is by reflection, and how it is by the service of health", () =>
    Effect.gen(function* () {
      const running = yield* start({}, { isUp: false })
      const methods = yield* curl(running, "", { token: "", args: ["--list-methods"] })
      assert.strictEqual(methods.code, 0, methods.err)
      for (const service of services) {
        for (const { name } of service.methods) assert.include(methods.out, `${service.typeName}/${name}`)
      }
      const health = curl(running, "/grpc.health.v1.Health/Check", {
        token: "",
        data: { service: "novacron.v1.TaskService" },
        args: []
      })
      assert.include((yield* health).out, "NOT_SERVING")
      yield* Ref.set(running.orchestration, Option.some(running.memory.service))
      const serving = yield* Effect.repeat(health, { until: ({ out }) => out.includes('"SERVING"') })
      assert.include(serving.out, "SERVING")
    })
  )
})

describe("gRPC, asked by grpc-js", () => {
  live("lets in by certificate, and by role as REST does", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const own = certificateOf(running.dataDir, "operator-1")
      const byCertificate = client(running, own)
      const bare = client(running)
      const answer = yield* unary(byCertificate, "listTasks", {})
      assert.containSubset(answer, { tasks: [] })
      for (const role of roles) {
        const exit = yield* Effect.result(unary(bare, "submitTask", {}, tokenOf(role)))
        assert.strictEqual(exit._tag, "Failure")
        if (exit._tag === "Success") continue
        const may = allows(securitySettings.roles, [role], "tasks.submit")
        assert.strictEqual(exit.failure.code, may ? Problem.grpc.InvalidRequest : Problem.grpc.NotAllowed, role)
        assert.deepStrictEqual(exit.failure.metadata.get("novacron-code"), [may ? "NVC-2811" : "NVC-2813"])
      }
      const nobody = yield* Effect.flip(unary(bare, "listTasks", {}))
      assert.strictEqual(nobody.code, Rpc.status.UNAUTHENTICATED)
      byCertificate.close()
      bare.close()
    })
  )

  live("refuses a message that is too large", () =>
    Effect.gen(function* () {
      const running = yield* start({ maxBody: "64 KiB" })
      const it = client(running)
      const large = yield* Effect.flip(unary(it, "getTask", { id: "x".repeat(100_000) }, tokenOf("admin")))
      assert.strictEqual(large.code, Rpc.status.RESOURCE_EXHAUSTED)
      it.close()
    })
  )

  live("ends what a watcher hears whose token was revoked", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const admin = { token: tokenOf("admin"), method: "POST" }
      const made = yield* ask(running, "/v1/tokens", { ...admin, body: { name: "ci", roles: ["viewer"] } })
      const { secret, token } = JSON.parse(made.text)
      const it = client(running)
      const call = watchTasks(it, secret)
      const ended = yield* Deferred.make<Rpc.ServiceError>()
      call.on("data", () => undefined)
      call.on("error", (error: Rpc.ServiceError) => Deferred.doneUnsafe(ended, Effect.succeed(error)))
      while ((yield* running.api.statistics).readers < 1) yield* Effect.sleep("20 millis")
      yield* ask(running, `/v1/tokens/${token.id}`, { ...admin, method: "DELETE" })
      const error = yield* Deferred.await(ended)
      assert.strictEqual(error.code, Rpc.status.UNAUTHENTICATED)
      assert.deepStrictEqual(error.metadata.get("novacron-code"), ["NVC-2812"])
      it.close()
    })
  )

  live("tells watchers each change, from where they were", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const it = client(running)
      const watch = (after: string | undefined, until: (states: ReadonlyArray<number>) => boolean) =>
        Effect.gen(function* () {
          const done = yield* Deferred.make<ReadonlyArray<TasksProto.WatchTasksResponse>>()
          const seen: Array<TasksProto.WatchTasksResponse> = []
          const call = watchTasks(it, tokenOf("admin"), after)
          call.on("error", () => undefined)
          call.on("data", (message: TasksProto.WatchTasksResponse) => {
            seen.push(message)
            if (until(seen.map(({ task }) => task?.state ?? 0))) Deferred.doneUnsafe(done, Effect.succeed(seen))
          })
          yield* Effect.addFinalizer(() => Effect.sync(() => call.cancel()))
          return done
        })
      const { SUCCEEDED } = TasksProto.TaskState
      const first = yield* watch(undefined, (states) => states.length === 1)
      while ((yield* running.api.statistics).readers < 1) yield* Effect.sleep("20 millis")
      yield* unary(
        it,
        "submitTask",
        { submission: { name: "a", run: { case: "process", value: { command: ["x"] } } } },
        tokenOf("admin")
      )
      const [submitted] = yield* Deferred.await(first)
      assert.strictEqual(submitted?.task?.state, TasksProto.TaskState.QUEUED)
      const taskId = submitted?.task?.id ?? ""
      yield* running.memory.advance(taskId, { state: "running" })
      yield* running.memory.advance(taskId, { state: "succeeded" })
      const second = yield* watch(submitted?.id, (states) => states.includes(SUCCEEDED))
      assert.deepStrictEqual(
        (yield* Deferred.await(second)).map(({ task }) => task?.state),
        [TasksProto.TaskState.RUNNING, SUCCEEDED]
      )
      const lost = yield* watch("another-17", (states) => states.length === 1)
      const [gap] = yield* Deferred.await(lost)
      assert.isUndefined(gap?.task)
      it.close()
    })
  )
})
