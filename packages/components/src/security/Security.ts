/**
 * What the rest of the node gets from security: keys, certificates, secrets, who somebody is and what they may do. It comes
 * up before anything opens a socket, and nothing runs without it.
 */
import type { ConnectionOptions, TlsOptions } from "node:tls"
import { Context, Data, type Effect, type Redacted } from "effect"

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
    /** Whether somebody may do that; `action` is dotted, `components.restore`. A refusal is written to the audit log. */
    readonly authorize: (principal: Principal, action: string) => Effect.Effect<void, Forbidden>
    /** Appends to the audit log, which is a chain of hashes. */
    readonly audit: (entry: AuditEntry) => Effect.Effect<void>
    /** Fails when a key cannot be used or a certificate has run out. */
    readonly check: Effect.Effect<void, CannotOpen | CertificateExpired | SecretUnavailable>
  }
>()("novacron/security") {}

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
    return `The certificate of ${this.subject} ran out on ${this.notAfter.toISOString()}. Renew it, or remove it to have a new one made.`
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
