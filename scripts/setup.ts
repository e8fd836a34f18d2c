/**
 * Brings what some suites need from the system and no package registry has: servers and tools that tests talk to for
 * real. `pnpm test` runs it first.
 *
 * **Details**
 *
 * On Debian, as root, what is missing is installed. Elsewhere it says what is missing and how to get it; the suites that
 * need it are then reported as skipped. With `CI=true` something missing is an error, exit 69: a run that skips in
 * silence proves nothing.
 *
 * A server that Debian starts by itself is kept from starting: the tests run their own.
 */
import { execFileSync } from "node:child_process"
import { accessSync, constants, existsSync } from "node:fs"
import { delimiter, join } from "node:path"

/** What is looked for on the PATH, the Debian package that has it, and who needs it. */
const wanted: ReadonlyArray<{ readonly command: string; readonly package: string; readonly for: string }> = [
  { command: "redis-server", package: "redis-server", for: "the cache against a real Redis" },
  { command: "psql", package: "postgresql-client", for: "the database as its own client sees it" },
  { command: "openssl", package: "openssl", for: "certificates and signatures against OpenSSL" },
  { command: "perl", package: "perl-base", for: "sockets that Node cannot make" },
  { command: "systemd-notify", package: "systemd", for: "telling systemd that the node is ready" },
  { command: "promtool", package: "prometheus", for: "metrics, rules and scrapes against Prometheus" },
  { command: "prometheus-alertmanager", package: "prometheus-alertmanager", for: "alerts that are delivered" },
  { command: "etcd", package: "etcd-server", for: "state that is agreed on by a real etcd" },
  { command: "etcdctl", package: "etcd-client", for: "asking and breaking that etcd" },
  { command: "chromium", package: "chromium", for: "the pages of the dashboard in a browser" },
  { command: "swtpm", package: "swtpm", for: "a boot that is measured, against a TPM 2.0 in software" },
  { command: "tpm2_getcap", package: "tpm2-tools", for: "asking that TPM" },
  { command: "jsonschema", package: "python3-jsonschema", for: "the JSON Schema of settings in another's hands" },
  { command: "qemu-system-x86_64", package: "qemu-system-x86", for: "virtual machines that are one" },
  { command: "zstd", package: "zstd", for: "deltas against zstd --patch-from" }
]

const isOnPath = (command: string): boolean =>
  (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })

const missing = () => wanted.filter(({ command }) => !isOnPath(command))

const isRoot = process.getuid?.() === 0
const isDebian = existsSync("/etc/debian_version") && isOnPath("apt-get")

/** Whether it worked is seen by what is missing afterwards. */
const install = (packages: ReadonlyArray<string>): void => {
  const run = (...args: ReadonlyArray<string>) =>
    execFileSync("apt-get", args, {
      stdio: ["ignore", "ignore", "inherit"],
      timeout: 300_000,
      // In run level 1 Debian does not start a server that it has just installed.
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" }
    })
  try {
    run("update", "-qq")
    run("install", "-y", "-qq", "--no-install-recommends", ...packages)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
  }
}

const before = missing()
if (before.length > 0 && isRoot && isDebian) {
  console.error(`Installing ${before.map((one) => one.package).join(", ")}, which the tests need.`)
  install(before.map((one) => one.package))
}
const left = missing()
for (const { command, for: purpose, package: name } of left) {
  console.error(`missing: ${command}, for ${purpose}. On Debian: apt-get install ${name}`)
}
const isStrict = (process.env["CI"] ?? "") !== "" && process.env["CI"] !== "false"
if (left.length > 0) console.error(isStrict ? "With CI=true nothing may be missing." : "Those suites are skipped.")
process.exitCode = left.length > 0 && isStrict ? 69 : 0
