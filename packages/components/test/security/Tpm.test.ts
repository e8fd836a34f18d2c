/** Against a real TPM 2.0 in software: swtpm, asked by tpm2-tools. No hardware TPM was there. */
import { spawnSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as Measurements from "../../src/security/Measurements.ts"
import * as Tpm from "../../src/security/Tpm.ts"
import { folder, platform } from "./fixtures/place.ts"
import { hasTpm, start } from "./fixtures/swtpm.ts"

const testing = <A, E, R>(effect: Effect.Effect<A, E, R>) => effect.pipe(Effect.scoped, Effect.provide(platform))
const path = { PATH: process.env["PATH"] }
const log = Measurements.log(
  ["program", "settings", "component/database"].map((what) => ({ what, digest: Measurements.digestOf(what) }))
)

describe("a boot without a TPM", () => {
  it.live("says so, and never that something vouches for it", () =>
    testing(
      Effect.gen(function* () {
        const root = yield* Tpm.open({ root: "auto", tpm: { pcr: 23 } }, path)
        if (root.kind !== "software") return
        assert.match(root.detail, /^nothing beneath this process vouches .* there is no TPM/)
        yield* root.record(log)
        assert.strictEqual((yield* Effect.flip(root.quote(new Uint8Array(20))))._tag, "TrustRootUnusable")
        const set = yield* Tpm.open({ root: "software", tpm: { pcr: 23 } }, path)
        assert.strictEqual(set.kind, "software")
      })
    )
  )

  it.live("does not start where one is wanted: not there, not answering, or without the programs that ask it", () =>
    testing(
      Effect.gen(function* () {
        const nobody = { root: "tpm", tpm: { pcr: 23, tcti: "swtpm:host=127.0.0.1,port=1" } } as const
        for (const env of [path, { PATH: "/nowhere" }]) {
          const error = yield* Effect.flip(Tpm.open(nobody, env))
          assert.strictEqual(error.code, "NVC-2012")
          assert.match(error.message, /cannot be used: tpm2_getcap (?:has failed|is not installed)/)
        }
        // Somebody who names one wants it, also when he says auto.
        yield* Effect.flip(Tpm.open({ ...nobody, root: "auto" }, path))
      })
    )
  )
})

describe.skipIf(!hasTpm)("a boot with a TPM", () => {
  it.live("leaves in a register what was measured, the same each time, and says that the TPM is one in software", () =>
    testing(
      Effect.gen(function* () {
        const { run, tcti } = yield* start
        const root = yield* Tpm.open({ root: "auto", tpm: { pcr: 23 } }, { ...path, TPM2TOOLS_TCTI: tcti })
        assert.strictEqual(root.kind, "swtpm")
        assert.include(root.detail, "no hardware is beneath it")
        for (const _ of ["first", "second"]) {
          yield* root.record(log)
          assert.include(run("tpm2_pcrread", "sha256:23").toLowerCase(), `0x${Measurements.final(log)}`)
        }
        const tampered = log.map((one, i) => (i === 0 ? { ...one, digest: Measurements.digestOf("evil") } : one))
        yield* root.record(tampered)
        assert.notInclude(run("tpm2_pcrread", "sha256:23").toLowerCase(), Measurements.final(log))
      })
    )
  )

  it.live(
    "quotes the register: tpm2_checkquote accepts it with its nonce, and with no other",
    () =>
      testing(
        Effect.gen(function* () {
          const fileSystem = yield* FileSystem.FileSystem
          const { tcti } = yield* start
          const root = yield* Tpm.open({ root: "tpm", tpm: { pcr: 23, tcti } }, path)
          yield* root.record(log)
          const nonce = Buffer.from("00112233445566778899aabbccddeeff00112233", "hex")
          // More than once: keys do not fill the TPM up.
          yield* root.quote(nonce)
          yield* root.quote(nonce)
          const quote = yield* root.quote(nonce)
          const at = yield* folder
          const files = { key: quote.publicKey, msg: quote.message, sig: quote.signature, pcrs: quote.registers }
          for (const [name, bytes] of Object.entries(files)) yield* fileSystem.writeFile(`${at}/${name}`, bytes)
          const check = (hex: string) => {
            const given = ["-u", `${at}/key`, "-m", `${at}/msg`, "-s", `${at}/sig`, "-f", `${at}/pcrs`]
            return spawnSync("tpm2_checkquote", [...given, "-g", "sha256", "-q", hex], { encoding: "utf8" })
          }
          const good = check(nonce.toString("hex"))
          assert.strictEqual(good.status, 0, good.stderr)
          assert.include(good.stdout.toLowerCase(), Measurements.final(log))
          assert.notStrictEqual(check("ff".repeat(20)).status, 0)
        })
      ),
    60_000
  )
})
