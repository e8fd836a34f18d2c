import { spawn } from "node:child_process"
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { assert, describe, it } from "vitest"
import { NodeDirUnusable, ReportUnwritable } from "../src/Errors.ts"

describe("the errors around a boot", () => {
  it("say what failed and what follows, keep the cause, and do not paste it", () => {
    const cause = new Error("EACCES /secret/path")
    for (const error of [
      new NodeDirUnusable({ path: "/data", cause }),
      new ReportUnwritable({ path: "/r", beforeBoot: true, cause }),
      new ReportUnwritable({ path: "/r", beforeBoot: false, cause })
    ]) {
      assert.match(error.message, /^[A-Z].*\.$/)
      assert.notInclude(error.message, "EACCES")
      assert.strictEqual(error.cause, cause)
    }
  })
})

/** A user who is not root: root may look everywhere. */
const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

/** Runs a command as a user who may not open a data directory, and gives what it said and left with. */
const denied = async (dataDir: string, command: string) => {
  const named = command.startsWith("switch") ? ["--dir", dataDir] : ["--data-dir", dataDir]
  const main = join(import.meta.dirname, "../src/main.ts")
  const child = spawn(process.execPath, [main, ...command.split(" "), ...named], {
    ...nobody,
    cwd: "/",
    env: { NOVACRON_ENVIRONMENT_KIND: "hybrid" }
  })
  const ended = new Promise<number | null>((resume) => child.once("exit", resume))
  const [code, out, err] = await Promise.all([ended, text(child.stdout), text(child.stderr)])
  return { code, out, err }
}

describe("a user whom the data directory is not for", () => {
  it.each([
    ["status", /NVC-3030  exit 77[^]*may not open .*control\.sock\. It belongs to user \d+\./],
    ["nodes", /NVC-3030  exit 77[^]*may not open .*local\.json\. It belongs to user \d+\./],
    ["dashboard", /NVC-3030  exit 77/],
    ["trace --list", /exit 77[^]*The journals in .* may not be read by this user/],
    ["recommend", /exit 77[^]*The journals in .* may not be read by this user/],
    ["switch show", /NVC-3015  exit 77[^]*of another user/]
  ])(
    "hears that from novacron %s, which exits 77",
    async (command, words) => {
      const dataDir = mkdtempSync(join(tmpdir(), "novacron-theirs-"))
      chmodSync(dataDir, 0)
      const { code, err } = await denied(dataDir, command)
      rmSync(dataDir, { recursive: true })
      assert.match(err, words)
      assert.strictEqual(code, 77)
    },
    60_000
  )

  it("hears from novacron doctor that nobody knows whether a node runs", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "novacron-theirs-"))
    chmodSync(dataDir, 0)
    const { code, out } = await denied(dataDir, "doctor")
    rmSync(dataDir, { recursive: true })
    assert.match(out, /✗ node .*nobody knows whether one runs: This user may not open/)
    assert.strictEqual(code, 78)
  }, 60_000)
})
