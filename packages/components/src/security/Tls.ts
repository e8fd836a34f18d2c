/**
 * TLS as this node speaks it: with its own certificate, towards peers of its CA and nobody else.
 */
import { isIP } from "node:net"
import { checkServerIdentity, type ConnectionOptions, type TlsOptions } from "node:tls"
import type { Identity } from "./Certificates.ts"

export type MinVersion = "1.2" | "1.3"

/** Of a listener. Clients must show a certificate, or may (`requested`: look at `authorized`), or are not asked. */
export const server = (
  identity: Identity,
  minVersion: MinVersion,
  clients: "required" | "requested" | "none"
): TlsOptions => ({
  ...spoken(minVersion),
  cert: identity.certificate,
  key: identity.key,
  ca: identity.ca,
  honorCipherOrder: true,
  requestCert: clients !== "none",
  rejectUnauthorized: clients === "required"
})

/**
 * Towards a peer whose certificate must be of the CA, not revoked, and name `serverName`, whatever address it is reached by.
 */
export const client = (
  identity: Identity,
  minVersion: MinVersion,
  serverName: string,
  isRevoked: (fingerprint256: string) => boolean = () => false
): ConnectionOptions => ({
  ...spoken(minVersion),
  cert: identity.certificate,
  key: identity.key,
  ca: identity.ca,
  rejectUnauthorized: true,
  // An address must not be sent as a name.
  ...(isIP(serverName) === 0 ? { servername: serverName } : undefined),
  checkServerIdentity: (_, certificate) =>
    isRevoked(certificate.fingerprint256)
      ? new Error(`the certificate of ${serverName} was revoked (security.authentication.revoked)`)
      : checkServerIdentity(serverName, certificate)
})

const spoken = (minVersion: MinVersion) => ({
  minVersion: `TLSv${minVersion}` as const,
  maxVersion: "TLSv1.3" as const,
  ciphers
})

/** All of 1.3, and of 1.2 what has forward secrecy and authenticated encryption. */
const ciphers = [
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "TLS_AES_128_GCM_SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256"
].join(":")
