/** Security booted for real: by the kernel, on a real file system, with real sockets. */
import { createHook } from "node:async_hooks"
import { X509Certificate } from "node:crypto"
import { createServer, type Server } from "node:net"
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Boot, type BootEvent, Component, Report } from "@novacron/boot"
import {
  Cause,
  Context,
  Effect,
  Exit,
  FileSystem,
  Fiber,
  Logger,
  Option,
  type PlatformError,
  Redacted,
  type Scope,
  Stream,
  Tracer
} from "effect"
import { TestClock } from "effect/testing"
import * as AuditLog from "../../src/security/AuditLog.ts"
import * as Security from "../../src/security/index.ts"
import { start as startIssuer } from "./fixtures/issuer.ts"
import { listen, meet } from "./fixtures/peers.ts"
import { contents, folder, platform, settings } from "./fixtures/place.ts"
import { start as startVault } from "./fixtures/vault.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** Something that needs security, and opens a socket. */
class Listener extends Context.Service<Listener, { readonly server: Server }>()("test/listener") {}
const listener = Component.make(Listener, {
  needs: [Security.Security],
  start: Effect.acquireRelease(
    Effect.callback<{ readonly server: Server }>((resume) => {
      const server = createServer()
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed({ server })))
    }),
    ({ server }) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
  ),
  health: () => Effect.void
})

/** Something that needs it too, and fails. */
class Broken extends Context.Service<Broken, object>()("test/broken") {}
const broken = Component.make(Broken, {
  needs: [Security.Security, Listener],
  start: Effect.fail(new Cause.UnknownError(undefined, "PLANTED-message")),
  health: () => Effect.void
})

/** Boots security and a listener, and hands over what there is to see. */
const boot = Effect.fnUntraced(function* (
  dataDir: string,
  written: object = {},
  surroundings: Partial<Security.Surroundings> = {},
  events: Array<BootEvent.BootEvent> = []
) {
  const security = Security.component(settings(written), {
    dataDir,
    nodeId: "node-1",
    environment: {},
    ...surroundings
  })
  const observe = (event: BootEvent.BootEvent) => {
    events.push(event)
    surroundings.trail?.observe(event)
  }
  const running = yield* Boot.make([listener, security], { observe })
  return { ...running, security: Context.get(running.services, Security.Security) }
})

const auditOf = (dataDir: string) =>
  Effect.gen(function* () {
    const fileSystem = yield* FileSystem.FileSystem
    const lines = (yield* fileSystem.readFileString(`${dataDir}/security/audit.jsonl`)).trimEnd().split("\n")
    return lines.map((line): AuditLog.Line => JSON.parse(line))
  })

const actionsOf = (dataDir: string) => Effect.map(auditOf(dataDir), (lines) => lines.map(({ action }) => action))

/** The critical failures that ended a boot, with its events. */
const failing = Effect.fnUntraced(function* (dataDir: string, written: object = {}) {
  const events: Array<BootEvent.BootEvent> = []
  const exit = yield* Effect.exit(Effect.scoped(boot(dataDir, written, {}, events)))
  assert.isTrue(Exit.isFailure(exit), "the boot must fail")
  const found = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  const cause = found instanceof Error ? found.cause : undefined
  return {
    cause,
    events,
    started: events.flatMap((event) => (event._tag === "ComponentStarted" ? [event.component] : []))
  }
})

const codeOf = (cause: unknown): unknown => (cause instanceof Error && "code" in cause ? cause.code : cause)

const testing = <A, E, R>(effect: Effect.Effect<A, E, R>) => effect.pipe(Effect.scoped, Effect.provide(platform))

describe("the first boot", () => {
  it.live("makes keys and certificates that nobody else can read", () =>
    testing(
      Effect.gen(function* () {
        const fileSystem = yield* FileSystem.FileSystem
        const dataDir = yield* folder
        const { report } = yield* boot(dataDir)
        assert.strictEqual((yield* report).outcome, "ready")
        assert.strictEqual((yield* fileSystem.stat(`${dataDir}/security`)).mode & 0o777, 0o700)
        assert.strictEqual((yield* fileSystem.stat(`${dataDir}/secrets`)).mode & 0o777, 0o700)
        const found = yield* contents(`${dataDir}/security`)
        assert.sameMembers(
          found.map(({ path }) => path.slice(path.lastIndexOf("/") + 1)),
          ["audit.jsonl", "ca.pem", "data-1.key", "keys.json", "master.key", "node.pem"]
        )
        assert.deepStrictEqual(new Set(found.map(({ mode }) => mode)), new Set([0o600]))
      })
    )
  )

  it.live("is the only one that makes any: the second one uses them, and opens what the first has sealed", () =>
    testing(
      Effect.gen(function* () {
        const dataDir = yield* folder
        const secrets = (found: ReadonlyArray<{ readonly path: string; readonly text: string }>) =>
          found.filter(({ path }) => !path.endsWith("audit.jsonl"))
        const sealed = yield* Effect.scoped(
          Effect.flatMap(boot(dataDir), ({ security }) => security.seal(bytes("kept"), "place"))
        )
        const before = secrets(yield* contents(`${dataDir}/security`))
        assert.lengthOf(before, 5)
        const { security } = yield* boot(dataDir)
        assert.strictEqual(text(yield* security.open(sealed, "place")), "kept")
        assert.deepStrictEqual(secrets(yield* contents(`${dataDir}/security`)), before)
      })
    )
  )
})

describe("what a booted node gets", () => {
  it.live("is secrets, encryption, authentication and authorization", () =>
    testing(
      Effect.gen(function* () {
        const fileSystem = yield* FileSystem.FileSystem
        const dataDir = yield* folder
        const { security } = yield* boot(dataDir, { authentication: { principals: { alice: ["operator"] } } })

        yield* fileSystem.writeFileString(`${dataDir}/secrets/database`, "PLANTED", { mode: 0o600 })
        assert.strictEqual(Redacted.value(yield* security.secret("database")), "PLANTED")
        assert.strictEqual((yield* Effect.flip(security.secret("cache"))).code, "NVC-2003")

        const sealed = yield* security.seal(bytes("value"), "place")
        assert.strictEqual(text(yield* security.open(sealed, "place")), "value")
        assert.strictEqual((yield* Effect.flip(security.open(sealed, "elsewhere"))).code, "NVC-2004")

        const alice = yield* security.authenticate({ _tag: "Certificate", commonName: "alice", fingerprint256: "AB" })
        assert.deepStrictEqual(alice, { name: "alice", by: "mtls", roles: ["operator"] })
        yield* Effect.flip(security.authenticate({ _tag: "Anonymous" }))

        yield* security.authorize(alice, "components.restore")
        const error = yield* Effect.flip(security.authorize(alice, "config.write"))
        assert.strictEqual(error.message, "alice may not config.write.")
      })
    )
  )

  it.live("is TLS between nodes of one CA, and with nobody else", () =>
    testing(
      Effect.gen(function* () {
        const fileSystem = yield* FileSystem.FileSystem
        const [first, second, third] = [yield* folder, yield* folder, yield* folder]
        const one = yield* boot(first)
        yield* fileSystem.makeDirectory(`${second}/security`, { mode: 0o700 })
        yield* fileSystem.copyFile(`${first}/security/ca.pem`, `${second}/security/ca.pem`)
        const two = yield* boot(second, {}, { nodeId: "node-2" })
        const stranger = yield* boot(third, {}, { nodeId: "node-2" })
        const { port, seen } = yield* listen(yield* one.security.serverTls())
        assert.strictEqual(yield* meet(port, yield* two.security.clientTls("node-1")), "TLSv1.3")
        assert.strictEqual(yield* meet(port, yield* two.security.clientTls("node-3")), "ERR_TLS_CERT_ALTNAME_INVALID")
        assert.notStrictEqual(yield* meet(port, yield* stranger.security.clientTls("node-1")), "TLSv1.3")
        assert.deepStrictEqual(seen, ["node-2"])
        const open = yield* listen(yield* one.security.serverTls({ clients: "none" }))
        const { cert: _, key: __, ...bare } = yield* two.security.clientTls("node-1")
        assert.strictEqual(yield* meet(open.port, bare), "TLSv1.3")
      })
    )
  )

  it.live("is no TLS with a node whose certificate was revoked", () =>
    testing(
      Effect.gen(function* () {
        const fileSystem = yield* FileSystem.FileSystem
        const [first, second] = [yield* folder, yield* folder]
        const one = yield* boot(first)
        const { cert = "" } = yield* one.security.serverTls()
        const { fingerprint256 } = new X509Certificate(String(cert))
        yield* fileSystem.makeDirectory(`${second}/security`, { mode: 0o700 })
        yield* fileSystem.copyFile(`${first}/security/ca.pem`, `${second}/security/ca.pem`)
        const { port } = yield* listen(yield* one.security.serverTls())
        assert.strictEqual(yield* meet(port, yield* one.security.clientTls("node-1")), "TLSv1.3")
        const wary = yield* boot(second, { authentication: { revoked: [fingerprint256] } }, { nodeId: "node-2" })
        assert.match(yield* meet(port, yield* wary.security.clientTls("node-1")), /certificate of node-1 was revoked/)
      })
    )
  )

  it.live("comes from Vault when that is the provider, the master key too", () =>
    testing(
      Effect.gen(function* () {
        const vault = yield* startVault
        vault.tokens.set("hvs.PLANTED", { ttl: 3600, renewable: true, policy: "all" })
        vault.secrets.set("secret/data/novacron/master", { value: Buffer.alloc(32, 7).toString("base64") })
        vault.secrets.set("secret/data/novacron/database", { value: "PLANTED" })
        const dataDir = yield* folder
        const provider = { provider: "vault", vault: { address: vault.address, token: "hvs.PLANTED" } }
        const { security } = yield* boot(dataDir, { secrets: provider, keys: { master: "master" } })
        assert.strictEqual(Redacted.value(yield* security.secret("database")), "PLANTED")
        assert.strictEqual(text(yield* security.open(yield* security.seal(bytes("v"), "p"), "p")), "v")
        const found = yield* contents(`${dataDir}/security`)
        assert.isFalse(found.some(({ path }) => path.endsWith("master.key")))
        // And it says so when Vault goes away for good: the token is refused.
        yield* security.check
        vault.tokens.clear()
        const error = yield* Effect.flip(security.check)
        assert.strictEqual(error._tag, "SecretUnavailable")
      })
    )
  )

  it.live("is whoever a real issuer says", () =>
    testing(
      Effect.gen(function* () {
        const issuer = yield* startIssuer
        const { security } = yield* boot(yield* folder, {
          authentication: { method: "oidc", oidc: { issuer: issuer.url } }
        })
        const token = Redacted.make(yield* issuer.token())
        const job = yield* security.authenticate({ _tag: "Bearer", token })
        assert.deepStrictEqual(job, { name: "job", by: "oidc", roles: ["operator"] })
        yield* security.authorize(job, "components.restore")
        const other = Redacted.make(yield* issuer.token({ audience: "somebody-else" }))
        yield* Effect.flip(security.authenticate({ _tag: "Bearer", token: other }))
      })
    )
  )
})

describe("a socket", () => {
  it.live("is opened by nobody before security is ready", () =>
    testing(
      Effect.gen(function* () {
        const seen: Array<string> = []
        const hook = createHook({
          init: (_, type) => {
            if (/^(?:TCP|TLS|UDP|PIPE|GETADDRINFO|QUERY)/.test(type)) seen.push(type)
          }
        })
        yield* Effect.acquireRelease(
          Effect.sync(() => hook.enable()),
          () => Effect.sync(() => hook.disable())
        )
        const events: Array<BootEvent.BootEvent> = []
        const told = events.push.bind(events)
        events.push = (...some) => {
          for (const event of some) if (event._tag === "ComponentReady") seen.push(event.component)
          return told(...some)
        }
        yield* boot(yield* folder, {}, {}, events)
        assert.deepStrictEqual(seen, ["security", "TCPSERVERWRAP", "listener"])
      })
    )
  )
})

describe("a rotation", () => {
  it.effect("happens at a boot when it is due, and what was sealed before it opens on", () =>
    testing(
      Effect.gen(function* () {
        const dataDir = yield* folder
        const once = <A>(use: (security: Security.Security["Service"]) => Effect.Effect<A, Security.CannotOpen>) =>
          Effect.scoped(Effect.flatMap(boot(dataDir), ({ security }) => use(security)))
        const old = yield* once(({ seal }) => seal(bytes("old"), "place"))
        yield* TestClock.adjust("90 days")
        const recent = yield* once(({ seal }) => seal(bytes("recent"), "place"))
        assert.notStrictEqual(Buffer.from(old).readUInt32BE(1), Buffer.from(recent).readUInt32BE(1))
        assert.strictEqual(text(yield* once(({ open }) => open(old, "place"))), "old")
        assert.strictEqual(text(yield* once(({ open }) => open(recent, "place"))), "recent")
        const rotations = (yield* auditOf(dataDir)).filter(({ action }) => action === "key.rotated")
        assert.deepStrictEqual(
          rotations.map(({ success }) => success),
          [true]
        )
      })
    )
  )

  it.effect("that fails is written down, and the node boots with the old key", () =>
    testing(
      Effect.gen(function* () {
        const fileSystem = yield* FileSystem.FileSystem
        const dataDir = yield* folder
        const old = yield* Effect.scoped(
          Effect.flatMap(boot(dataDir), ({ security }) => security.seal(bytes("old"), "place"))
        )
        yield* TestClock.adjust("90 days")
        yield* fileSystem.symlink("/dev/full", `${dataDir}/security/data-2.key.unfinished`)
        const { report, security } = yield* boot(dataDir)
        assert.strictEqual((yield* report).outcome, "ready")
        assert.strictEqual(text(yield* security.open(old, "place")), "old")
        const failed = (yield* auditOf(dataDir)).find(({ action }) => action === "key.rotated")
        assert.strictEqual(failed?.success, false)
      })
    )
  )

  it.effect("of the certificate happens while the node runs, and listeners are told", () =>
    testing(
      Effect.gen(function* () {
        const dataDir = yield* folder
        const { security } = yield* boot(dataDir)
        const before = yield* security.serverTls()
        const renewed = yield* Effect.forkScoped(Stream.runHead(security.renewals))
        yield* TestClock.adjust("59 days")
        assert.strictEqual((yield* security.serverTls()).cert, before.cert)
        yield* TestClock.adjust("2 days")
        assert.isTrue(Option.isSome(yield* Fiber.join(renewed)))
        const after = yield* security.serverTls()
        assert.notStrictEqual(after.cert, before.cert)
        assert.strictEqual(after.ca, before.ca)
        yield* security.check
      })
    )
  )
})

describe("the probe", () => {
  it.effect("fails when the certificate has run out, and when secrets cannot be had", () =>
    testing(
      Effect.gen(function* () {
        const fileSystem = yield* FileSystem.FileSystem
        const dataDir = yield* folder
        const { health, security } = yield* boot(dataDir)
        yield* security.check
        assert.strictEqual((yield* health.check("security")).status, "healthy")
        yield* fileSystem.remove(`${dataDir}/secrets`, { recursive: true })
        assert.strictEqual((yield* Effect.flip(security.check))._tag, "SecretUnavailable")
        yield* fileSystem.makeDirectory(`${dataDir}/secrets`)
        // A certificate that cannot be renewed, because the key of its CA lies open.
        yield* fileSystem.chmod(`${dataDir}/security/ca.pem`, 0o644)
        yield* TestClock.setTime(91 * 24 * 3600 * 1000)
        assert.strictEqual((yield* Effect.flip(security.check))._tag, "CertificateExpired")
      })
    )
  )

  it.live("fails when the audit log cannot be written, and no longer when it can", () =>
    testing(
      Effect.gen(function* () {
        const dataDir = yield* folder
        const fileSystem = yield* FileSystem.FileSystem
        let isFull = false
        // The file of the log and nothing else is on a disk that is full.
        const filling: FileSystem.FileSystem = {
          ...fileSystem,
          open: (path, options) =>
            Effect.map(fileSystem.open(path, options), (file) => {
              const { writeAll } = file
              return Object.assign(file, {
                writeAll: (content: Uint8Array) =>
                  isFull && path.endsWith("audit.jsonl")
                    ? Effect.flatMap(fileSystem.open("/dev/full", { flag: "w" }), (full) =>
                        full.writeAll(content)
                      ).pipe(Effect.scoped)
                    : writeAll.call(file, content)
              })
            })
        }
        const { security } = yield* Effect.provideService(boot(dataDir), FileSystem.FileSystem, filling)
        yield* security.check
        isFull = true
        // Who may not, may not, written down or not.
        yield* Effect.flip(security.authenticate({ _tag: "Anonymous" }))
        assert.strictEqual((yield* Effect.flip(security.check))._tag, "AuditLogBroken")
        isFull = false
        yield* security.audit({ action: "something", success: true })
        yield* security.check
        assert.strictEqual(yield* AuditLog.verify(`${dataDir}/security/audit.jsonl`), 3)
      })
    )
  )
})

describe("a start that fails", () => {
  const ways: {
    readonly [way: string]: {
      readonly code: string
      readonly says: string
      readonly written?: (dataDir: string) => Effect.Effect<object, never, Scope.Scope>
      readonly spoil?: (
        fileSystem: FileSystem.FileSystem,
        dataDir: string
      ) => Effect.Effect<unknown, PlatformError.PlatformError>
    }
  } = {
    "a key that others can read": {
      code: "NVC-2001",
      says: "node.pem is open to other users (mode 0644)",
      spoil: (fileSystem, dataDir) => fileSystem.chmod(`${dataDir}/security/node.pem`, 0o644)
    },
    "a folder of keys that others can enter": {
      code: "NVC-2001",
      says: "security is open to other users (mode 0755)",
      spoil: (fileSystem, dataDir) => fileSystem.chmod(`${dataDir}/security`, 0o755)
    },
    "a master key that is gone": {
      code: "NVC-2002",
      says: "master.key cannot be used",
      spoil: (fileSystem, dataDir) => fileSystem.remove(`${dataDir}/security/master.key`)
    },
    "a data key that is damaged": {
      code: "NVC-2002",
      says: "data-1.key cannot be used",
      spoil: (fileSystem, dataDir) => fileSystem.writeFileString(`${dataDir}/security/data-1.key`, "PLANTED")
    },
    "a CA that is damaged": {
      code: "NVC-2002",
      says: "ca.pem cannot be used",
      spoil: (fileSystem, dataDir) => fileSystem.writeFileString(`${dataDir}/security/ca.pem`, "PLANTED")
    },
    "an audit log that was changed": {
      code: "NVC-2010",
      says: "audit.jsonl cannot be continued: line 3",
      spoil: (fileSystem, dataDir) =>
        Effect.flatMap(fileSystem.readFileString(`${dataDir}/security/audit.jsonl`), (text) =>
          fileSystem.writeFileString(
            `${dataDir}/security/audit.jsonl`,
            text.replace("security.stopped", "security.started")
          )
        )
    },
    "a certificate of the operator's that is not there": {
      code: "NVC-2008",
      says: "/nowhere/ca.pem cannot be used",
      written: () => Effect.succeed({ tls: { ca: "/nowhere/ca.pem", cert: "/nowhere/a.pem", key: "/nowhere/a.key" } })
    },
    "a master key that the provider does not have": {
      code: "NVC-2003",
      says: `The secret "master" cannot be had from file`,
      written: () => Effect.succeed({ keys: { master: "master" } })
    },
    "a Vault that refuses": {
      code: "NVC-2006",
      says: `Vault refuses "look up the token" (status 403)`,
      written: () =>
        Effect.map(startVault, ({ address }) => ({
          secrets: { provider: "vault", vault: { address, token: "hvs.PLANTED" } }
        }))
    },
    "a Vault that is not there": {
      code: "NVC-2007",
      says: "does not answer",
      written: () =>
        Effect.map(Effect.scoped(startVault), ({ address }) => ({
          secrets: { provider: "vault", vault: { address, token: "hvs.PLANTED" } }
        }))
    },
    "an issuer that is not there": {
      code: "NVC-2009",
      says: "does not give its keys",
      written: () =>
        Effect.map(Effect.scoped(startIssuer), ({ url }) => ({
          authentication: { method: "oidc", oidc: { issuer: url } }
        }))
    }
  }

  for (const [way, { code, says, spoil, written }] of Object.entries(ways)) {
    it.live(`because of ${way} ends the boot: it is not tried again, and nothing goes on without security`, () =>
      testing(
        Effect.gen(function* () {
          const fileSystem = yield* FileSystem.FileSystem
          const dataDir = yield* folder
          yield* Effect.scoped(boot(dataDir))
          if (spoil !== undefined) yield* spoil(fileSystem, dataDir)
          const { cause, events, started } = yield* failing(
            dataDir,
            written === undefined ? {} : yield* written(dataDir)
          )
          assert.strictEqual(codeOf(cause), code)
          assert.include(`${cause instanceof Error ? cause.message : ""}`, says)
          assert.deepStrictEqual(started, ["security"])
          assert.strictEqual(Report.fromEvents(events).outcome, "failed")
          assert.strictEqual(Report.fromEvents(events).exitCode, 69)
          assert.notInclude(`${inspect([cause, events], { depth: 12, showHidden: true })}`, "PLANTED")
          if (way !== "a folder of keys that others can enter" && way !== "an audit log that was changed") {
            assert.include(yield* actionsOf(dataDir), "security.failed")
          }
        })
      )
    )
  }

  it.live("because the node's name fits into no certificate says so", () =>
    testing(
      Effect.gen(function* () {
        const exit = yield* Effect.exit(boot(yield* folder, {}, { nodeId: "node 1" }))
        assert.include(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", `the node is called "node 1"`)
      })
    )
  )
})

describe("the audit log", () => {
  it.live("tells of the boot, of who was refused what, of a rollback and the end, and can be verified", () =>
    testing(
      Effect.gen(function* () {
        const dataDir = yield* folder
        const trail = yield* Security.BootTrail.make
        const security = Security.component(settings({}), { dataDir, nodeId: "node-1", environment: {}, trail })
        const exit = yield* Effect.exit(
          Effect.scoped(Boot.make([security, listener, broken], { nodeId: "node-1", observe: trail.observe }))
        )
        assert.isTrue(Exit.isFailure(exit))
        yield* Effect.scoped(
          Effect.gen(function* () {
            const trail = yield* Security.BootTrail.make
            const { security } = yield* boot(dataDir, {}, { trail })
            // What a boot does is written beside what others do.
            while (!(yield* actionsOf(dataDir)).includes("boot.ready")) yield* Effect.sleep("20 millis")
            yield* Effect.flip(security.authenticate({ _tag: "Bearer", token: Redacted.make("PLANTED-token") }))
            const mallory = { name: "mallory", by: "mtls", roles: [] } as const
            yield* Effect.flip(security.authorize(mallory, "components.stop"))
            yield* security.audit({
              action: "components.restored",
              principal: "alice",
              subject: "cache",
              success: true
            })
          })
        )
        const lines = yield* auditOf(dataDir)
        assert.deepStrictEqual(
          lines.map(({ action, principal, subject, success }) => [action, principal ?? subject, success]),
          [
            ["boot.started", "node-1", true],
            ["certificate.issued", "node-1", true],
            ["security.started", "node-1", true],
            ["component.failed", "broken", false],
            ["boot.rolled-back", "failed", false],
            ["security.stopped", "node-1", true],
            ["boot.started", "", true],
            ["security.started", "node-1", true],
            ["boot.ready", "ready", true],
            ["auth.failed", "bearer: this node takes no tokens", false],
            ["access.refused", "mallory", false],
            ["components.restored", "alice", true],
            ["boot.stopped", undefined, true],
            ["security.stopped", "node-1", true]
          ]
        )
        assert.strictEqual(yield* AuditLog.verify(`${dataDir}/security/audit.jsonl`), lines.length)
        assert.notInclude(JSON.stringify(lines), "PLANTED")
      })
    )
  )
})

describe("when it has stopped", () => {
  it.live("no key is left in memory, and nothing is sealed or opened any more", () =>
    testing(
      Effect.gen(function* () {
        const { security, stop } = yield* boot(yield* folder)
        const sealed = yield* security.seal(bytes("value"), "place")
        const { key } = yield* security.serverTls()
        assert.instanceOf(key, Buffer)
        assert.include(`${key instanceof Buffer ? key.toString() : ""}`, "PRIVATE KEY")
        yield* stop()
        assert.isTrue(key instanceof Buffer && key.length > 0 && key.every((byte) => byte === 0))
        assert.isTrue(Exit.hasDies(yield* Effect.exit(security.seal(bytes("value"), "place"))))
        assert.strictEqual((yield* Effect.flip(security.open(sealed, "place"))).code, "NVC-2004")
      })
    )
  )
})

describe("a secret", () => {
  it.live("is in no error, no log, no event, no report, no trace, no audit line and no object that is printed", () =>
    testing(
      Effect.gen(function* () {
        const dataDir = yield* folder
        const vault = yield* startVault
        vault.roles.set("node", "PLANTED-secret-id")
        vault.secrets.set("secret/data/novacron/database", { value: "PLANTED-value", other: "PLANTED-other" })
        const shown: Array<unknown> = []
        const events: Array<BootEvent.BootEvent> = []
        const logger = Logger.make(({ cause, message }) => void shown.push(message, cause))
        const tracer = Tracer.make({
          span: (options) => {
            shown.push(options)
            const span = new Tracer.NativeSpan(options)
            shown.push(span)
            return span
          }
        })
        const environment = { NOVACRON_SECRET_DATABASE: "PLANTED-variable", HOME: "/root" }
        const written = {
          secrets: {
            provider: "vault",
            vault: { address: vault.address, roleId: "node", secretId: "PLANTED-secret-id" }
          },
          authentication: { method: "token", tokens: { alice: { token: "PLANTED-token-of-alice" } } }
        }
        const material = yield* Effect.gen(function* () {
          const { report, security, services, stop } = yield* boot(dataDir, written, { environment }, events)
          const secret = yield* security.secret("database")
          assert.strictEqual(Redacted.value(secret), "PLANTED-value")
          const bearer = (token: string) => security.authenticate({ _tag: "Bearer", token: Redacted.make(token) })
          const alice = yield* bearer("PLANTED-token-of-alice")
          shown.push(security, services, secret, alice, yield* report, settings(written))
          shown.push(yield* security.serverTls(), yield* security.clientTls("node-2"))
          shown.push(yield* Effect.exit(bearer("PLANTED-token-of-bob")))
          shown.push(yield* Effect.exit(security.authorize(alice, "config.write")))
          // Vault forgets the login and refuses the next one.
          vault.tokens.clear()
          vault.roles.clear()
          shown.push(yield* Effect.exit(security.secret("database")), yield* Effect.exit(security.check))
          const sealed = yield* security.seal(bytes("PLANTED-plain"), "place")
          shown.push(sealed, yield* Effect.exit(security.open(sealed, "elsewhere")))
          shown.push(yield* stop())
          return (yield* contents(`${dataDir}/security`)).filter(({ path }) => /\.(?:pem|key)$/.test(path))
        }).pipe(Effect.provide(Logger.layer([logger])), Effect.provideService(Tracer.Tracer, tracer))

        // And the failures of a boot.
        const refused = yield* failing(yield* folder, written)
        shown.push(refused.cause, refused.events, events)
        const env = { secrets: { provider: "env" }, keys: { master: "database" } }
        shown.push(yield* Effect.exit(boot(yield* folder, env, { environment })))
        shown.push(yield* auditOf(dataDir))

        assert.isAtLeast(shown.length, 40)
        const text = shown.map((one) => `${inspect(one, printed)} ${jsonOf(one)}`).join("\n")
        // It is looked at: what may be seen is seen.
        for (const visible of ["auth.failed", "NVC-2003", "Security.secret", "alice", "BEGIN CERTIFICATE"]) {
          assert.include(text, visible)
        }
        assert.notInclude(text, "PLANTED")
        assert.notInclude(text, Buffer.from("PLANTED").toString("base64").slice(0, 8))
        assert.isAtLeast(material.length, 4)
        for (const { path, text: secret } of material) {
          const raw = Buffer.from(secret, "latin1")
          // A piece that is in the private key, wherever the file has it: certificates may be seen.
          const piece = raw.subarray(8, 24)
          const asText = path.endsWith(".pem") ? secret.slice(60, 90) : secret.slice(-30)
          const numbers = [...piece]
          const hex = numbers.map((byte) => byte.toString(16).padStart(2, "0"))
          for (const form of [
            asText,
            raw.toString("base64").slice(12, 36),
            ...[",", ", "].map((by) => numbers.join(by))
          ].concat(["", " "].map((by) => hex.join(by)))) {
            assert.notInclude(text, form, path)
          }
        }
      })
    )
  )
})

const printed = { depth: 12, showHidden: true, maxArrayLength: 2000, maxStringLength: 100_000 }

const jsonOf = (value: unknown): string => {
  const seen = new WeakSet()
  return `${JSON.stringify(value, (_, one: unknown) => {
    if (typeof one === "bigint") return `${one}`
    if (typeof one !== "object" || one === null) return one
    if (seen.has(one)) return undefined
    seen.add(one)
    return one
  })}`
}
