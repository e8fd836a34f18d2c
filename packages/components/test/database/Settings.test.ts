import { Duration, Exit, Redacted, Schema, SchemaAST } from "effect"
import { inspect } from "node:util"
import { assert, describe, it } from "vitest"
import { patienceMs, Settings } from "../../src/database/Settings.ts"

const decode = Schema.decodeUnknownExit(Settings)
const read = Schema.decodeUnknownSync(Settings)

describe("the settings of the database", () => {
  it("need nothing to be said, and then are those of the specification", () => {
    const { embedded, migrations, pool, sslmode, url } = read({})
    assert.isUndefined(url)
    assert.strictEqual(sslmode, "require")
    assert.deepStrictEqual([pool.min, pool.max], [5, 50])
    assert.deepStrictEqual(
      [pool.acquireTimeout, pool.idleTimeout, pool.lifetime].map((it) => Duration.toSeconds(it)),
      [30, 600, 3600]
    )
    assert.isTrue(migrations.enabled)
    assert.isTrue(embedded.enabled)
  })

  it("keep the URL from everybody who prints them", () => {
    const decoded = read({ url: "postgres://me:swordfish@db/app" })
    assert.notInclude(JSON.stringify(decoded) + inspect(decoded), "swordfish")
    assert.strictEqual(decoded.url === undefined ? "" : Redacted.value(decoded.url), "postgres://me:swordfish@db/app")
  })

  it("refuse a pool whose least is more than its most, and an encryption nobody knows", () => {
    assert.isTrue(Exit.isSuccess(decode({ pool: { min: 5, max: 5 } })))
    assert.isTrue(Exit.isFailure(decode({ pool: { min: 6, max: 5 } })))
    assert.isTrue(Exit.isFailure(decode({ pool: { min: 0 } })))
    assert.isTrue(Exit.isFailure(decode({ sslmode: "prefer" })))
  })

  it("describe every key", () => {
    const described: Array<string> = []
    const visit = (path: string, ast: SchemaAST.AST): void => {
      const description = SchemaAST.resolveDescription(ast) ?? ast.context?.annotations?.description
      assert.isString(description, path)
      described.push(path)
      if (!SchemaAST.isObjects(ast)) return
      for (const { name, type } of ast.propertySignatures) visit(`${path}.${String(name)}`, type)
    }
    visit("database", Settings.ast)
    assert.include(described, "database.pool.acquireTimeout")
    assert.include(described, "database.embedded.dataDir")
  })

  it("give a statement on our side a little longer than the server gives it", () => {
    assert.strictEqual(patienceMs(read({ statementTimeout: "2s" })), 7_000)
  })
})
