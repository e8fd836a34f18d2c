import { execFile, spawnSync } from "node:child_process"
import { cpSync, mkdirSync, readdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@novacron/api"
import { Effect, Redacted } from "effect"
import { ask, environment, type Running, start, submission, tokenOf } from "./fixtures/server.ts"

type Body = () => Effect.Effect<unknown, unknown, Effect.Services<ReturnType<typeof start>>>

const testOf = (body: Body) => () => body().pipe(Effect.scoped, Effect.provide(environment))
const live = (name: string, body: Body) => it.live(name, testOf(body), 120_000)

const hasChromium = spawnSync("chromium", ["--version"]).status === 0

const run = (
  program: string,
  args: ReadonlyArray<string>,
  options: { env?: Record<string, string>; cwd?: string } = {}
) =>
  Effect.callback<{ readonly code: number; readonly out: string }>((resume) => {
    execFile(program, args, { timeout: 100_000, ...options }, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1
      resume(Effect.succeed({ code, out: `${out}${err}` }))
    })
  })

const clientOf = ({ access }: Running, token: string) =>
  Client.make({ url: access.url, token: Redacted.make(token) }).pipe(
    Effect.provide(NodeHttpClient.layerNodeHttpOptions({ ca: access.ca, servername: access.serverName }))
  )

/** The generator beside a TypeScript 5, whose compiler it speaks to: beside that of 7 it does not even start. */
const generatorIn = (folder: string, components: string): string => {
  const real = realpathSync(join(components, "node_modules/openapi-typescript"))
  const store = join(components, "../../node_modules/.pnpm")
  const five = readdirSync(store).find((name) => name.startsWith("typescript@5"))
  const modules = join(folder, "generator/node_modules")
  mkdirSync(modules, { recursive: true })
  for (const name of readdirSync(join(real, ".."))) {
    if (name !== "openapi-typescript" && name !== "typescript") symlinkSync(join(real, "..", name), join(modules, name))
  }
  symlinkSync(join(store, `${five}`, "node_modules/typescript"), join(modules, "typescript"))
  cpSync(real, join(modules, "openapi-typescript"), { recursive: true })
  return join(modules, "openapi-typescript/bin/cli.js")
}

describe("the API", () => {
  live("is used by the typed client, which knows problems by their names", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const client = yield* clientOf(running, tokenOf("admin"))
      const task = yield* client.tasks.submit({ headers: { "idempotency-key": "once" }, payload: submission })
      assert.strictEqual(task.submittedBy, "admin")
      assert.deepStrictEqual(yield* client.tasks.get({ params: { id: task.id } }), task)
      const page = yield* client.tasks.list({ query: { state: ["queued"], limit: 10 } })
      assert.deepStrictEqual(page.tasks, [task])
      const missing = yield* client.tasks
        .get({ params: { id: "nothing" } })
        .pipe(Effect.catchTag("NotFound", ({ code }) => Effect.succeed(code)))
      assert.strictEqual(missing, "NVC-2814")
      const { secret } = yield* client.tokens.create({ payload: { name: "ci", roles: ["viewer"] } })
      const viewer = yield* clientOf(running, secret)
      const refused = yield* Effect.flip(viewer.tasks.submit({ headers: {}, payload: submission }))
      assert.strictEqual(refused._tag, "NotAllowed")
      assert.strictEqual((yield* viewer.node.status({})).node, "node-1")
    })
  )

  live("is described by OpenAPI 3.1, from which a public generator makes a client that works", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const document = yield* ask(running, "/openapi.json")
      assert.strictEqual(document.status, 200)
      assert.containSubset(document.json, { openapi: "3.1.0", security: [{ bearer: [] }, { certificate: [] }] })
      const folder = running.dataDir
      const components = join(import.meta.dirname, "../..")
      writeFileSync(join(folder, "openapi.json"), document.text)
      writeFileSync(join(folder, "ca-only.pem"), running.access.ca)
      const bin = join(components, "node_modules/.bin")
      const node = join(components, "../../node_modules/node/bin/node")
      const generator = generatorIn(folder, components)
      const generated = yield* run(node, [generator, "openapi.json", "-o", "schema.d.ts"], { cwd: folder })
      assert.strictEqual(generated.code, 0, generated.out)
      // A program of somebody else: types from the document, and a client that knows nothing but them.
      writeFileSync(
        join(folder, "client.ts"),
        `import createClient from "openapi-fetch"
import type { paths } from "./schema.js"

declare const process: { readonly env: Record<string, string>; exit(code: number): never }

const client = createClient<paths>({
  baseUrl: process.env.URL,
  headers: { authorization: "Bearer " + process.env.TOKEN }
})
const submitted = await client.POST("/v1/tasks", {
  body: { name: "from-openapi", run: { driver: "process", command: ["/bin/true"] } }
})
if (submitted.data === undefined) throw new Error(JSON.stringify(submitted.error))
const found = await client.GET("/v1/tasks/{id}", { params: { path: { id: submitted.data.id } } })
const missing = await client.GET("/v1/tasks/{id}", { params: { path: { id: "nothing" } } })
type Ended = "succeeded" | "failed" | "cancelled"
const state: "queued" | "placed" | "running" | "waiting" | Ended | undefined = found.data?.state
console.log(JSON.stringify({ name: found.data?.name, state, status: missing.response.status }))
`
      )
      const real = readFileSync(join(components, "node_modules/openapi-fetch/package.json"), "utf8")
      assert.include(real, '"openapi-fetch"')
      writeFileSync(
        join(folder, "tsconfig.json"),
        JSON.stringify({
          compilerOptions: {
            strict: true,
            noEmit: true,
            target: "ES2022",
            module: "ESNext",
            moduleResolution: "bundler",
            lib: ["ES2022", "DOM"],
            skipLibCheck: true,
            types: [],
            paths: { "openapi-fetch": [join(components, "node_modules/openapi-fetch")] }
          },
          files: ["client.ts", "schema.d.ts"]
        })
      )
      const checked = yield* run(join(bin, "tsc"), ["-p", "tsconfig.json"], { cwd: folder })
      assert.strictEqual(checked.code, 0, checked.out)
      yield* run("ln", ["-s", join(components, "node_modules"), join(folder, "node_modules")])
      const ran = yield* run(node, ["--no-warnings", "client.ts"], {
        cwd: folder,
        env: {
          NODE_EXTRA_CA_CERTS: join(folder, "ca-only.pem"),
          URL: `https://localhost:${running.api.port}`,
          TOKEN: tokenOf("admin")
        }
      })
      assert.strictEqual(ran.code, 0, ran.out)
      assert.deepStrictEqual(JSON.parse(ran.out), { name: "from-openapi", state: "queued", status: 404 })
    })
  )

  live("serves a reference that asks nobody else for anything, and runs no script", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const page = yield* ask(running, "/reference")
      assert.strictEqual(page.status, 200)
      assert.match(String(page.headers["content-security-policy"]), /default-src 'none'/)
      assert.notMatch(page.text, /<script|<link|<img|<iframe|url\(|@import|(?:src|href)="(?!#|\/openapi\.json")/)
      for (const place of ["/v1/tasks/{id}/cancel", "/v1/tokens", "/v1/node/components/{name}/why"]) {
        assert.include(page.text, place)
      }
      const again = yield* ask(running, "/reference", { headers: { "if-none-match": String(page.headers.etag) } })
      assert.strictEqual(again.status, 304)
      assert.strictEqual((yield* ask(running, "/openapi.json", { method: "POST" })).status, 405)
    })
  )

  it.live.skipIf(!hasChromium)(
    "is read in a browser, which finds nothing in it that its policy forbids",
    testOf(() =>
      Effect.gen(function* () {
        const running = yield* start()
        // Its CA is that of one test: no browser knows it.
        const flags = [
          "--headless",
          "--no-sandbox",
          "--disable-gpu",
          "--ignore-certificate-errors",
          "--enable-logging=stderr"
        ]
        const profile = `--user-data-dir=${running.dataDir}/browser`
        const page = `https://localhost:${running.api.port}/reference`
        const { code, out } = yield* run("chromium", [...flags, profile, "--dump-dom", page])
        assert.strictEqual(code, 0, out)
        assert.include(out, "/v1/tasks/{id}/cancel")
        assert.notMatch(out, /CONSOLE.*(?:Content Security Policy|Refused)/i)
      })
    ),
    120_000
  )

  live("does not let tokens of the database in before there is a database", () =>
    Effect.gen(function* () {
      const running = yield* start({ tokens: { store: "database" } })
      const early = yield* ask(running, "/v1/node", { token: `nvc_${"A".repeat(43)}` })
      assert.strictEqual(early.status, 503)
      const local = yield* ask(running, "/v1/node", { token: running.access.token })
      assert.strictEqual(local.status, 200)
    })
  )
})
