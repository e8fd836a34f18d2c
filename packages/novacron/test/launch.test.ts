import { execFileSync, spawnSync } from "node:child_process"
import {
  chmodSync,
  chownSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "vitest"

const directory = mkdtempSync(join(tmpdir(), "novacron-launch-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const source = (name: string): string => readFileSync(join(import.meta.dirname, "../src", name), "utf8")
const launch = source("launch.ts")
writeFileSync(join(directory, "Parts.ts"), source("Parts.ts"))

/** What it launches is made by the bundle; here it is a line. */
const launches = (line: string): void => writeFileSync(join(directory, "cli.js"), `(function(){${line};return{}})`)

describe("the launcher", () => {
  it("is small: nothing that could be loaded later is loaded by it", () => {
    const importsOf = (code: string) => [...code.matchAll(/from "([^"]+)"/g)].map(([, name]) => name)
    assert.deepStrictEqual(importsOf(launch), ["node:fs", "node:module", "node:os", "./Parts.ts"])
    const libraries = ["node:fs", "node:module", "node:path", "node:url", "node:vm", "node:zlib"]
    assert.deepStrictEqual(importsOf(source("Parts.ts")), libraries)
  })

  it("says which Node it needs, before anything else, and that is what all packages ask for", () => {
    const [, oldest = ""] = /^const oldest = (\d+)$/m.exec(launch) ?? []
    const folder = join(import.meta.dirname, "../..")
    for (const file of globSync("*/package.json", { cwd: folder })) {
      // Only of what is published: in a checkout pnpm, which an older one may run, would refuse to install.
      const { publishConfig } = JSON.parse(readFileSync(join(folder, file), "utf8"))
      assert.deepStrictEqual(publishConfig.engines, { node: `>=${oldest}` }, file)
    }
    const script = join(directory, "old.ts")
    writeFileSync(script, launch.replace(`oldest = ${oldest}`, "oldest = 999"))
    const { status, stderr, stdout } = spawnSync(process.execPath, [script, "boot"], { encoding: "utf8" })
    assert.deepStrictEqual({ status, stdout }, { status: 69, stdout: "" })
    assert.include(stderr, `needs Node 999 or later, and ${process.execPath} is ${process.versions.node}.`)
  })

  it("says that the directory it was started in is gone, and what to do", () => {
    const script = join(directory, "gone.ts")
    writeFileSync(script, launch)
    const away = `mkdir '${directory}/gone' && cd '${directory}/gone' && rmdir '${directory}/gone' && exec "$@"`
    const { status, stderr, stdout } = spawnSync("sh", ["-c", away, "sh", process.execPath, script, "boot"], {
      encoding: "utf8"
    })
    assert.deepStrictEqual({ status, stdout }, { status: 73, stdout: "" })
    assert.include(stderr, "the directory that novacron was started in is gone: ENOENT.")
  })

  it("keeps compiled code from everybody else, whatever the umask, which stays as it is for what it launches", () => {
    const script = join(directory, "umask.ts")
    writeFileSync(script, launch)
    launches("console.log('umask', process.umask())")
    const cache = join(directory, "open")
    const opened = ["-c", 'umask 000; exec "$@"', "sh", process.execPath, script]
    assert.include(execFileSync("sh", opened, { encoding: "utf8", env: { XDG_CACHE_HOME: cache } }), "umask 0\n")
    const made = readdirSync(cache, { recursive: true }).map((name) => join(cache, String(name)))
    assert.isAbove(made.length, 2)
    for (const path of [cache, ...made]) assert.strictEqual(statSync(path).mode & 0o077, 0, path)
  })

  it("leaves this user the rights to what it makes, whatever the umask", () => {
    const script = join(directory, "own.ts")
    writeFileSync(script, launch)
    launches("console.log('umask', process.umask().toString(8))")
    for (const [given, left] of [
      ["777", "77"],
      ["027", "27"]
    ] as const) {
      const started = ["-c", `umask ${given}; exec "$@"`, "sh", process.execPath, script]
      assert.include(execFileSync("sh", started, { encoding: "utf8", env: { HOME: "/" } }), `umask ${left}\n`)
    }
  })

  it("takes no compiled code from where another user writes, and leaves none there", () => {
    const script = join(directory, "theirs.ts")
    writeFileSync(script, launch)
    launches("console.log('kept in', process.getBuiltinModule('node:module').getCompileCacheDir())")
    const run = (env: NodeJS.ProcessEnv) => execFileSync(process.execPath, [script], { encoding: "utf8", env })
    const home = mkdtempSync(join(directory, "home-"))
    assert.include(run({ HOME: home }), `kept in ${home}/.cache/novacron/`)
    // What everybody may write could be anybody's code by now.
    chmodSync(join(home, ".cache/novacron"), 0o777)
    assert.include(run({ HOME: home }), "kept in undefined")
    if (process.getuid?.() !== 0) return
    // As after `sudo -E`: root, in the home of somebody else, who has put a folder there for it.
    chmodSync(join(home, ".cache/novacron"), 0o700)
    chownSync(home, 65_534, 65_534)
    assert.include(run({ HOME: home }), "kept in undefined")
    const other = mkdtempSync(join(directory, "home-"))
    chownSync(other, 65_534, 65_534)
    assert.include(run({ HOME: other }), "kept in undefined")
    assert.deepStrictEqual(readdirSync(other), [])
    const shared = mkdtempSync(join(directory, "shared-"))
    mkdirSync(join(shared, "novacron"))
    chownSync(join(shared, "novacron"), 65_534, 65_534)
    assert.include(run({ XDG_CACHE_HOME: shared }), "kept in undefined")
  }, 60_000)

  it("keeps compiled code where the user's caches are, and starts without", () => {
    const script = join(directory, "launch.ts")
    writeFileSync(script, launch)
    launches("console.log('launched')")
    const run = (env: NodeJS.ProcessEnv) => execFileSync(process.execPath, [script], { encoding: "utf8", env })
    assert.include(run({ XDG_CACHE_HOME: join(directory, "cache") }), "launched")
    const parts = join(directory, `cache/novacron/parts-${process.version}-${process.arch}`)
    assert.lengthOf(readdirSync(parts), 1)
    assert.include(run({ XDG_CACHE_HOME: join(directory, "none"), NODE_DISABLE_COMPILE_CACHE: "1" }), "launched")
    assert.isFalse(existsSync(join(directory, "none")))
    assert.include(run({ HOME: "/" }), "launched")
  })
})
