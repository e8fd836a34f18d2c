/**
 * What stands beneath a boot: the program that was signed, what was measured of it, and who vouches for that. Done before
 * any key is read.
 *
 * **Details**
 *
 * What was measured is written to `measurements.json` beside the keys, with the digest and the kind of the root. It is a
 * record and no proof: the proof is the register of the TPM, if there is one.
 */
import { Effect, Schema } from "effect"
import * as Measurements from "./Measurements.ts"
import type { PrivateFiles } from "./PrivateFiles.ts"
import * as Program from "./Program.ts"
import type { Settings } from "./Settings.ts"
import * as Tpm from "./Tpm.ts"

/** A boot that was measured. */
export interface Measured {
  readonly root: Tpm.Root
  readonly log: Measurements.Log
  /** What the register holds: the same for the same program and settings. */
  readonly digest: string
  /** Whether the files of the program were those of a list that is signed. */
  readonly isSigned: boolean
}

/** What {@link recordName} holds. */
export const Record = Schema.Struct({
  version: Schema.Literal(1),
  root: Schema.Literals(["tpm", "swtpm", "software"]),
  isSigned: Schema.Boolean,
  digest: Schema.String,
  log: Schema.Array(Schema.Struct({ what: Schema.String, digest: Schema.String }))
})

/** The file in the folder of keys that says what was measured last. */
export const recordName = "measurements.json"

/** Checks the program, measures, extends the register and writes all of it down. */
export const measure = Effect.fn("BootChain.measure")(function* (
  { manifest, publicKeys, ...settings }: (typeof Settings.Type)["bootChain"],
  given: {
    readonly files: PrivateFiles
    readonly environment: { readonly [name: string]: string | undefined }
    /** What else counts: the version of the settings, the components. */
    readonly measured: ReadonlyArray<Measurements.Measurement>
  }
) {
  const program = manifest === undefined ? undefined : yield* Program.check(manifest, publicKeys)
  const root = yield* Tpm.open(settings, given.environment)
  const own = program === undefined ? [] : [{ what: "program", digest: program.digest }]
  const log = Measurements.log([...given.measured, ...own])
  yield* root.record(log)
  const measured: Measured = { root, log, digest: Measurements.final(log), isSigned: program !== undefined }
  if (log.length > 0) yield* keep(given.files, measured)
  return measured
})

/** A sentence for the log: what vouches for what, and what does not. Never that all is well without saying why. */
export const describe = ({ digest, isSigned, log, root }: Measured): string => {
  const program = isSigned ? "The program is the one that was signed" : "Nobody has checked the files of the program"
  const what = log.length === 0 ? "nothing was measured" : `${log.length} measurements end in ${digest}`
  return `${program}; ${what}; ${root.detail}.`
}

const keep = Effect.fnUntraced(function* (files: PrivateFiles, { digest, isSigned, log, root }: Measured) {
  const record: typeof Record.Type = { version: 1, root: root.kind, isSigned, digest, log }
  const text = Buffer.from(`${JSON.stringify(record, undefined, 2)}\n`)
  const present = yield* files.read(recordName)
  // As a rule nothing has changed, and a boot need not wait for the disk.
  if (present._tag === "Some" && text.equals(present.value)) return
  yield* files.write(recordName, text)
})
