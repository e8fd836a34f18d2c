/**
 * What the rest of the node gets from security: keys, certificates, secrets, who somebody is and what they may do. It comes
 * up before anything opens a socket, and nothing runs without it.
 */
import type { ConnectionOptions, TlsOptions } from "node:tls"
import { Context, Data, type Effect, type PlatformError, Predicate, type Redacted, type Stream } from "effect"

/** Somebody who has proved who they are. */
export interface Principal {
  /** The common name of a certificate, the subject of a token. */
  readonly name: string
  readonly by: "mtls" | "token" | "oidc" | "none"
  readonly roles: ReadonlyArray<string>
}

/** What somebody shows to prove who they are. */
export type Credential =
  | { readonly _tag: "Certificate"; readonly commonName: string; readonly fingerprint256: string }
  | { readonly _tag: "Bearer"; readonly token: Redacted.Redacted }
  | { readonly _tag: "Anonymous" }

/** A line of the audit log of security. Never a value of a secret. */
export interface AuditEntry {
  /** What happened: `auth.failed`, `secret.rotated`, `boot.rolled-back`. */
  readonly action: string
  /** Who did it, or tried to. */
  readonly principal?: string
  /** What it was done to. */
  readonly subject?: string
  readonly success: boolean
}

export class Security extends Context.Service<
  Security,
  {
    /**
     * TLS of a listener: the node's certificate; TLS 1.3 is preferred, and nothing below `security.tls.min_version`
     * accepted. Peers must show a certificate of the node's CA, unless `clients` says otherwise. Default: `required`.
     */
    readonly serverTls: (options?: {
      readonly clients?: "required" | "requested" | "none"
    }) => Effect.Effect<TlsOptions>
    /** TLS towards a peer of the node's CA, whose certificate must name `serverName`. */
    readonly clientTls: (serverName: string) => Effect.Effect<ConnectionOptions>
    /** A secret by its name, from the provider that is configured: a file, the environment, Vault. */
    readonly secret: (name: string) => Effect.Effect<Redacted.Redacted, SecretUnavailable>
    /** Encrypts with the current key (AES-256-GCM). `context` binds the result to a place: elsewhere it does not open. */
    readonly seal: (plain: Uint8Array, context: string) => Effect.Effect<Uint8Array>
    /** Decrypts what {@link seal} made, also with a previous key. */
    readonly open: (sealed: Uint8Array, context: string) => Effect.Effect<Uint8Array, CannotOpen>
    /** Who somebody is. A failure is written to the audit log. */
    readonly authenticate: (credential: Credential) => Effect.Effect<Principal, Unauthenticated>
    /** The roles that there are: those of `security.roles`. */
    readonly roles: ReadonlyArray<string>
    /** Whether somebody may do that; `action` is dotted, `components.restore`. A refusal is written to the audit log. */
    readonly authorize: (principal: Principal, action: string) => Effect.Effect<void, Forbidden>
    /** Appends to the audit log, which is a chain of hashes. */
    readonly audit: (entry: AuditEntry) => Effect.Effect<void>
    /** Emits after the node has got a new certificate: a listener then takes {@link serverTls} again. */
    readonly renewals: Stream.Stream<void>
    /**
     * Fails when a key cannot be used, a certificate has run out, the provider of secrets does not answer, or the audit
     * log cannot be written.
     */
    readonly check: Effect.Effect<
      void,
      CannotOpen | CertificateExpired | CertificateUnusable | SecretUnavailable | AuditLogBroken
    >
  }
>()("novacron/security") {}

// ------------------------------------------------------------------------------------------------------------ errors

/** A private key that others on this machine can read, or a folder of keys that they can enter. */
export class KeyMaterialExposed extends Data.TaggedError("KeyMaterialExposed")<{
  readonly path: string
  /** Its permissions, as of `chmod`. */
  readonly mode: number
}> {
  readonly code = "NVC-2001"
  override get message() {
    const mode = this.mode.toString(8).padStart(4, "0")
    return `${this.path} is open to other users (mode ${mode}), and what is in it must be secret. If nobody has read it, \
close it (chmod go= ${this.path}); otherwise replace it.`
  }
}

/** Keys that cannot be read, written or understood. Nothing replaces them by itself: what they sealed would be lost. */
export class KeyMaterialUnusable extends Data.TaggedError("KeyMaterialUnusable")<{
  readonly path: string
  /** What is wrong with it, as the end of a sentence. */
  readonly reason: string
  readonly cause?: unknown
}> {
  readonly code = "NVC-2002"
  override get message() {
    return `The key material in ${this.path} cannot be used: ${this.reason}. Nothing was changed. Restore it from a \
backup; without one, move it away and the node starts with new keys, which open nothing of before.`
  }
}

/** The system does not give or take key material, which may be whole: nobody should move it away or restore it for that. */
export class KeyMaterialUnavailable extends Data.TaggedError("KeyMaterialUnavailable")<{
  readonly path: string
  /** What could not be done, as the end of a sentence. */
  readonly reason: string
  readonly cause: PlatformError.PlatformError
}> {
  readonly code = "NVC-2014"
  override get message() {
    const { cause, path, reason } = this
    const of = cause.reason.cause
    const code = Predicate.hasProperty(of, "code") && typeof of.code === "string" ? of.code : cause.reason._tag
    const hint = systemHints[code] ?? "Look at its disk."
    return `The key material in ${path} cannot be had: ${reason} (${code}). It is as it was; leave it where it is. ${hint}`
  }
}

const noDescriptors = "This process has no descriptors left: raise its limit (LimitNOFILE=, ulimit -n)."
const notOurs = "Does it belong to the user of this node, and may they pass through all folders above it?"
const noRoom = "There is no room on its disk."
const systemHints: { readonly [code: string]: string } = {
  EMFILE: noDescriptors,
  ENFILE: noDescriptors,
  EACCES: notOurs,
  EPERM: notOurs,
  ENOSPC: noRoom,
  EDQUOT: noRoom,
  EROFS: "Its file system may only be read.",
  EIO: "Its disk fails; only if that cannot be mended, restore it from a backup."
}

/** A secret that is not there, or whose provider does not answer. */
export class SecretUnavailable extends Data.TaggedError("SecretUnavailable")<{
  readonly name: string
  readonly provider: "file" | "env" | "vault"
  readonly cause: unknown
}> {
  readonly code = "NVC-2003"
  override get message() {
    return `The secret "${this.name}" cannot be had from ${this.provider}. Is it there, and may this node read it?`
  }
}

/** What was sealed elsewhere, by another key, or changed since. */
export class CannotOpen extends Data.TaggedError("CannotOpen")<{ readonly context: string; readonly cause?: unknown }> {
  readonly code = "NVC-2004"
  override get message() {
    return `What was sealed for "${this.context}" does not open: the key is another one, or it was changed or moved.`
  }
}

/** A certificate beyond its time. */
export class CertificateExpired extends Data.TaggedError("CertificateExpired")<{
  readonly subject: string
  readonly notAfter: Date
}> {
  readonly code = "NVC-2005"
  override get message() {
    const when = this.notAfter.toISOString()
    return `The certificate of ${this.subject} ran out on ${when}. Renew it, or remove it to have a new one made.`
  }
}

/** Nobody knows who this is. `reason` says why, for the log and not for whoever tried. */
export class Unauthenticated extends Data.TaggedError("Unauthenticated")<{ readonly reason: string }> {
  override get message() {
    return `Not authenticated: ${this.reason}`
  }
}

/** Somebody may not do that. */
export class Forbidden extends Data.TaggedError("Forbidden")<{ readonly principal: string; readonly action: string }> {
  override get message() {
    return `${this.principal} may not ${this.action}.`
  }
}

/** Vault has answered, and the answer is no. Trying again does not help. */
export class VaultRefused extends Data.TaggedError("VaultRefused")<{
  /** What was asked for, without any value: `login`, `read secret/data/novacron/database`. */
  readonly request: string
  readonly status: number
}> {
  readonly code = "NVC-2006"
  override get message() {
    return `Vault refuses "${this.request}" (status ${this.status}). Is the token or the role still valid, does its \
policy allow this, and is the namespace right?`
  }
}

/** Vault does not answer, is sealed, or says what nobody understands. */
export class VaultUnreachable extends Data.TaggedError("VaultUnreachable")<{
  readonly address: string
  /** Not there when nothing answered. */
  readonly status?: number | undefined
  readonly cause?: unknown
}> {
  readonly code = "NVC-2007"
  override get message() {
    const what = this.status === undefined ? "does not answer" : `answers with status ${this.status}`
    return `Vault at ${this.address} ${what}, after several tries. Is it up and unsealed, and is the address right?`
  }
}

/** A certificate that does not fit: to its key, its CA, or this node. */
export class CertificateUnusable extends Data.TaggedError("CertificateUnusable")<{
  readonly path: string
  /** What is wrong with it, as the end of a sentence. */
  readonly reason: string
  readonly cause?: unknown
}> {
  readonly code = "NVC-2008"
  override get message() {
    return `The certificate in ${this.path} cannot be used: ${this.reason}. No peer would accept this node; put the \
right one in place.`
  }
}

/** The issuer of tokens does not say by which keys they are verified. */
export class IssuerUnreachable extends Data.TaggedError("IssuerUnreachable")<{
  readonly issuer: string
  readonly cause?: unknown
}> {
  readonly code = "NVC-2009"
  override get message() {
    return `The OIDC issuer ${this.issuer} does not give its keys, so nobody could prove who they are. Is it up, and is \
security.authentication.oidc.issuer right?`
  }
}

/** The audit log cannot be written, or was changed by somebody else. */
export class AuditLogBroken extends Data.TaggedError("AuditLogBroken")<{
  readonly path: string
  /** What is wrong with it, as the end of a sentence. */
  readonly reason: string
  readonly cause?: unknown
}> {
  readonly code = "NVC-2010"
  override get message() {
    return `The audit log ${this.path} cannot be continued: ${this.reason}. Keep a copy as evidence, then make room, or \
move it away to begin another.`
  }
}

/** The files of the program are not those that were signed. */
export class ProgramTampered extends Data.TaggedError("ProgramTampered")<{
  readonly manifest: string
  /** What is wrong, as the end of a sentence. */
  readonly reason: string
  readonly cause?: unknown
}> {
  readonly code = "NVC-2011"
  override get message() {
    return `This program is not the one that ${this.manifest} lists and somebody has signed: ${this.reason}. It does not \
start. If nobody was meant to change it, keep it as evidence; install the release again.`
  }
}

/** There is to be a TPM beneath the boot, and it is not there or does not do what it must. */
export class TrustRootUnusable extends Data.TaggedError("TrustRootUnusable")<{
  /** What is wrong, as the end of a sentence. */
  readonly reason: string
  readonly cause?: unknown
}> {
  readonly code = "NVC-2012"
  override get message() {
    return `The root of trust of this boot cannot be used: ${this.reason}. Mend it, or set security.boot_chain.root to \
software, and nothing beneath the process vouches for it.`
  }
}

/** A component that cannot prove that it is what it is called. */
export class IdentityRefused extends Data.TaggedError("IdentityRefused")<{
  readonly component: string
  readonly path: string
  /** What is wrong with its identity, as the end of a sentence. */
  readonly reason: string
  readonly cause?: unknown
}> {
  readonly code = "NVC-2013"
  override get message() {
    return `The component ${this.component} is not started, because its identity (${this.path}) is not accepted: \
${this.reason}. If the program was meant to change, remove the folder of identities, and the next boot makes new ones.`
  }
}

/** All that the start of security can fail with. Each of them ends the boot. */
export type Failure =
  | AuditLogBroken
  | CertificateExpired
  | CertificateUnusable
  | IssuerUnreachable
  | KeyMaterialExposed
  | KeyMaterialUnavailable
  | KeyMaterialUnusable
  | ProgramTampered
  | SecretUnavailable
  | TrustRootUnusable
  | VaultRefused
  | VaultUnreachable
