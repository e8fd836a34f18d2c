/**
 * What stands beneath a boot, in the real program: its files, listed by sha256sum and signed by OpenSSL; the identities of
 * its components; the rules that its settings must keep, and what some nodes try out.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { appendFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, afterEach, assert, beforeAll, describe, it } from "vitest"
import { bundle } from "../../scripts/bundle.ts"
import { linesOf, Place } from "./Novacron.ts"

const root = join(import.meta.dirname, "../..")
/** A program of its own, which can be tampered with; beside the packages that it finds. */
const dist = join(root, `packages/novacron/node_modules/.novacron-chain-${process.pid}`)
const place = new Place()
const [secret, key, manifest] = [place.path("release.pem"), place.path("release.pub"), join(dist, "SHA256SUMS")]

const release = () => {
  const list = "find . -type f ! -name 'SHA256SUMS*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum"
  writeFileSync(manifest, execFileSync("sh", ["-c", list], { cwd: dist }))
  execFileSync("openssl", ["dgst", "-sha256", "-sign", secret, "-out", `${manifest}.sig`, manifest])
}

beforeAll(async () => {
  await bundle(dist)
  execFileSync("openssl", ["genpkey", "-algorithm", "RSA", "-out", secret], { stdio: "ignore" })
  execFileSync("openssl", ["pkey", "-in", secret, "-pubout", "-out", key])
  release()
})
afterAll(() => {
  place.remove()
  rmSync(dist, { recursive: true, force: true })
})
afterEach(() => assert.deepStrictEqual(place.leftovers(), []))

/** Runs that program to its end. */
const run = (args: ReadonlyArray<string>, env: { readonly [name: string]: string } = {}) => {
  const ports = ["HEALTH", "NETWORK_BIND", "MONITORING", "DASHBOARD", "DWCP_BIND", "API", "API_GRPC"]
  const { status, stderr, stdout } = spawnSync(
    join(root, "node_modules/node/bin/node"),
    [join(dist, "novacron.mjs"), ...args],
    {
      cwd: place.directory,
      encoding: "utf8",
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: place.directory,
        XDG_CACHE_HOME: place.path("cache"),
        NOVACRON_SYSTEM_DATA_DIR: place.dataDir,
        NOVACRON_SYSTEM_NODE_ID: "node-1",
        ...Object.fromEntries(ports.map((name) => [`NOVACRON_${name}_PORT`, "0"])),
        ...env
      }
    }
  )
  return { code: status, stderr, stdout }
}

const boot = (env: { readonly [name: string]: string } = {}) => run(["boot", "--exit-when-ready"], env)

const signed = {
  NOVACRON_SECURITY_BOOT_CHAIN_MANIFEST: manifest,
  NOVACRON_SECURITY_BOOT_CHAIN_PUBLIC_KEYS: key
}
const identities = { NOVACRON_SECURITY_BOOT_CHAIN_IDENTITIES: "require" }
const record = () => JSON.parse(readFileSync(join(place.dataDir, "security/measurements.json"), "utf8"))

describe("a program", () => {
  it("that is as it was signed boots, and ends in the same digest each time", () => {
    const first = boot(signed)
    assert.strictEqual(first.code, 0, first.stderr)
    assert.include(first.stderr, "The program is the one that was signed")
    const { digest, isSigned, log, root } = record()
    assert.deepStrictEqual({ isSigned, root }, { isSigned: true, root: "software" })
    const measured = log.map(({ what }: { readonly what: string }) => what)
    assert.includeMembers(measured, ["program", "settings", "component/database", "component/api", "component/ready"])
    assert.strictEqual(boot(signed).code, 0)
    assert.strictEqual(record().digest, digest)
    assert.strictEqual(boot({ ...signed, NOVACRON_SYSTEM_MONITOR_INTERVAL: "7s" }).code, 0)
    assert.notStrictEqual(record().digest, digest)
  })

  it("that was changed does not boot, names the file, and exits 65", () => {
    const file = readdirSync(dist).find((name) => name.endsWith(".js")) ?? ""
    const before = readFileSync(join(dist, file))
    appendFileSync(join(dist, file), "// changed\n")
    const { code, stderr, stdout } = boot(signed)
    writeFileSync(join(dist, file), before)
    assert.strictEqual(code, 65, stderr)
    assert.match(stderr, /critical component "security" did not start +NVC-2011 +exit 65/)
    assert.include(stderr, file)
    assert.isFalse(
      linesOf(stdout).some(({ component, event }) => event === "ComponentReady" && component === "security")
    )
    assert.strictEqual(boot(signed).code, 0)
  })
})

describe("components", () => {
  it("with identities boot, and one without is not initialised: exit 77, and its name", () => {
    assert.strictEqual(boot(identities).code, 0)
    const folder = join(place.dataDir, "security/components")
    assert.includeMembers(readdirSync(folder), ["ca.pem", "api.pem", "database.pem", "ml.pem", "security.pem"])
    const again = boot(identities)
    assert.strictEqual(again.code, 0, again.stderr)
    rmSync(join(folder, "database.pem"))
    const { code, stderr, stdout } = boot(identities)
    assert.strictEqual(code, 77, stderr)
    assert.include(stderr, "NVC-2013")
    assert.include(stderr, "The component database is not started, because its identity")
    assert.isFalse(
      linesOf(stdout).some(
        ({ component, event }) =>
          event === "DatabaseOpened" || (component === "database" && event === "ComponentAcquired")
      )
    )
    rmSync(folder, { recursive: true })
    assert.strictEqual(boot(identities).code, 0)
  })
})

describe("settings", () => {
  const file = (name: string, text: string): string => {
    writeFileSync(place.path(name), text, { mode: 0o600 })
    return place.path(name)
  }

  it("that break a rule do not boot: exit 78, with the rule; and are told where the policy says so", () => {
    const rules = file(
      "rules.yaml",
      "rules:\n  - { name: tls-1.3, because: PCI DSS 4.2.1, key: security.tls.min_version, at_least: 1.3 }\n"
    )
    const env = { NOVACRON_CONFIG_RULES: rules }
    const { code, stderr } = boot(env)
    assert.strictEqual(code, 78, stderr)
    assert.include(stderr, "NVC-1017")
    assert.include(stderr, "This breaks the rule tls-1.3. PCI DSS 4.2.1.")
    assert.include(stderr, "NOVACRON_SECURITY_TLS_MIN_VERSION")
    assert.strictEqual(run(["config", "check"], env).code, 78)
    assert.strictEqual(boot({ ...env, NOVACRON_SECURITY_TLS_MIN_VERSION: "1.3" }).code, 0)
    const told = boot({ ...env, NOVACRON_CONFIG_COMPLIANCE: "warn" })
    assert.strictEqual(told.code, 0, told.stderr)
    assert.include(told.stderr, "NVC-1017")
  })

  it("that are tried out are those of the variant of this node, and say so", () => {
    const config = file(
      "lab.yaml",
      "experiments:\n  pool:\n    variants:\n      larger: { set: { database.pool.max: 33 } }\n"
    )
    const env = { NOVACRON_CONFIG: config }
    const explained = run(["config", "explain", "database.pool.max"], env)
    assert.strictEqual(explained.code, 0, explained.stderr)
    assert.include(explained.stdout, "33")
    assert.include(explained.stdout, "variant pool/larger")
    const last = place.path("last.prom")
    const { code, stderr } = boot({ ...env, NOVACRON_MONITORING_TEXTFILE: last })
    assert.strictEqual(code, 0, stderr)
    // Every other metric of this node can be joined with it.
    assert.include(readFileSync(last, "utf8"), 'novacron_config_variant{experiment="pool",variant="larger"} 1')
  })
})
