import { spawnSync } from "node:child_process"
import { tmpdir } from "node:os"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Boot, Component } from "@novacron/boot"
import { Sweep, VirtualTime } from "@novacron/simulation"
import { ConfigProvider, Context, Effect, Exit, FileSystem, Option } from "effect"
import { Links, links } from "../src/Links.ts"
import { Server } from "../src/Server.ts"
import { settings } from "../src/Settings.ts"
import { shortener } from "../src/Shortener.ts"
import { statistics } from "../src/Statistics.ts"
import * as Disk from "./Disk.ts"

const surroundings = (env: Record<string, string>) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(env))

describe("the shortener, in virtual time", () => {
  it.effect("tries its file three times, falls back to memory, and gets the file back", () => {
    const disk = Disk.make(5)
    return Effect.gen(function* () {
      const boot = yield* VirtualTime.boot([links, settings])
      if (Exit.isFailure(boot.exit)) return assert.fail("it did not boot")
      const { report, services } = boot.exit.value

      const atFirst = (yield* report).components.find(({ name }) => name === "links")
      assert.deepInclude(atFirst, { state: "degraded", fallback: "memory" })
      assert.strictEqual(atFirst?.attempts.filter(({ error }) => error?.tag === "FileLost").length, 3)
      assert.isTrue(boot.elapsedMs >= 300 && boot.elapsedMs <= 600, `two delays, and ${boot.elapsedMs} ms`)

      // Whoever holds the service holds it for good: what stands behind it changes.
      const { find, save } = Context.get(services, Links)
      yield* save("memory", "https://example.com/in-memory")
      assert.isTrue(Option.isSome(yield* find("memory")))
      assert.strictEqual(disk.text(), "")

      yield* VirtualTime.run(Effect.sleep("1 minute"))
      const [restoration] = (yield* report).restorations
      assert.deepInclude(restoration, { component: "links", completed: 1, failed: 2 })
      yield* save("onDisk", "https://example.com/on-disk")
      assert.strictEqual(disk.text(), "onDisk https://example.com/on-disk\n")

      yield* VirtualTime.run(boot.exit.value.stop())
      assert.strictEqual(disk.open(), 0, "the file is closed")
    }).pipe(Effect.provide(disk.layer), surroundings({}))
  })

  it("survives every single fault", () => {
    const disk = Component.fromLayer(FileSystem.FileSystem, Disk.make(0).layer, { name: "disk", phase: "pre" })
    const result = Sweep.sweep([disk, settings, links, statistics])
    assert.deepStrictEqual(result.violations, [])
    assert.isAbove(result.runs, 50)
    assert.strictEqual(result.struck, result.runs)
  })
})

describe("the shortener, for real", () => {
  it.live("shortens, redirects, counts, remembers, and is gone when it is stopped", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      const file = `${yield* fileSystem.makeTempDirectoryScoped()}/links.txt`
      const serving = <A>(use: (url: string) => Promise<A>) =>
        Effect.scoped(
          Effect.gen(function* () {
            const { services } = yield* Boot.make(shortener)
            const { url } = Context.get(services, Server)
            return { url, used: yield* Effect.promise(() => use(url)) }
          })
        ).pipe(surroundings({ LINKS_FILE: file }))

      const first = yield* serving(async (url) => {
        const short = (await (await fetch(url, { method: "POST", body: "https://example.com/long" })).text()).trim()
        const followed = await fetch(short, { redirect: "manual" })
        assert.strictEqual(followed.headers.get("location"), "https://example.com/long")
        assert.strictEqual(await (await fetch(`${short}/clicks`)).text(), "1\n")
        assert.strictEqual((await fetch(url, { method: "POST", body: "nonsense" })).status, 400)
        return new URL(short).pathname
      })
      const gone = yield* Effect.exit(Effect.tryPromise(() => fetch(first.url)))
      assert.isTrue(Exit.isFailure(gone))

      const second = yield* serving(async (url) => (await fetch(`${url}${first.used}`, { redirect: "manual" })).status)
      assert.strictEqual(second.used, 302)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it("exits with the code of its report, and says why", () => {
    const main = (env: Record<string, string>) =>
      spawnSync(process.execPath, [`${import.meta.dirname}/../src/main.ts`, "--exit-when-ready"], {
        cwd: tmpdir(),
        encoding: "utf8",
        env: { PATH: "", LINKS_FILE: `${tmpdir()}/shortener-test-links.txt`, ...env }
      })
    const fine = main({})
    assert.strictEqual(fine.status, 0, fine.stderr)
    assert.match(fine.stdout, /^READY in /m)
    assert.match(fine.stdout, /^STOPPED /m)

    const failed = main({ SHORTENER_FAIL: "server", SHORTENER_HOW: "FailsAcquired" })
    assert.strictEqual(failed.status, 69)
    assert.match(failed.stderr, /^BOOT FAILED {2}critical component "server" did not start/m)
    assert.match(failed.stderr, /^ {2}undone {4}3 components in reverse order in .*, all clean$/m)

    assert.strictEqual(main({ PORT: "many" }).status, 78)
  })
})
