/** What stands beneath the boot of security: a real boot, a real list of files, a TPM in software where there is one. */
import { assert, describe, it } from "@effect/vitest"
import { Boot } from "@novacron/boot"
import { Cause, Effect, Exit, FileSystem, Schema } from "effect"
import * as BootChain from "../../src/security/BootChain.ts"
import { digestOf } from "../../src/security/Measurements.ts"
import * as PrivateFiles from "../../src/security/PrivateFiles.ts"
import * as Security from "../../src/security/index.ts"
import { folder, platform, settings } from "./fixtures/place.ts"
import { release } from "./fixtures/release.ts"
import { hasTpm, start } from "./fixtures/swtpm.ts"

const testing = <A, E, R>(effect: Effect.Effect<A, E, R>) => effect.pipe(Effect.scoped, Effect.provide(platform))

const measured = ["settings", "component/cache", "component/database"].map((what) => ({ what, digest: digestOf(what) }))

const boot = (dataDir: string, bootChain: object, given: Partial<Security.Surroundings> = { measured }) =>
  Boot.make([
    Security.component(settings({ bootChain }), {
      dataDir,
      nodeId: "node-1",
      environment: { PATH: process.env["PATH"] },
      ...given
    })
  ])

const failure = Effect.fnUntraced(function* (dataDir: string, bootChain: object) {
  const exit = yield* Effect.exit(Effect.scoped(boot(dataDir, bootChain)))
  assert.isTrue(Exit.isFailure(exit), "the boot must fail")
  const critical = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  const cause = critical instanceof Error ? critical.cause : undefined
  return cause instanceof Error && "code" in cause ? `${String(cause.code)} ${cause.message}` : String(cause)
})

const recordOf = (dataDir: string) =>
  Effect.gen(function* () {
    const text = yield* (yield* FileSystem.FileSystem).readFileString(`${dataDir}/security/${BootChain.recordName}`)
    return Schema.decodeUnknownSync(Schema.fromJsonString(BootChain.Record))(text)
  })

const auditOf = (dataDir: string) =>
  Effect.gen(function* () {
    const text = yield* (yield* FileSystem.FileSystem).readFileString(`${dataDir}/security/audit.jsonl`)
    return text
      .trimEnd()
      .split("\n")
      .map((line): { readonly action: string; readonly subject?: string } => JSON.parse(line))
  })

describe("a measured boot", () => {
  it.live(
    "writes down what was measured, for itself alone, and in the audit log; the same program has the same digest",
    () =>
      testing(
        Effect.gen(function* () {
          const [one, other] = [yield* folder, yield* folder]
          const report = yield* Effect.scoped(Effect.flatMap(boot(one, {}), ({ report }) => report))
          assert.strictEqual(report.outcome, "ready")
          yield* Effect.scoped(boot(other, {}, { measured: measured.toReversed() }))
          const record = yield* recordOf(one)
          assert.deepInclude(record, { root: "software", isSigned: false })
          assert.strictEqual((yield* recordOf(other)).digest, record.digest)
          const line = (yield* auditOf(one)).find(({ action }) => action === "boot.measured")
          assert.strictEqual(line?.subject, `software ${record.digest}, program not checked`)
          const changed = [...measured.slice(1), { what: "settings", digest: digestOf("other settings") }]
          yield* Effect.scoped(boot(other, {}, { measured: changed }))
          assert.notStrictEqual((yield* recordOf(other)).digest, record.digest)
        })
      )
  )

  it.live("starts a program that is as it was signed, and refuses one that was changed before any key is made", () =>
    testing(
      Effect.gen(function* () {
        const fileSystem = yield* FileSystem.FileSystem
        const [dataDir, fresh] = [yield* folder, yield* folder]
        const { dist, key, manifest } = yield* release(yield* folder)
        const chain = { manifest, publicKeys: [key] }
        yield* Effect.scoped(boot(dataDir, chain))
        assert.isTrue((yield* recordOf(dataDir)).isSigned)
        assert.include(
          (yield* recordOf(dataDir)).log.map(({ what }) => what),
          "program"
        )
        yield* fileSystem.writeFileString(`${dist}/parts/cache.mjs`, "evil()")
        assert.match(yield* failure(fresh, chain), /^NVC-2011 .*parts\/cache\.mjs/)
        assert.notInclude(yield* fileSystem.readDirectory(`${fresh}/security`), "master.key")
        const failed = (yield* auditOf(fresh)).find(({ action }) => action === "security.failed")
        assert.strictEqual(failed?.subject, "ProgramTampered")
      })
    )
  )

  it.live("does not start without the TPM that its settings want", () =>
    testing(
      Effect.gen(function* () {
        const chain = { root: "tpm", tpm: { tcti: "swtpm:host=127.0.0.1,port=1" } }
        assert.match(yield* failure(yield* folder, chain), /^NVC-2012 The root of trust of this boot cannot be used/)
      })
    )
  )

  it.live.skipIf(!hasTpm)("ends in a register of a TPM, which holds what the record says", () =>
    testing(
      Effect.gen(function* () {
        const { run, tcti } = yield* start
        const dataDir = yield* folder
        yield* Effect.scoped(boot(dataDir, { root: "tpm", tpm: { tcti } }))
        const record = yield* recordOf(dataDir)
        assert.strictEqual(record.root, "swtpm")
        assert.include(run("tpm2_pcrread", "sha256:23").toLowerCase(), `0x${record.digest}`)
      })
    )
  )

  it.live("says what vouches for it, and never that all is well without saying why", () =>
    testing(
      Effect.gen(function* () {
        const dataDir = yield* folder
        const files = yield* PrivateFiles.open(dataDir)
        const nothing = yield* BootChain.measure(settings({}).bootChain, { files, environment: {}, measured: [] })
        assert.strictEqual(
          BootChain.describe(nothing),
          "Nobody has checked the files of the program; nothing was measured; nothing beneath this process vouches for \
what was started: as it is set (security.boot_chain.root)."
        )
        assert.deepStrictEqual(yield* files.names, [])
      })
    )
  )
})
