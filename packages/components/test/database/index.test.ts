import { assert, it } from "vitest"
import * as Database from "../../src/index.ts"

it("the front door has the component, its settings and service, what it may fail with, and little else", () => {
  const offered = Object.keys(Database.Database).filter((name) => !isError(name))
  assert.sameMembers(offered, [
    "component",
    "deferred",
    "examine",
    "Database",
    "DeferredMigrations",
    "Settings",
    "SslMode",
    "migrations"
  ])
  assert.lengthOf(Object.keys(Database.Database).filter(isError), 20)
})

const isError = (name: string): boolean => {
  const it: unknown = Reflect.get(Database.Database, name)
  return typeof it === "function" && it.prototype instanceof Error
}
