/**
 * What a component of a node is known by: a certificate for its name and for what was measured of it, and the key to it.
 *
 * **Details**
 *
 * The certificate names `spiffe://novacron/node/NODE/component/NAME` and `urn:novacron:measured:DIGEST`, and is signed by a
 * CA that this node has for its components alone. Whoever checks it asks for a report: a nonce and the name, signed by the
 * key. So a copy of the certificate is worth nothing, nor is an old report.
 */
import { createPrivateKey, sign, verify, X509Certificate } from "node:crypto"
import { Effect, Result } from "effect"
import type { Validity } from "./CertificateAuthority.ts"

/** What a component has: PEM of its key and of its certificate, in one text. */
export interface Identity {
  readonly component: string
  readonly pem: string
}

/** That somebody has the key of a component now. */
export interface Report {
  readonly component: string
  readonly certificate: string
  readonly signature: Uint8Array
}

/** What the one who checks knows for himself. */
export interface Expected {
  readonly nodeId: string
  readonly component: string
  /** What was measured of the component in this boot. */
  readonly digest: string
  /** PEM of the CA of components. */
  readonly authority: string
  readonly nonce: Uint8Array
  readonly nowMs: number
}

/** Makes an identity. `authority` is PEM with the key of the CA. */
export const issue = Effect.fn("ComponentIdentity.issue")(function* (
  authority: string,
  { component, digest, nodeId }: Pick<Expected, "component" | "digest" | "nodeId">,
  validity: Validity
) {
  const { issueFor } = yield* Effect.promise(() => import("./CertificateAuthority.ts"))
  const pem = yield* issueFor(authority, component, validity, [
    { type: "url", value: addressOf(nodeId, component) },
    { type: "url", value: measuredOf(digest) }
  ])
  return { component, pem } satisfies Identity
})

/** Answers a nonce. Fails with what is wrong with the identity, as the end of a sentence. */
export const report = ({ component, pem }: Identity, nonce: Uint8Array): Result.Result<Report, string> =>
  Result.mapError(
    Result.try(() => {
      const certificate = new X509Certificate(certificateIn(pem)).toString()
      return { component, certificate, signature: sign("sha256", said(component, nonce), createPrivateKey(pem)) }
    }),
    () => "it is not a key with its certificate"
  )

/** Why a report is not accepted, as the end of a sentence; `undefined` when it is. */
export const complaint = ({ certificate, signature }: Report, expected: Expected): string | undefined => {
  const parsed = Result.try(() => ({
    leaf: new X509Certificate(certificate),
    authority: new X509Certificate(certificateIn(expected.authority))
  }))
  if (Result.isFailure(parsed)) return "it is not a certificate"
  const { authority, leaf } = parsed.success
  if (!leaf.checkIssued(authority) || !leaf.verify(authority.publicKey)) {
    return "the CA of this node's components has not signed it"
  }
  const { notAfter, notBefore } = validityOf(leaf)
  if (expected.nowMs >= notAfter) return `it ran out on ${leaf.validTo}`
  if (expected.nowMs < notBefore) return `it is valid from ${leaf.validFrom}, or the clock of this machine is wrong`
  const names = new Set((leaf.subjectAltName ?? "").split(", "))
  if (!names.has(`URI:${addressOf(expected.nodeId, expected.component)}`)) return "it is for something else"
  if (!names.has(`URI:${measuredOf(expected.digest)}`))
    return "it is for another program than the one that was measured"
  const isHeld = Result.try(() => verify("sha256", said(expected.component, expected.nonce), leaf.publicKey, signature))
  return Result.isSuccess(isHeld) && isHeld.success ? undefined : "whoever shows it does not have its key"
}

/** What was measured when it was made; `undefined` when it does not say. */
export const measured = ({ certificate }: Report): string | undefined =>
  /URI:urn:novacron:measured:([0-9a-f]{64})/.exec(
    Result.getOrElse(
      Result.try(() => new X509Certificate(certificate).subjectAltName),
      () => undefined
    ) ?? ""
  )?.[1]

/** From when until when it is valid; `undefined` when it cannot be read. */
export const validity = ({ pem }: Identity): Validity | undefined =>
  Result.getOrUndefined(Result.try(() => validityOf(new X509Certificate(certificateIn(pem)))))

// ----------------------------------------------------------------------------------------------------------- private

const addressOf = (nodeId: string, component: string): string =>
  `spiffe://novacron/node/${nodeId}/component/${component}`
const measuredOf = (digest: string): string => `urn:novacron:measured:${digest}`

/** What is signed. The name has no zero byte, so nothing else has the same bytes. */
const said = (component: string, nonce: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from(`novacron/component\0${component}\0`), nonce])

const certificateIn = (pem: string): string =>
  /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/.exec(pem)?.[0] ?? ""

const validityOf = ({ validFromDate, validToDate }: X509Certificate): Validity => ({
  notBefore: validFromDate.getTime(),
  notAfter: validToDate.getTime()
})
