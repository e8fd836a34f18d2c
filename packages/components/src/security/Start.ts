/**
 * How security starts: the audit log, what stands beneath the boot, secrets, keys, the certificate, who may come in. It is
 * loaded when security starts and not before.
 */
import { Clock, Effect, FileSystem, Option, PubSub, Redacted, Ref, Schedule, Stream } from "effect"
import * as AuditLog from "./AuditLog.ts"
import * as Authentication from "./Authentication.ts"
import * as BootChain from "./BootChain.ts"
import type { BootTrail } from "./BootTrail.ts"
import * as Certificates from "./Certificates.ts"
import * as KeyRing from "./KeyRing.ts"
import type { Measurement } from "./Measurements.ts"
import * as PrivateFiles from "./PrivateFiles.ts"
import * as Roles from "./Roles.ts"
import * as Secrets from "./Secrets.ts"
import {
  type AuditEntry,
  type AuditLogBroken,
  CertificateUnusable,
  Forbidden,
  KeyMaterialUnusable,
  Security
} from "./Security.ts"
import type { Settings } from "./Settings.ts"
import * as Tls from "./Tls.ts"
import * as Vault from "./Vault.ts"

/** What security has to know besides its settings. */
export interface Surroundings {
  /** Where keys, certificates and the audit log are kept. */
  readonly dataDir: string
  /** The name of this node, which its certificate bears: letters, digits, `.`, `_` and `-`, 64 at most. */
  readonly nodeId: string
  /** The variables of the process, for secrets of the provider `env`. */
  readonly environment: { readonly [name: string]: string | undefined }
  /** What the boot does, for the audit log. Default: only what security does is written there. */
  readonly trail?: BootTrail
  /** What counts beneath the boot besides the program: settings, components. Default: nothing. */
  readonly measured?: ReadonlyArray<Measurement>
}

/** How often it is looked whether a key or the certificate is due. */
const rounds = Schedule.spaced("1 hour")

type Audit = (entry: AuditEntry) => Effect.Effect<void>

/** Security, as these settings want it, until the scope closes. */
export const start = Effect.fnUntraced(function* (settings: typeof Settings.Type, surroundings: Surroundings) {
  const { dataDir, nodeId, trail } = surroundings
  const folder = `${dataDir}/security`
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(nodeId)) {
    const reason = `the node is called "${nodeId}", and no certificate can bear that name`
    return yield* new CertificateUnusable({ path: folder, reason })
  }
  const files = yield* PrivateFiles.open(folder)
  const log = yield* AuditLog.open(settings.auditFile ?? `${folder}/audit.jsonl`)
  const failedToAudit = yield* Ref.make(Option.none<AuditLogBroken>())
  const audit: Audit = (entry) =>
    Effect.matchEffect(log.append(entry), {
      // What was decided stands. That it cannot be written down is told by the next probe.
      onFailure: (error) => Effect.andThen(Ref.set(failedToAudit, Option.some(error)), Effect.logError(error.message)),
      onSuccess: () => Ref.set(failedToAudit, Option.none())
    })

  // The last word, after what the trail still has to say.
  yield* Effect.addFinalizer(() => audit({ action: "security.stopped", principal: nodeId, success: true }))
  if (trail !== undefined) yield* trail.writeTo(audit)
  const security = yield* Effect.andThen(
    measure(settings, surroundings, files, audit),
    build(settings, surroundings, files, audit)
  ).pipe(
    Effect.tapError(({ _tag }) =>
      audit({ action: "security.failed", principal: nodeId, subject: _tag, success: false })
    )
  )
  yield* audit({ action: "security.started", principal: nodeId, success: true })
  const check = Effect.gen(function* () {
    yield* security.check
    const failed = yield* Ref.get(failedToAudit)
    if (Option.isSome(failed)) return yield* failed.value
  })
  return Security.of({ ...security, check })
})

/** What stands beneath the boot, before any key is read; and a word about it, whatever it is. */
const measure = Effect.fnUntraced(function* (
  { bootChain }: typeof Settings.Type,
  { environment, measured = [], nodeId }: Surroundings,
  files: PrivateFiles.PrivateFiles,
  audit: Audit
) {
  const result = yield* BootChain.measure(bootChain, { files, environment, measured })
  const isAsked = bootChain.manifest !== undefined || bootChain.root !== "software"
  yield* (isAsked ? Effect.logInfo : Effect.logDebug)(BootChain.describe(result))
  if (result.log.length === 0) return
  const subject = `${result.root.kind} ${result.digest}${result.isSigned ? "" : ", program not checked"}`
  yield* audit({ action: "boot.measured", principal: nodeId, subject, success: true })
})

const build = Effect.fnUntraced(function* (
  settings: typeof Settings.Type,
  surroundings: Surroundings,
  files: PrivateFiles.PrivateFiles,
  audit: Audit
) {
  const provider = yield* providerOf(settings, surroundings)
  const keys = yield* Effect.acquireRelease(
    KeyRing.make({ ...settings.keys, files, master: yield* masterOf(settings, provider) }),
    (ring) => ring.wipe
  )
  const identities = yield* identityOf(settings, surroundings, files)
  const authenticate = yield* Authentication.make(settings.authentication)
  const isRevoked = Authentication.revocations(settings.authentication.revoked)
  const refusal = AuditLog.limited(audit)
  if ((yield* identities.current).isNew) {
    yield* audit({ action: "certificate.issued", subject: surroundings.nodeId, success: true })
  }
  const rotate = told(keys.rotateWhenDue, audit, { action: "key.rotated", subject: surroundings.nodeId })
  const renew = told(identities.renewWhenDue, audit, { action: "certificate.renewed", subject: surroundings.nodeId })
  yield* rotate
  yield* Effect.forkScoped(Effect.schedule(Effect.andThen(rotate, renew), rounds))

  return {
    serverTls: (options) =>
      Effect.map(identities.current, (identity) =>
        Tls.server(identity, settings.tls.minVersion, options?.clients ?? "required")
      ),
    clientTls: (serverName) =>
      Effect.map(identities.current, (identity) =>
        Tls.client(identity, settings.tls.minVersion, serverName, isRevoked)
      ),
    renewals: identities.renewals,
    secret: Effect.fn("Security.secret")(provider.read),
    seal: keys.seal,
    open: keys.open,
    audit,
    authenticate: Effect.fn("Security.authenticate")((credential) =>
      Effect.tapError(authenticate(credential), ({ reason }) =>
        refusal({
          action: "auth.failed",
          ...(credential._tag === "Certificate" ? { principal: credential.commonName } : undefined),
          subject: `${credential._tag.toLowerCase()}: ${reason}`,
          success: false
        })
      )
    ),
    roles: Object.keys(settings.roles),
    authorize: Effect.fn("Security.authorize")(function* (principal, action) {
      if (Roles.allows(settings.roles, principal.roles, action)) return
      yield* refusal({ action: "access.refused", principal: principal.name, subject: action, success: false })
      return yield* new Forbidden({ principal: principal.name, action })
    }),
    check: Effect.gen(function* () {
      const sealed = yield* keys.seal(probe, "health")
      yield* keys.open(sealed, "health")
      yield* Effect.flatMap(identities.current, Certificates.checkValidity)
      yield* provider.check
    })
  } satisfies Security["Service"]
})

/** Something that is done when it is due, with a line in the audit log. When it fails, what there was goes on. */
const told = (
  whenDue: Effect.Effect<boolean, { readonly message: string }>,
  audit: Audit,
  entry: Pick<AuditEntry, "action" | "subject">
): Effect.Effect<void> =>
  Effect.matchEffect(whenDue, {
    onFailure: ({ message }) =>
      Effect.andThen(
        audit({ ...entry, success: false }),
        Effect.logWarning(`${entry.action} has failed, and what there was before goes on. ${message}`)
      ),
    onSuccess: (isDone) => (isDone ? audit({ ...entry, success: true }) : Effect.void)
  })

const probe = Buffer.from("novacron")

const providerOf = Effect.fnUntraced(function* (
  { secrets }: typeof Settings.Type,
  { dataDir, environment }: Surroundings
) {
  switch (secrets.provider) {
    case "file":
      return yield* Secrets.fromFiles(secrets.directory ?? `${dataDir}/secrets`)
    case "env":
      return Secrets.fromEnvironment(environment)
    case "vault":
      return yield* Vault.make(secrets.vault)
  }
})

/** The master key, when it is a secret; otherwise the key ring has one of its own. */
const masterOf = Effect.fnUntraced(function* ({ keys }: typeof Settings.Type, provider: Secrets.Provider) {
  if (keys.master === undefined) return Option.none<Buffer>()
  const master = Buffer.from(Redacted.value(yield* provider.read(keys.master)), "base64")
  if (master.length === 32) return Option.some(master)
  return yield* new KeyMaterialUnusable({ path: `the secret ${keys.master}`, reason: "it is not 32 bytes in base64" })
})

/** The identity of now, which a renewal replaces. Its key is wiped in the end, and those of before with it. */
const identityOf = Effect.fnUntraced(function* (
  settings: typeof Settings.Type,
  { nodeId }: Surroundings,
  files: PrivateFiles.PrivateFiles
) {
  const fileSystem = yield* FileSystem.FileSystem
  const load = Certificates.load({ settings: settings.tls, nodeId, files }).pipe(
    Effect.provideService(FileSystem.FileSystem, fileSystem)
  )
  const used = [yield* load]
  yield* Effect.addFinalizer(() => Effect.sync(() => used.forEach(({ key }) => key.fill(0))))
  const renewed = yield* Effect.acquireRelease(PubSub.sliding<void>(1), PubSub.shutdown)
  const current = Effect.sync(() => used.at(-1)!)

  const renewWhenDue = Effect.gen(function* () {
    const { certificate, validity } = yield* current
    if (!Certificates.isAging(yield* Clock.currentTimeMillis, validity)) return false
    const next = yield* load
    if (next.certificate === certificate) {
      next.key.fill(0)
      if (!next.isOurs) yield* Effect.logWarning(`The certificate of ${nodeId} has less than a third of its life left.`)
      return false
    }
    used.push(next)
    yield* PubSub.publish(renewed, undefined)
    return true
  })
  return { current, renewWhenDue, renewals: Stream.fromPubSub(renewed) }
})
