/**
 * A certificate authority for development: it makes the certificates of nodes that nobody has given any.
 *
 * **Details**
 *
 * ECDSA on P-256. What it makes is PEM with the private key first and the certificate after it, in one text, so that the
 * two can never be of different age. The CA may sign certificates of nodes and no further CA.
 *
 * **Gotchas**
 *
 * This module is the only one that loads `@peculiar/x509`, which takes longer than everything else here. Import it when a
 * certificate has to be made, and not before.
 */
import "reflect-metadata"
import { randomBytes, webcrypto } from "node:crypto"
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator
} from "@peculiar/x509"
import { DateTime, Effect } from "effect"

/** From when until when something is valid, in milliseconds since 1970. */
export interface Validity {
  readonly notBefore: number
  readonly notAfter: number
}

/** Makes a CA. */
export const make = (name: string, validity: Validity): Effect.Effect<string> =>
  Effect.promise(async () => {
    const keys = await newKeys()
    const certificate = await X509CertificateGenerator.createSelfSigned(
      {
        ...common(name, validity),
        keys,
        extensions: [
          new BasicConstraintsExtension(true, 0, true),
          new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
          await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto)
        ]
      },
      webcrypto
    )
    return pem(keys.privateKey, certificate)
  })

/** Makes the certificate of a node: for its name, and for this machine as it calls itself. */
export const issue = (authority: string, nodeId: string, validity: Validity): Effect.Effect<string> =>
  issueFor(authority, nodeId, validity, [
    { type: "dns", value: nodeId },
    { type: "dns", value: "localhost" },
    { type: "ip", value: "127.0.0.1" },
    { type: "ip", value: "::1" }
  ])

/** Makes the certificate of something that is known by addresses of its own. */
export const issueFor = (
  authority: string,
  name: string,
  validity: Validity,
  names: ReadonlyArray<{ readonly type: "dns" | "ip" | "url"; readonly value: string }>
): Effect.Effect<string> =>
  Effect.promise(async () => {
    const issuer = new X509Certificate(PemConverter.decodeFirst(authority.slice(authority.indexOf(certificateHead))))
    const signingKey = await webcrypto.subtle.importKey(
      "pkcs8",
      PemConverter.decodeFirst(authority),
      algorithm,
      false,
      ["sign"]
    )
    const keys = await newKeys()
    const certificate = await X509CertificateGenerator.create(
      {
        ...common(name, validity),
        issuer: issuer.subjectName,
        publicKey: keys.publicKey,
        signingKey,
        extensions: [
          new BasicConstraintsExtension(false, undefined, true),
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
          new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
          new SubjectAlternativeNameExtension([...names]),
          await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
          await AuthorityKeyIdentifierExtension.create(issuer, false, webcrypto)
        ]
      },
      webcrypto
    )
    return pem(keys.privateKey, certificate)
  })

// ----------------------------------------------------------------------------------------------------------- private

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }

const certificateHead = "-----BEGIN CERTIFICATE-----"

const newKeys = () => webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])

const common = (name: string, { notAfter, notBefore }: Validity) => ({
  // The first bit is not set: a serial number is positive.
  serialNumber: `40${randomBytes(15).toString("hex")}`,
  subject: [{ CN: [name] }],
  name: [{ CN: [name] }],
  notBefore: DateTime.toDate(DateTime.makeUnsafe(notBefore)),
  notAfter: DateTime.toDate(DateTime.makeUnsafe(notAfter)),
  signingAlgorithm: algorithm
})

const pem = async (key: webcrypto.CryptoKey, certificate: X509Certificate): Promise<string> => {
  const exported = await webcrypto.subtle.exportKey("pkcs8", key)
  return `${PemConverter.encode(exported, "PRIVATE KEY")}\n${certificate.toString("pem")}\n`
}
