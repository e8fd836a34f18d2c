/**
 * The playbooks of operators, as they stand in `docs/playbooks`: a node is broken in the way that each is about, its boot
 * fails, the commands of the page are run, and it boots again.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, afterEach, assert, beforeAll, beforeEach, describe, it } from "vitest"
import { freePort } from "../fixtures/Ports.ts"
import { bundle } from "../../scripts/bundle.ts"
import { Place } from "./Novacron.ts"
import { neighbour } from "./Servers.ts"

const root = join(import.meta.dirname, "../..")
const pages = join(root, "docs/playbooks")
const dist = join(root, `packages/novacron/node_modules/.novacron-playbooks-${process.pid}`)

/** A node that has booted before, and a copy of it that was made while it was down. */
const original = new Place()
let place: Place
let other: Awaited<ReturnType<typeof neighbour>>
let taken = ""

interface Environment {
  readonly [name: string]: string
}

const ports = ["HEALTH", "NETWORK_BIND", "MONITORING", "DASHBOARD", "DWCP_BIND", "API", "API_GRPC"]
const environment = (place: Place): Environment => ({
  PATH: `${dist}:${process.env["PATH"] ?? ""}`,
  HOME: place.directory,
  XDG_CACHE_HOME: join(dist, "cache"),
  DATA_DIR: place.dataDir,
  BACKUP: original.dataDir,
  NOVACRON_SYSTEM_DATA_DIR: place.dataDir,
  NOVACRON_SYSTEM_NODE_ID: "node-1",
  ...Object.fromEntries(ports.map((name) => [`NOVACRON_${name}_PORT`, "0"]))
})

const sh = (script: string, place: Place, env: Environment = {}) =>
  spawnSync("sh", ["-eu", "-c", script], {
    cwd: place.directory,
    encoding: "utf8",
    env: { ...environment(place), ...env }
  })

beforeAll(async () => {
  await bundle(dist)
  const node = join(root, "node_modules/node/bin/node")
  writeFileSync(join(dist, "novacron"), `#!/bin/sh\nexec ${node} ${join(dist, "novacron.mjs")} "$@"\n`)
  chmodSync(join(dist, "novacron"), 0o755)
  const { status, stderr } = sh("novacron boot --exit-when-ready", original)
  assert.strictEqual(status, 0, stderr)
  other = await neighbour()
  taken = other.port
})
afterAll(() => {
  other.close()
  original.remove()
  rmSync(dist, { recursive: true, force: true })
})
beforeEach(() => {
  place = new Place()
  execFileSync("cp", ["-a", original.dataDir, place.dataDir])
})
afterEach(() => {
  assert.deepStrictEqual(place.leftovers(), [])
  place.remove()
})

/** The commands of a page, in their order. */
const commandsOf = (page: string): string => {
  const text = readFileSync(join(pages, page), "utf8")
  return [...text.matchAll(/```sh\n([^]*?)```/g)].map(([, commands]) => commands).join("\n")
}

/** Breaks a node: what its environment is then, which code it ends with, and what must be as it was. */
interface Broken {
  readonly code: string
  readonly env: Environment
}

const scenarios: { readonly [page: string]: () => Broken } = {
  "settings.md": () => {
    const file = place.path("novacron.yaml")
    writeFileSync(file, "logger:\n  level: warn\n", { mode: 0o600 })
    const env = { NOVACRON_CONFIG: file }
    assert.strictEqual(sh("novacron boot --exit-when-ready", place, env).status, 0)
    writeFileSync(file, "logger:\n  level: loud\n")
    return { code: "NVC-1004", env }
  },
  "security.md": () => {
    chmodSync(join(place.dataDir, "security/master.key"), 0o644)
    return { code: "NVC-2001", env: {} }
  },
  "database.md": () => {
    // What a disk that has lost a block does to the file that PostgreSQL reads first.
    writeFileSync(join(place.dataDir, "postgresql/data/global/pg_control"), Buffer.alloc(8192, 7))
    return { code: "NVC-2110", env: {} }
  },
  "network.md": () => ({ code: "NVC-2301", env: { NOVACRON_NETWORK_BIND_PORT: taken } }),
  "dwcp.md": () => ({ code: "NVC-2601", env: { NOVACRON_DWCP_BIND_PORT: taken, NOVACRON_DWCP_FALLBACK: "none" } }),
  "orchestration.md": () => ({
    code: "NVC-2702",
    env: { NOVACRON_ORCHESTRATION_CLUSTER_ENABLED: "true", NOVACRON_ORCHESTRATION_CLUSTER_PORT: taken }
  }),
  "api.md": () => ({ code: "NVC-2801", env: { NOVACRON_API_PORT: taken } })
}

describe("a playbook", () => {
  it("is there for settings and for each part whose failure ends the boot", () => {
    const found = readdirSync(pages).filter((name) => name !== "README.md")
    assert.sameMembers(found, Object.keys(scenarios))
    for (const page of found) assert.include(readFileSync(join(pages, "README.md"), "utf8"), `(${page})`)
    const { stdout } = sh("novacron plan --json -s cache.url=redis://127.0.0.1:1", place)
    const parts: ReadonlyArray<{ readonly name: string; readonly severity: string; readonly phase: string }> =
      JSON.parse(stdout).nodes
    const critical = parts.filter(({ phase, severity }) => severity === "critical" && !["pre", "post"].includes(phase))
    for (const { name } of critical) assert.include(found, `${name}.md`)
  })

  it.each(Object.keys(scenarios))("brings the node back: %s", async (page) => {
    const broken = scenarios[page]?.() ?? { code: "", env: {} }
    const failed = sh("novacron boot --exit-when-ready", place, broken.env)
    assert.notStrictEqual(failed.status, 0)
    assert.include(failed.stderr, broken.code)
    assert.deepStrictEqual(place.leftovers(), [])
    const played = sh(commandsOf(page), place, { PORT: `${await freePort()}`, ...broken.env })
    assert.strictEqual(played.status, 0, `${played.stdout}\n${played.stderr}`)
    assert.include(played.stdout, '"event":"BootReady"')
    if (page === "security.md") return assert.include(played.stdout, '"security.stopped"')
    return undefined
  })
})

describe("the drill for a machine that was lost", () => {
  it("gives back from a copy what was there: who the node is, its keys, its rows", () => {
    // Emptied first: what the boot before has said is not what this one says, and the shell opens it a moment later.
    const psql = (sql: string) => `
      : >boot.log
      novacron boot >boot.log 2>&1 & pid=$!
      until grep -q BootReady boot.log; do kill -0 $pid; sleep 0.1; done
      export PGPASSWORD=$(cat "$DATA_DIR/postgresql/password")
      psql -XAt -h "$DATA_DIR/postgresql/data" -U novacron -c "${sql}" postgres
      novacron stop >/dev/null; wait $pid`
    const written = sh(psql("CREATE TABLE drill (n int); INSERT INTO drill SELECT generate_series(1, 1000)"), place)
    assert.strictEqual(written.status, 0, written.stderr)
    const backup = place.path("backup")
    assert.strictEqual(sh(`cp -a "$DATA_DIR" "${backup}"`, place).status, 0)
    const fingerprint = `openssl x509 -noout -fingerprint -in "$DATA_DIR/security/node.pem"`
    const before = sh(fingerprint, place).stdout
    rmSync(place.dataDir, { recursive: true })
    mkdirSync(place.dataDir, { mode: 0o700 })
    cpSync(place.path("boot.log"), place.path("before.log"))
    const restored = sh(
      `rm -rf "$DATA_DIR"; cp -a "${backup}" "$DATA_DIR"; ${psql("SELECT count(*) FROM drill")}`,
      place
    )
    assert.strictEqual(restored.status, 0, restored.stderr)
    assert.strictEqual(restored.stdout.trim(), "1000")
    assert.strictEqual(sh(fingerprint, place).stdout, before)
  })
})
