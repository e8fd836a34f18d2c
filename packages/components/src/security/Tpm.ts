/**
 * The root of trust of a boot: a register of a TPM 2.0 that is extended by what was measured, or the word of this process
 * alone where there is no TPM. Which of the two it is, is always said.
 *
 * **Details**
 *
 * A TPM is spoken to by the programs of tpm2-tools, over the interface that `TPM2TOOLS_TCTI` or the settings name; by
 * default the resource manager of the kernel, `/dev/tpmrm0`. The register is reset first, so it takes one that may be
 * reset: 16 or 23. A quote is the register and a nonce, signed by a key of the TPM; `tpm2_checkquote` checks it elsewhere.
 *
 * **Gotchas**
 *
 * Only a software TPM (swtpm) was ever asked: the machines that test this have no other one. It has no hardware beneath
 * it, and is called what it is.
 */
import { execFile } from "node:child_process"
import { Effect, FileSystem } from "effect"
import * as Measurements from "./Measurements.ts"
import { TrustRootUnusable } from "./Security.ts"
import type { Settings } from "./Settings.ts"

/** What vouches for what was measured. */
export interface Root {
  readonly kind: "tpm" | "swtpm" | "software"
  /** A sentence for the log: what it is, and what that means. */
  readonly detail: string
  /** Extends the register by all of it, and fails when it does not hold what it must hold then. */
  readonly record: (log: Measurements.Log) => Effect.Effect<void, TrustRootUnusable>
  /** The register and a nonce, signed by the TPM; fails where there is none. */
  readonly quote: (nonce: Uint8Array) => Effect.Effect<Quote, TrustRootUnusable, FileSystem.FileSystem>
}

/** What `tpm2_checkquote` wants. */
export interface Quote {
  /** The public key, in PEM. */
  readonly publicKey: Uint8Array
  readonly message: Uint8Array
  readonly signature: Uint8Array
  readonly registers: Uint8Array
}

/** The root as the settings want it. `tpm` fails without one, `auto` says that there is none. */
export const open = Effect.fn("Tpm.open")(function* (
  { root, tpm }: Pick<(typeof Settings.Type)["bootChain"], "root" | "tpm">,
  environment: { readonly [name: string]: string | undefined }
) {
  const tcti = tpm.tcti ?? environment["TPM2TOOLS_TCTI"]
  if (root === "software") return software("as it is set (security.boot_chain.root)")
  const fileSystem = yield* FileSystem.FileSystem
  const hasDevice = yield* Effect.orElseSucceed(fileSystem.exists(device), () => false)
  if (tcti === undefined && !hasDevice) {
    const reason = `there is no TPM (${device}), and no other one is named`
    return root === "tpm" ? yield* new TrustRootUnusable({ reason }) : software(reason)
  }
  const run = runner(environment["PATH"] ?? "", tcti ?? `device:${device}`)
  const identified = yield* Effect.result(run("tpm2_getcap", ["properties-fixed"]))
  if (identified._tag === "Failure") {
    // Somebody named one, or the machine has one: silence about it would be a false all-clear.
    return yield* identified.failure
  }
  return hardware(run, tpm.pcr, isSoftware(identified.success) ? "swtpm" : "tpm")
})

const device = "/dev/tpmrm0"

/** The vendor string of swtpm is "SW   TPM". */
const isSoftware = (properties: string): boolean => /value:\s+"SW/.test(properties)

const software = (why: string): Root => ({
  kind: "software",
  detail: `nothing beneath this process vouches for what was started: ${why}`,
  record: () => Effect.void,
  quote: () => Effect.fail(new TrustRootUnusable({ reason: `nothing can be quoted: ${why}` }))
})

type Run = (program: string, args: ReadonlyArray<string>) => Effect.Effect<string, TrustRootUnusable>

const hardware = (run: Run, register: number, kind: "tpm" | "swtpm"): Root => ({
  kind,
  detail:
    kind === "tpm"
      ? `register ${register} of the TPM holds what was measured`
      : `register ${register} of a TPM in software holds what was measured, and no hardware is beneath it`,
  record: Effect.fn("Tpm.record")(function* (log) {
    yield* run("tpm2_pcrreset", [`${register}`])
    for (const { digest } of log) yield* run("tpm2_pcrextend", [`${register}:sha256=${digest}`])
    const held = /:\s*0x([0-9A-F]{64})/i.exec(yield* run("tpm2_pcrread", [`sha256:${register}`]))?.[1]?.toLowerCase()
    if (held !== Measurements.final(log)) {
      const reason = `register ${register} does not hold what was measured: somebody else has extended or reset it`
      yield* new TrustRootUnusable({ reason })
    }
  }),
  quote: Effect.fn("Tpm.quote")(function* (nonce) {
    const fileSystem = yield* FileSystem.FileSystem
    const quoted = Effect.gen(function* () {
      const folder = yield* fileSystem.makeTempDirectoryScoped({ prefix: "novacron-quote-" })
      const at = (name: string) => `${folder}/${name}`
      // Without a resource manager keys stay in the TPM, which has room for three.
      const flush = run("tpm2_flushcontext", ["-t"])
      yield* run("tpm2_createek", ["-c", at("ek.ctx"), "-G", "ecc", "-u", at("ek.pub")])
      yield* flush
      const algorithms = ["-G", "ecc", "-g", "sha256", "-s", "ecdsa", "-f", "pem"]
      const made = ["-c", at("ak.ctx"), "-u", at("key.pem"), "-n", at("ak.name")]
      yield* run("tpm2_createak", ["-C", at("ek.ctx"), ...made, ...algorithms])
      yield* flush
      const asked = ["-c", at("ak.ctx"), "-l", `sha256:${register}`, "-q", Buffer.from(nonce).toString("hex")]
      yield* run("tpm2_quote", [...asked, "-g", "sha256", "-m", at("message"), "-s", at("sig"), "-o", at("pcrs")])
      yield* flush
      const [publicKey, message, signature, registers] = yield* Effect.all([
        fileSystem.readFile(at("key.pem")),
        fileSystem.readFile(at("message")),
        fileSystem.readFile(at("sig")),
        fileSystem.readFile(at("pcrs"))
      ])
      return { publicKey, message, signature, registers } satisfies Quote
    })
    return yield* Effect.scoped(quoted).pipe(
      Effect.catchTag("PlatformError", (cause) => new TrustRootUnusable({ reason: "its answer cannot be read", cause }))
    )
  })
})

/** Runs a program of tpm2-tools; what it writes is bounded, and it may take five seconds. */
const runner =
  (path: string, tcti: string): Run =>
  (program, args) =>
    Effect.callback((resume, signal) => {
      const env = { PATH: path, TPM2TOOLS_TCTI: tcti }
      const options = { env, signal, timeout: 5_000, maxBuffer: 1024 * 1024, encoding: "utf8" } as const
      execFile(program, args, options, (cause, stdout) => {
        if (cause === null) return resume(Effect.succeed(stdout))
        const isMissing = "code" in cause && cause.code === "ENOENT"
        const reason = isMissing ? `${program} is not installed: it is a part of tpm2-tools` : `${program} has failed`
        resume(Effect.fail(new TrustRootUnusable({ reason, cause })))
      })
    })
