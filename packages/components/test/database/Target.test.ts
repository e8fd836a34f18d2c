import { Option, Redacted, Result } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Target from "../../src/database/Target.ts"

const read = (url: string, sslmode: "require" | "disable" = "require") =>
  Target.fromUrl(Redacted.make(url), { sslmode })
const target = (url: string) => Result.getOrThrow(read(url))

/** Whatever a person may call something, without what no database allows. */
const word = fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" }).filter((it) => !/[\0/]|^\.+$/.test(it))
const secret = fc.uuid()

describe("a target", () => {
  it("is what its URL says, whatever characters are in it", () => {
    fc.assert(
      fc.property(word, secret, word, fc.integer({ min: 1, max: 65_535 }), (user, password, database, port) => {
        const [u, p, d] = [user, password, database].map(encodeURIComponent)
        const it = target(`postgres://${u}:${p}@db.example:${port}/${d}`)
        assert.deepStrictEqual(it.at, { _tag: "Tcp", host: "db.example", port })
        assert.deepStrictEqual([it.user, it.database], [user, database])
        assert.strictEqual(Option.getOrUndefined(Option.map(it.password, Redacted.value)), password)
      })
    )
  })

  it("shows everything but the password", () => {
    fc.assert(
      fc.property(secret, fc.constantFrom("db.example", "10.0.0.7", "[::1]"), (password, host) => {
        const it = target(`postgres://me:${password}@${host}/app?password=${password}`)
        const shown = [Target.describe(it), Target.endpoint(it), Target.isReady(it), JSON.stringify(it)].join()
        assert.include(shown, "me@")
        assert.notInclude(shown, password)
      })
    )
  })

  it("is a socket when its host is a directory, and then needs no encryption", () => {
    const it = target("postgres://me@/app?host=/run/postgresql&port=6000")
    assert.deepStrictEqual(it.at, { _tag: "Unix", directory: "/run/postgresql", port: 6000 })
    assert.strictEqual(it.sslmode, "disable")
    assert.strictEqual(Target.endpoint(it), "/run/postgresql/.s.PGSQL.6000")
    assert.strictEqual(Target.isReady(it), "pg_isready -h /run/postgresql -p 6000")
    assert.strictEqual(target("postgres://me@%2Frun%2Fpostgresql/app").at._tag, "Unix")
  })

  it("has PostgreSQL's port, and the user's database, when the URL names none", () => {
    const it = target("postgresql://me@db")
    assert.strictEqual(Target.describe(it), "postgres://me@db:5432/me")
  })

  it("takes the encryption from the URL before the settings, and never less than asked for", () => {
    assert.strictEqual(target("postgres://me@db/app?sslmode=verify-full").sslmode, "verify-full")
    assert.strictEqual(target("postgres://me@db/app?sslmode=prefer").sslmode, "require")
    assert.strictEqual(Result.getOrThrow(read("postgres://me@db/app", "disable")).sslmode, "disable")
  })

  it("says what is wrong with a URL, and never repeats it", () => {
    const wrong: ReadonlyArray<readonly [url: string, problem: RegExp]> = [
      ["swordfish", /not a URL/],
      ["postgres://me:swordfish@db:99999/app", /not a URL/],
      ["mysql://me:swordfish@db/app", /postgres:\/\//],
      ["postgres://:swordfish@db/app", /names no user/],
      ["postgres://me:swordfish%zz@db/app", /hexadecimal/],
      ["postgres://me:swordfish@db/app?sslmode=maybe", /sslmode/],
      ["postgres://me:swordfish@db/app?port=many", /port/]
    ]
    for (const [url, problem] of wrong) {
      const result = read(url)
      assert.isTrue(Result.isFailure(result), url)
      const text = Result.isFailure(result) ? result.failure.message + JSON.stringify(result.failure) : ""
      assert.match(text, problem)
      assert.notInclude(text, "swordfish")
    }
  })
})
