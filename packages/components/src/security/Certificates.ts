/**
 * The identity of a node among its peers: its certificate, the key to it, and the CA that all of them trust. Made on the
 * first boot, or given by the operator.
 *
 * **Details**
 *
 * What is made lies in the data directory: `ca.pem`, a development CA for ten years, and `node.pem`, for
 * `tls.validity_days`. Each is a key and its certificate in one file, so a crash leaves both or none. The certificate is
 * made again when less than a third of its life is left, or when the node has another name.
 *
 * A second node of a development cluster joins by a copy of `ca.pem`, put into its data directory before its first boot.
 *
 * **Gotchas**
 *
 * What the operator gives is never renewed here: he is warned when less than a third of it is left, and the node does not
 * start when it has run out.
 */
import { createPrivateKey, X509Certificate } from "node:crypto"
import { inspect } from "node:util"
import { Clock, DateTime, Duration, Effect, FileSystem, Option, Result, Semaphore } from "effect"
import type { Validity } from "./CertificateAuthority.ts"
import { type Failure as Unprivate, type PrivateFiles, readPrivate } from "./PrivateFiles.ts"
import { CertificateExpired, CertificateUnusable, KeyMaterialUnusable } from "./Security.ts"
import type { Settings } from "./Settings.ts"

/** A certificate with all that belongs to it. */
export interface Identity {
  /** PEM: the node's certificate, and intermediate ones after it. */
  readonly certificate: string
  /** PEM of the private key. It shows nothing when it is printed, and can be wiped. */
  readonly key: Buffer
  /** PEM: the CA, or several. */
  readonly ca: string
  readonly subject: string
  /** The file of the certificate. */
  readonly path: string
  readonly validity: Validity
  /** Whether it was made here, and is renewed here. */
  readonly isOurs: boolean
  /** Whether it was made just now. */
  readonly isNew: boolean
}

type Failure = CertificateExpired | CertificateUnusable | Unprivate

export interface Options {
  readonly settings: (typeof Settings.Type)["tls"]
  readonly nodeId: string
  readonly files: PrivateFiles
}

/** The identity as it must be now: read, and made or renewed where it has to be. */
export const load = (options: Options): Effect.Effect<Identity, Failure, FileSystem.FileSystem> => {
  const { ca, cert, key } = options.settings
  return ca !== undefined && cert !== undefined && key !== undefined
    ? fromOperator(options.nodeId, { ca, cert, key })
    : inTurn.withPermit(fromOurs(options))
}

/** The dashboard opens while security starts: who comes second finds what the first has made. */
const inTurn = Semaphore.makeUnsafe(1)

/** Fails when the certificate has run out, or is not valid yet. */
export const checkValidity = Effect.fnUntraced(function* ({ path, subject, validity }: Identity) {
  const nowMs = yield* Clock.currentTimeMillis
  if (nowMs >= validity.notAfter) return yield* expired(subject, validity)
  if (nowMs < validity.notBefore) yield* early(path, validity)
})

/** Whether less than a third of its life is left. */
export const isAging = (nowMs: number, { notAfter, notBefore }: Validity): boolean =>
  notAfter - nowMs < (notAfter - notBefore) / 3

// ------------------------------------------------------------------------------------------------------------- ours

const authorityName = "ca.pem"
const nodeName = "node.pem"
const authorityLife = Duration.days(3650)
/**
 * A certificate is valid a day before it is made: the clock of a peer may be behind, and that of this machine may be set
 * back by as much as a time zone once somebody tells it what time it is.
 */
const leeway = Duration.days(1)

const fromOurs = Effect.fnUntraced(function* ({ files, nodeId, settings }: Options) {
  const nowMs = yield* Clock.currentTimeMillis
  const text = yield* authorityOf(files, nodeId)
  const authority = yield* parseOurs(files.path(authorityName), text)
  const until = authority.validity.notAfter
  if (nowMs >= until) return yield* expired(`the development CA (${files.path(authorityName)})`, authority.validity)
  if (nowMs < authority.validity.notBefore) return yield* early(files.path(authorityName), authority.validity)

  const ours = ({ certificate, key, validity }: Parsed, isNew = false): Identity => ({
    certificate,
    key: guarded(key),
    ca: authority.certificate,
    subject: nodeId,
    path: files.path(nodeName),
    validity,
    isOurs: true,
    isNew
  })

  const present = Option.map(yield* files.read(nodeName), (content) => Buffer.from(content).toString())
  // What cannot be understood is made again: the CA is there, and nothing depends on this very key.
  const parsedNode = Option.flatMap(present, (text) => Result.getSuccess(parse(text)))
  const isGood = ({ leaf, validity }: Parsed) =>
    leaf.checkHost(nodeId) !== undefined &&
    leaf.verify(authority.leaf.publicKey) &&
    nowMs >= validity.notBefore &&
    // One that lasts as long as the CA does cannot be made to last longer.
    (!isAging(nowMs, validity) || (nowMs < validity.notAfter && validity.notAfter >= until))
  if (Option.isSome(parsedNode) && isGood(parsedNode.value)) return ours(parsedNode.value)

  const notAfter = Math.min(until, nowMs + Duration.toMillis(Duration.days(settings.validityDays)))
  const { issue } = yield* loadAuthority
  const issued = yield* issue(text, nodeId, { notBefore: nowMs - Duration.toMillis(leeway), notAfter })
  yield* files.write(nodeName, Buffer.from(issued))
  return ours(yield* parseOurs(files.path(nodeName), issued), true)
})

const authorityOf = Effect.fnUntraced(function* (files: PrivateFiles, nodeId: string) {
  const present = yield* files.read(authorityName)
  if (Option.isSome(present)) return Buffer.from(present.value).toString()
  if ((yield* files.names).includes(nodeName)) {
    const reason = "it is gone, and no peer would know a node of another one"
    return yield* new KeyMaterialUnusable({ path: files.path(authorityName), reason })
  }
  const nowMs = yield* Clock.currentTimeMillis
  const { make } = yield* loadAuthority
  const made = yield* make(`NovaCron development CA of ${nodeId}`, {
    notBefore: nowMs - Duration.toMillis(leeway),
    notAfter: nowMs + Duration.toMillis(authorityLife)
  })
  yield* files.write(authorityName, Buffer.from(made))
  return made
})

const loadAuthority = Effect.promise(() => import("./CertificateAuthority.ts"))

interface Parsed {
  readonly leaf: X509Certificate
  readonly certificate: string
  readonly key: string
  readonly validity: Validity
}

/** Reads a key and its certificate out of one text. */
const parse = (text: string): Result.Result<Parsed, unknown> =>
  Result.try({
    try: () => {
      const key = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n?/.exec(text)?.[0] ?? ""
      const [certificate = ""] = certificatesIn(text)
      const leaf = new X509Certificate(certificate)
      if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error("key and certificate do not belong together")
      return { leaf, certificate, key, validity: validityOf(leaf) }
    },
    catch: (cause) => cause
  })

const parseOurs = (path: string, text: string): Effect.Effect<Parsed, KeyMaterialUnusable> =>
  Effect.mapError(
    Effect.fromResult(parse(text)),
    // The cause of a broken key quotes nothing of it.
    (cause) => new KeyMaterialUnusable({ path, reason: "it is not a key with its certificate", cause })
  )

// --------------------------------------------------------------------------------------------------------- operator's

const fromOperator = Effect.fnUntraced(function* (
  nodeId: string,
  paths: { readonly ca: string; readonly cert: string; readonly key: string }
) {
  const nowMs = yield* Clock.currentTimeMillis
  const ca = yield* readPublic(paths.ca)
  const certificate = yield* readPublic(paths.cert)
  const keyText = yield* Effect.flatMap(readPrivate(paths.key), (content) =>
    Option.isSome(content)
      ? Effect.succeed(Buffer.from(content.value))
      : Effect.fail(new KeyMaterialUnusable({ path: paths.key, reason: "there is no such file" }))
  )
  const unusable = (path: string, reason: string) => new CertificateUnusable({ path, reason })
  const authorities = yield* parseAll(paths.ca, ca)
  const [leaf, ...between] = yield* parseAll(paths.cert, certificate)
  const key = yield* Effect.try({
    try: () => createPrivateKey(keyText),
    catch: () =>
      new KeyMaterialUnusable({ path: paths.key, reason: "it is not a private key in PEM without a passphrase" })
  })
  if (!leaf.checkPrivateKey(key)) return yield* unusable(paths.cert, `it does not belong to the key in ${paths.key}`)
  const validity = validityOf(leaf)
  if (nowMs >= validity.notAfter) return yield* expired(`${nodeId} (${paths.cert})`, validity)
  if (nowMs < validity.notBefore) return yield* early(paths.cert, validity)
  if (!isTrusted(leaf, between, authorities, nowMs))
    return yield* unusable(paths.cert, `no CA in ${paths.ca} has signed it`)
  if (leaf.checkHost(nodeId) === undefined) {
    return yield* unusable(paths.cert, `it does not name this node, ${nodeId}`)
  }
  return {
    certificate,
    key: guarded(keyText),
    ca,
    subject: nodeId,
    path: paths.cert,
    validity,
    isOurs: false,
    isNew: false
  } satisfies Identity
})

/** A certificate is no secret. */
const readPublic = (path: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fileSystem) => fileSystem.readFileString(path)).pipe(
    Effect.mapError((cause) => new CertificateUnusable({ path, reason: "it cannot be read", cause }))
  )

const parseAll = (path: string, text: string) =>
  Effect.try({
    try: (): readonly [X509Certificate, ...ReadonlyArray<X509Certificate>] => {
      const [first, ...rest] = certificatesIn(text)
      if (first === undefined) throw new Error("There is no certificate in it.")
      return [new X509Certificate(first), ...rest.map((pem) => new X509Certificate(pem))]
    },
    catch: (cause) => new CertificateUnusable({ path, reason: "it is not a certificate in PEM", cause })
  })

/** Whether a path of signatures leads from a certificate to a CA that is still valid. */
const isTrusted = (
  leaf: X509Certificate,
  between: ReadonlyArray<X509Certificate>,
  authorities: ReadonlyArray<X509Certificate>,
  nowMs: number
): boolean => {
  const signed = (by: X509Certificate) =>
    nowMs < validityOf(by).notAfter && leaf.checkIssued(by) && leaf.verify(by.publicKey)
  if (authorities.some(signed)) return true
  return between.some(
    (one) =>
      signed(one) &&
      isTrusted(
        one,
        between.filter((other) => other !== one),
        authorities,
        nowMs
      )
  )
}

// ----------------------------------------------------------------------------------------------------------- private

const certificatesIn = (text: string): ReadonlyArray<string> =>
  text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g) ?? []

const validityOf = ({ validFrom, validTo }: X509Certificate): Validity => ({
  notBefore: DateTime.toEpochMillis(DateTime.makeUnsafe(validFrom)),
  notAfter: DateTime.toEpochMillis(DateTime.makeUnsafe(validTo))
})

const iso = (millis: number): string => DateTime.formatIso(DateTime.makeUnsafe(millis))

const expired = (subject: string, { notAfter }: Validity) =>
  new CertificateExpired({ subject, notAfter: DateTime.toDate(DateTime.makeUnsafe(notAfter)) })

const early = (path: string, { notBefore }: Validity) =>
  new CertificateUnusable({ path, reason: `it is valid from ${iso(notBefore)}, or the clock of this machine is wrong` })

/** A key in memory of its own that does not show itself: not when it is printed, and not in JSON. */
const guarded = (key: string | Buffer): Buffer => {
  const hidden = () => "<redacted>"
  const buffer = Buffer.alloc(Buffer.byteLength(key))
  if (typeof key === "string") buffer.write(key)
  else key.copy(buffer)
  return Object.defineProperties(buffer, {
    [inspect.custom]: { value: hidden },
    toJSON: { value: hidden }
  })
}
