/** Components that are let in, or not, by a real boot: with keys on disk, lists of coreutils and signatures of openssl. */
import { assert, describe, it } from "@effect/vitest"
import { Boot, type BootEvent, Component } from "@novacron/boot"
import { Cause, Context, Effect, Exit, FileSystem } from "effect"
import { TestClock } from "effect/testing"
import * as Admission from "../../src/security/Admission.ts"
import { folder, platform, settings } from "./fixtures/place.ts"
import { release } from "./fixtures/release.ts"

class Cache extends Context.Service<Cache, { readonly name: string }>()("test/cache") {}
class Database extends Context.Service<Database, { readonly name: string }>()("test/database") {}
class Guess extends Context.Service<Guess, { readonly name: string }>()("test/guess") {}

/** The parts of a node, and which of them were initialised. */
const parts = (initialised: Array<string>) => {
  const start = (name: string) => Effect.sync(() => (initialised.push(name), { name }))
  const health = () => Effect.void
  return [
    Component.make(Cache, { start: start("cache"), health }),
    Component.make(Database, { start: start("database"), needs: [Cache], health }),
    Component.make(Guess, { start: start("guess"), severity: "Warning", phase: "service", health }).pipe(
      Component.optional
    )
  ] as const
}

/** A boot of them, each admitted first. */
const boot = Effect.fnUntraced(function* (
  folder: string,
  given: Partial<Admission.Options> = {},
  files?: ReadonlyMap<string, string>
) {
  const initialised: Array<string> = []
  const events: Array<BootEvent.BootEvent> = []
  const [cache, database, guess] = parts(initialised)
  const measured = [cache, database, guess].map((part) => Admission.measure(part, files))
  const admission = yield* Admission.open({ folder, nodeId: "node-1", mode: "require", measured, ...given })
  const exit = yield* Effect.exit(
    Effect.scoped(
      Boot.make(Admission.guardAll(admission, [cache, database, guess]), { observe: (event) => events.push(event) })
    )
  )
  const attempts = events.filter((event) => event._tag === "ComponentStarted" && event.component === "database").length
  const absent = events
    .flatMap((event) => (event._tag === "ComponentAbsent" ? [JSON.stringify(event.reason)] : []))
    .join()
  return { exit, initialised: initialised.toSorted(), attempts, absent }
})

const all = ["cache", "database", "guess"]

const refusal = ({ exit }: { readonly exit: Exit.Exit<unknown, unknown> }): string => {
  assert.isTrue(Exit.isFailure(exit), "the boot must fail")
  let at: unknown = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  while (at instanceof Error && !("code" in at && at.code === "NVC-2013")) at = at.cause
  return at instanceof Error ? at.message : "nothing was refused"
}

const testing = <A, E, R>(effect: Effect.Effect<A, E, R>) => effect.pipe(Effect.scoped, Effect.provide(platform))

describe("components with identities", () => {
  it.effect("are enrolled by the first boot and let in by the next ones, by keys that nobody else can read", () =>
    testing(
      Effect.gen(function* () {
        const fileSystem = yield* FileSystem.FileSystem
        const keys = `${yield* folder}/security`
        const first = yield* boot(keys)
        assert.isTrue(Exit.isSuccess(first.exit))
        assert.deepStrictEqual(first.initialised, all)
        const names = (yield* fileSystem.readDirectory(`${keys}/components`)).toSorted()
        assert.deepStrictEqual(names, ["ca.pem", "cache.pem", "database.pem", "guess.pem"])
        for (const name of names) {
          assert.strictEqual((yield* fileSystem.stat(`${keys}/components/${name}`)).mode & 0o777, 0o600)
        }
        const before = yield* fileSystem.readFileString(`${keys}/components/database.pem`)
        const second = yield* boot(keys)
        assert.deepStrictEqual(second.initialised, all)
        assert.strictEqual(yield* fileSystem.readFileString(`${keys}/components/database.pem`), before)
      })
    )
  )

  it.effect("are not initialised without one, nor with one that ran out, of another CA, or of another name", () =>
    testing(
      Effect.gen(function* () {
        const fileSystem = yield* FileSystem.FileSystem
        const keys = `${yield* folder}/security`
        const elsewhere = `${yield* folder}/security`
        for (const one of [keys, elsewhere]) assert.isTrue(Exit.isSuccess((yield* boot(one)).exit))
        const at = (folder: string, name: string) => `${folder}/components/${name}.pem`
        const good = yield* fileSystem.readFile(at(keys, "database"))
        const refused = Effect.fnUntraced(function* (why: RegExp) {
          const result = yield* boot(keys)
          assert.match(refusal(result), /^The component database is not started/)
          assert.match(refusal(result), why)
          assert.notInclude(result.initialised, "database")
          // Trying again would not change it.
          assert.strictEqual(result.attempts, 1)
        })
        yield* fileSystem.remove(at(keys, "database"))
        yield* refused(/there is none, and components are enrolled at the first boot/)
        yield* fileSystem.copyFile(at(elsewhere, "database"), at(keys, "database"))
        yield* refused(/the CA of this node's components has not signed it/)
        yield* fileSystem.copyFile(at(keys, "cache"), at(keys, "database"))
        yield* refused(/it is for something else/)
        yield* fileSystem.writeFileString(at(keys, "database"), "no key")
        yield* refused(/it is not a key with its certificate/)
        yield* fileSystem.writeFile(at(keys, "database"), good)
        yield* fileSystem.chmod(at(keys, "database"), 0o644)
        yield* refused(/it cannot be read/)
        yield* fileSystem.chmod(at(keys, "database"), 0o600)
        assert.deepStrictEqual((yield* boot(keys)).initialised, all)
        yield* TestClock.adjust("91 days")
        assert.match(refusal(yield* boot(keys)), /it ran out on /)
      })
    )
  )

  it.effect(
    "are not initialised when the program is another one than the enrolled one, also one that may be absent",
    () =>
      testing(
        Effect.gen(function* () {
          const keys = `${yield* folder}/security`
          const files = (guess: string) => new Map([[`parts/guess/model.mjs`, guess]])
          assert.isTrue(Exit.isSuccess((yield* boot(keys, {}, files("as it was"))).exit))
          const tampered = yield* boot(keys, {}, files("changed"))
          // It may be absent, so it is: with the reason, and without having run.
          assert.isTrue(Exit.isSuccess(tampered.exit))
          assert.deepStrictEqual(tampered.initialised, ["cache", "database"])
          assert.match(tampered.absent, /The component guess is not started.* another program/)
        })
      )
  )

  it.live("get new ones when a signed list says that the program was meant to change, and only then", () =>
    testing(
      Effect.gen(function* () {
        const fileSystem = yield* FileSystem.FileSystem
        const at = yield* folder
        const keys = `${at}/security`
        const { dist, key, manifest, sign } = yield* release(at)
        const signed = { manifest, publicKeys: [key] }
        const [before, after] = ["1", "2"].map((digest) => new Map([["parts/database/pool.mjs", digest]]))
        assert.isTrue(Exit.isSuccess((yield* boot(keys, signed, before)).exit))
        // Somebody changes the program: its list no longer fits, and nothing is even asked.
        yield* fileSystem.writeFileString(`${dist}/parts/database/pool.mjs`, "evil()")
        assert.strictEqual((yield* Effect.flip(boot(keys, signed, after)))._tag, "ProgramTampered")
        // A release changes it: signed again.
        yield* sign()
        assert.deepStrictEqual((yield* boot(keys, signed, after)).initialised, all)
        assert.deepStrictEqual((yield* boot(keys, {}, after)).initialised, all)
        // A signature vouches for the program, and not for whose certificate lies there.
        yield* fileSystem.copyFile(`${keys}/components/cache.pem`, `${keys}/components/database.pem`)
        assert.match(refusal(yield* boot(keys, signed, before)), /it is for something else/)
      })
    )
  )

  it.effect("get new ones in time, as long as the node is started now and then", () =>
    testing(
      Effect.gen(function* () {
        const fileSystem = yield* FileSystem.FileSystem
        const keys = `${yield* folder}/security`
        const read = fileSystem.readFileString(`${keys}/components/cache.pem`)
        yield* boot(keys)
        const first = yield* read
        yield* TestClock.adjust("59 days")
        yield* boot(keys)
        assert.strictEqual(yield* read, first)
        yield* TestClock.adjust("3 days")
        assert.deepStrictEqual((yield* boot(keys)).initialised, all)
        assert.notStrictEqual(yield* read, first)
        yield* TestClock.adjust("80 days")
        assert.deepStrictEqual((yield* boot(keys)).initialised, all)
      })
    )
  )

  it.effect("are asked for nothing when identities are off, which is the default", () =>
    testing(
      Effect.gen(function* () {
        const fileSystem = yield* FileSystem.FileSystem
        const at = yield* folder
        assert.deepStrictEqual((yield* boot(`${at}/security`, { mode: "off" })).initialised, all)
        assert.deepStrictEqual(yield* fileSystem.readDirectory(at), [])
      })
    )
  )

  it.effect(
    "stand on a boot that is measured when the settings want it, and on nothing that takes time otherwise",
    () =>
      testing(
        Effect.gen(function* () {
          const dataDir = yield* folder
          const beneath = (written: object) =>
            Admission.beneath(() => parts([]), {
              bootChain: settings({ bootChain: written }).bootChain,
              dataDir,
              nodeId: "node-1",
              version: () => "0123456789abcdef"
            })
          assert.deepStrictEqual((yield* beneath({})).measured, [])
          const { admission, measured } = yield* beneath({ identities: "require" })
          assert.deepStrictEqual(
            measured.map(({ what }) => what),
            ["settings", "component/cache", "component/database", "component/guess"]
          )
          yield* admission.admit("cache")
          assert.match((yield* Effect.flip(admission.admit("stranger"))).message, /nothing was measured of it/)
        })
      )
  )
})
