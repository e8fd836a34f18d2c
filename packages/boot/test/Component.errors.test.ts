/**
 * What the compiler says to whoever gets a declaration wrong: each text has to name the culprit. `Component.types.test.ts`
 * promises that there is an error; this is about its words. One call of the real compiler for all of it.
 */
import { execFile } from "node:child_process"
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, describe, it } from "vitest"

const seconds = (n: number): number => n * 1000

/** The kernel, seen from the directory that is compiled. */
const kernel = "../../src"

/** What the wrong uses are about. */
const prelude = `
import { Context, Data, Effect, Layer, Option } from "effect"
import * as Boot from "${kernel}/Boot.ts"
import * as Component from "${kernel}/Component.ts"

class Settings extends Context.Service<Settings, { readonly url: string }>()("errors/Settings") {}
class Twin extends Context.Service<Twin, { readonly url: string }>()("errors/Twin") {}
class Database extends Context.Service<Database, { readonly query: Effect.Effect<string> }>()("errors/Database") {}
class Cache extends Context.Service<Cache, { readonly get: Effect.Effect<Option.Option<string>> }>()("errors/Cache") {}
class Ml extends Context.Service<Ml, { readonly predict: Effect.Effect<number> }>()("errors/Ml") {}
class Api extends Context.Service<Api, { readonly port: number }>()("errors/Api") {}
class RedisDown extends Data.TaggedError("RedisDown")<{ readonly host: string }> {}
class BadUrl extends Data.TaggedError("BadUrl")<{ readonly url: string }> {}
class NoGpu extends Data.TaggedError("NoGpu")<{ readonly device: string }> {}

const health = () => Effect.void
const settings = Component.make(Settings, { start: Effect.succeed({ url: "x" }), health })
const database = Component.make(Database, {
  needs: [Settings],
  start: Effect.as(Settings, { query: Effect.succeed("x") }),
  health
})
const startRedis = Effect.gen(function* () {
  const { url } = yield* Settings
  if (url === "") return yield* new BadUrl({ url })
  if (url === "down") return yield* new RedisDown({ host: url })
  return { get: Effect.succeed(Option.none<string>()) }
})
const redis = Component.make(Cache, {
  needs: [Settings],
  severity: { RedisDown: "Degraded", BadUrl: "Critical" },
  start: startRedis,
  health
})
const startMl = Effect.gen(function* () {
  return yield* new NoGpu({ device: "gpu0" })
})
const ml = Component.make(Ml, { severity: "Warning", start: startMl, health })
const hard = Component.make(Api, { needs: [Ml], start: Effect.as(Ml, { port: 1 }), health })
const library = Layer.effect(Api, Effect.map(Database, () => ({ port: 1 })))
export { Boot, Component, database, hard, health, library, ml, redis, settings, startRedis }
export { Api, Cache, Database, Effect, Layer, Settings, Twin }
`

/** Wrong uses: what is wrong, how it is written, and what the compiler has to say, the culprit's name in it. */
const wrong: ReadonlyArray<readonly [what: string, code: string, says: ReadonlyArray<string>]> = [
  [
    "a service that is used and not declared",
    `Component.make(Api, { needs: [Cache], start: Effect.map(Database, () => ({ port: 1 })), health })`,
    ["Type 'Database' is not assignable to type 'Cache'"]
  ],
  [
    "a service that is used and not declared, of the same shape as one that is",
    `Component.make(Api, { needs: [Settings], start: Effect.map(Twin, () => ({ port: 1 })), health })`,
    ["Type 'Twin' is not assignable to type 'Settings'"]
  ],
  [
    "a service that health uses and that is not declared",
    `Component.make(Api, { needs: [Cache], start: Effect.succeed({ port: 1 }), health: () => Database })`,
    ["Type 'Database' is not assignable to type 'Cache'"]
  ],
  [
    "a service of another shape",
    `Component.make(Api, { start: Effect.succeed({ port: "1" }), health })`,
    ["Types of property 'port' are incompatible"]
  ],
  [
    "a component without a probe",
    `Component.make(Api, { start: Effect.succeed({ port: 1 }) })`,
    ["Property 'health' is missing"]
  ],
  [
    "an error that the severity table forgets",
    `Component.make(Cache, { needs: [Settings], severity: { RedisDown: "Degraded" }, start: startRedis, health })`,
    ["Property 'BadUrl' is missing"]
  ],
  [
    "a severity that there is not",
    `Component.make(Api, { severity: "Fatal", start: Effect.fail(new Error("x")), health })`,
    [`Type '"Fatal"' is not assignable`]
  ],
  [
    "a severity that there is not, of a start that does not fail",
    `Component.make(Api, { severity: "warning", start: Effect.succeed({ port: 1 }), health })`,
    [`Type '"warning"' is not assignable`, `Did you mean '"Warning"'?`]
  ],
  [
    "a severity for an error that start does not have",
    `Component.make(Api, { severity: { RedisDown: "Warning" }, start: Effect.succeed({ port: 1 }), health })`,
    ["'RedisDown' does not exist in type 'Faults'"]
  ],
  [
    "a table for errors without a tag",
    `Component.make(Api, { severity: { Error: "Warning" }, start: Effect.fail(new Error("x")), health })`,
    [`'Error' does not exist in type '{ readonly "one severity for all, as these errors have no _tag"`]
  ],
  [
    "a degraded component without a fallback",
    `Boot.layer([settings, redis])`,
    [`Property '"unhandled severity"' is missing`, `"unhandled severity": Degraded<RedisDown>`]
  ],
  [
    "a warning that is not optional",
    `Boot.layer([ml])`,
    [`Property '"unhandled severity"' is missing`, `"unhandled severity": Warning<NoGpu>`]
  ],
  [
    "a member of a group that is not handled",
    `Component.group("g", [settings, redis])`,
    [`Property '"unhandled severity"' is missing`, `"unhandled severity": Degraded<RedisDown>`]
  ],
  [
    "a fallback for another service",
    `redis.pipe(Component.fallback(settings))`,
    ["Type 'Provided<Settings>' is not assignable to type 'Provided<Cache>'"]
  ],
  [
    "a need that nobody meets",
    `export const run: Effect.Effect<never, unknown> = Layer.launch(Boot.layer([database]))`,
    ["Type 'Settings' is not assignable to type 'never'"]
  ],
  [
    "a need that nobody meets, inside a group",
    `export const run: Effect.Effect<never, unknown> = Layer.launch(Boot.layer([Component.group("g", [database])]))`,
    ["Type 'Settings' is not assignable to type 'never'"]
  ],
  [
    "a hard need on what may be absent",
    `export const run: Effect.Effect<never, unknown> = Layer.launch(Boot.layer([ml.pipe(Component.optional), hard]))`,
    ["Type 'Ml' is not assignable to type 'never'"]
  ],
  [
    "a hard need on what is of another environment",
    `export const run: Effect.Effect<never, unknown> = Layer.launch(
      Boot.layer([settings.pipe(Component.when("datacenter")), database])
    )`,
    ["Type 'Settings' is not assignable to type 'never'"]
  ],
  [
    "a library's layer that requires more than was declared",
    `Component.fromLayer(Api, library, { needs: [Cache] })`,
    ["Type 'Database' is not assignable to type 'Cache'"]
  ]
]

describe("the compiler", () => {
  let directory = ""
  const said = new Map<number, string>()

  beforeAll(async () => {
    const dist = join(import.meta.dirname, "../dist")
    await mkdir(dist, { recursive: true })
    directory = await mkdtemp(join(dist, "errors-"))
    // Where the imports of the prelude lead: ../../src is the kernel.
    const imports = `import { Boot, Component, database, hard, health, library, ml, redis, settings, startRedis, Api, Cache,
  Database, Effect, Layer, Settings, Twin } from "./prelude.ts"
export const use = [Boot, Component, database, hard, health, library, ml, redis, settings, startRedis, Api, Cache,
  Database, Effect, Layer, Settings, Twin]
`
    const options = {
      extends: "../../../../tsconfig.base.json",
      compilerOptions: {
        composite: false,
        declaration: false,
        declarationMap: false,
        noEmit: true,
        rewriteRelativeImportExtensions: false,
        types: ["node"]
      },
      include: ["*.ts"]
    }
    await writeFile(join(directory, "tsconfig.json"), JSON.stringify(options))
    await writeFile(join(directory, "prelude.ts"), prelude)
    await Promise.all(wrong.map(([, code], i) => writeFile(join(directory, `wrong${i}.ts`), `${imports}${code}\n`)))
    const typescript = dirname(createRequire(import.meta.url).resolve("typescript/package.json"))
    const tsc = join(typescript, "bin", "tsc")
    const run = promisify(execFile)(process.execPath, [tsc, "-p", directory, "--pretty", "false"])
    const text = await run.then(
      ({ stdout }) => stdout,
      (error: { readonly stdout: string }) => error.stdout
    )
    let at = -1
    for (const line of text.split("\n")) {
      const file = /(?:wrong(\d+)|prelude)\.ts\(\d+,\d+\)/.exec(line)
      if (file !== null) at = Number(file[1] ?? -1)
      said.set(at, `${said.get(at) ?? ""}${line}\n`)
    }
  }, seconds(60))

  afterAll(() => rm(directory, { recursive: true, force: true }))

  it("finds nothing wrong with what is right", () => {
    assert.isUndefined(said.get(-1))
  })

  wrong.forEach(([what, , says], i) => {
    it(`refuses ${what}, and says: ${says.join(" … ")}`, () => {
      for (const words of says) assert.include(said.get(i), words)
    })
  })
})
