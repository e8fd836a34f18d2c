/**
 * Detached signatures of files, as openssl makes and checks them.
 *
 * ```sh
 * openssl dgst -sha256 -sign key.pem -out novacron.yaml.sig novacron.yaml        # RSA, ECDSA
 * openssl pkeyutl -sign -rawin -inkey key.pem -in novacron.yaml -out novacron.yaml.sig  # Ed25519
 * ```
 *
 * **Details**
 *
 * The signature is over the bytes of the file, and is checked before any of them is parsed. RSA keys need 2048 bits.
 */
import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes
} from "node:crypto"
import { Effect, FileSystem, type PlatformError, Redacted, Result } from "effect"
import { codes, ConfigInvalid, type Problem, unread } from "./Problem.ts"
import * as Remote from "./Remote.ts"

/** What a missing or bad signature means. */
export type Policy = "off" | "warn" | "require"

/** How files are checked. */
export interface Settings {
  readonly policy: Policy
  /** Paths of public keys in PEM; one of them must fit. Two of them, and keys can be changed without a gap. */
  readonly publicKeys: ReadonlyArray<string>
  /** The path of the signature; by default that of the file and `.sig`. */
  readonly file?: string
}

/** Why a signature is not accepted: a sentence. `undefined` when it is good. */
export const verify = (
  bytes: Uint8Array,
  signature: Uint8Array,
  publicKeys: ReadonlyArray<string>
): string | undefined => {
  if (publicKeys.length === 0) return "No public key is configured."
  let reason = "It was made for other bytes or with another key: the file was changed, or signed by somebody else."
  for (const pem of publicKeys) {
    const key = Result.try(() => createPublicKey(pem))
    const complaint = Result.isFailure(key) ? "A public key is not PEM." : weakness(key.success)
    if (Result.isFailure(key) || complaint !== undefined) {
      reason = complaint ?? reason
      continue
    }
    // A signature that cannot even be read is as bad as a wrong one.
    const fits = Result.try(() => verifyBytes(digestOf(key.success), bytes, key.success, signature))
    if (Result.isSuccess(fits) && fits.success) return undefined
  }
  return reason
}

/** Signs bytes with a private key in PEM; openssl verifies it. Fails with what is wrong with the key. */
export const sign = (bytes: Uint8Array, privateKey: Redacted.Redacted): Result.Result<Uint8Array, string> => {
  const key = Result.try(() => createPrivateKey(Redacted.value(privateKey)))
  if (Result.isFailure(key)) return Result.fail("The private key is not PEM, or is protected by a passphrase.")
  const complaint = weakness(key.success)
  if (complaint !== undefined) return Result.fail(complaint)
  return Result.succeed(new Uint8Array(signBytes(digestOf(key.success), bytes, key.success)))
}

const digestOf = (key: KeyObject): "sha256" | null => (key.asymmetricKeyType === "ed25519" ? null : "sha256")

const weakness = ({ asymmetricKeyDetails, asymmetricKeyType: type }: KeyObject): string | undefined => {
  if (type === "ec" || type === "ed25519") return undefined
  if (type !== "rsa") return "A key is neither RSA, ECDSA nor Ed25519."
  return (asymmetricKeyDetails?.modulusLength ?? 0) < 2048 ? "An RSA key has less than 2048 bits." : undefined
}

/**
 * Checks the bytes of a file under a policy. Answers the warnings; fails with NVC-1012 when the policy requires a signature
 * and there is no good one.
 */
export const check = Effect.fn("Signature.check")(function* (file: string, bytes: Uint8Array, settings: Settings) {
  if (settings.policy === "off") return []
  const files = yield* FileSystem.FileSystem
  const path = settings.file ?? `${file}.sig`
  const signature = yield* Effect.result<Uint8Array, PlatformError.PlatformError | Remote.RemoteUnreadable, never>(
    Remote.isRemote(path) ? Remote.read(path) : files.readFile(path)
  )
  const publicKeys = yield* Effect.result(Effect.forEach(settings.publicKeys, (key) => files.readFileString(key)))
  const complaint: Complaint | undefined = Result.isFailure(signature)
    ? unfound(path, signature.failure)
    : Result.isFailure(publicKeys)
      ? { reason: `A public key of ${settings.publicKeys.join(", ")} cannot be read.` }
      : because(verify(bytes, signature.success, publicKeys.success))
  if (complaint === undefined) return []
  const { reason, ...rest } = complaint
  const message = `The signature of ${Remote.shown(file)} is not accepted. ${reason}`
  const problem: Problem = { code: codes.signature, key: "", message, source: undefined, ...rest }
  return settings.policy === "warn" ? [problem] : yield* new ConfigInvalid({ problems: [problem] })
})

interface Complaint extends Partial<Pick<Problem, "code" | "isForbidden">> {
  readonly reason: string
}

const because = (reason: string | undefined): Complaint | undefined => (reason === undefined ? undefined : { reason })

/** What it means that there are no bytes of a signature: a store that is silent may have a good one. */
const unfound = (path: string, error: PlatformError.PlatformError | Remote.RemoteUnreadable): Complaint => {
  if (error._tag === "RemoteUnreadable") {
    const { message: reason, why } = error
    return { reason, ...(why === "Silent" ? { code: codes.silent } : why === "Forbidden" ? { isForbidden: true } : {}) }
  }
  if (error.reason._tag === "NotFound") return { reason: `There is no signature at ${path}.` }
  const { why, ...rest } = unread(error)
  return { reason: `${path} cannot be read. ${why}`, ...rest }
}
