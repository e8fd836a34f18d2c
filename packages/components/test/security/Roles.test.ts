import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Roles from "../../src/security/Roles.ts"
import { settings } from "./fixtures/place.ts"

const table: Roles.Roles = {
  admin: ["*"],
  operator: ["components.*", "status.read"],
  restorer: ["components.*.restore"],
  viewer: ["status.read"],
  nobody: []
}

/** The matrix: what each role may do, and with it all that it may not. */
const allowed: { readonly [role: string]: ReadonlyArray<string> } = {
  admin: [
    "status.read",
    "status",
    "components.restore",
    "components.cache.restore",
    "components.cache.stop",
    "config.write"
  ],
  operator: ["status.read", "components.restore", "components.cache.restore", "components.cache.stop"],
  restorer: ["components.cache.restore"],
  viewer: ["status.read"],
  nobody: [],
  unknown: [],
  // Names that every object of JavaScript knows.
  constructor: [],
  __proto__: []
}

describe("roles", () => {
  for (const [role, may] of Object.entries(allowed)) {
    for (const action of allowed["admin"] ?? []) {
      it(`${may.includes(action) ? "let" : "do not let"} ${role} ${action}`, () => {
        assert.strictEqual(Roles.allows(table, [role], action), may.includes(action))
      })
    }
  }

  it("add up", () => {
    assert.isTrue(Roles.allows(table, ["viewer", "restorer"], "status.read"))
    assert.isTrue(Roles.allows(table, ["viewer", "restorer"], "components.cache.restore"))
    assert.isFalse(Roles.allows(table, ["viewer", "restorer"], "components.cache.stop"))
  })

  it("allow nothing without a role, and no action without a name", () => {
    assert.isFalse(Roles.allows(table, [], "status.read"))
    assert.isFalse(Roles.allows(table, ["admin"], ""))
    assert.isFalse(Roles.allows(table, ["admin"], "components..restore"))
  })

  it("of the settings let an operator restore, a viewer look, and a peer do neither", () => {
    const { roles } = settings({})
    assert.isTrue(Roles.allows(roles, ["operator"], "components.restore"))
    assert.isTrue(Roles.allows(roles, ["operator"], "tasks.cancel"))
    assert.isFalse(Roles.allows(roles, ["operator"], "tokens.create"))
    assert.isFalse(Roles.allows(roles, ["viewer"], "tasks.submit"))
    assert.isTrue(Roles.allows(roles, ["viewer"], "status.read"))
    assert.isFalse(Roles.allows(roles, ["viewer"], "components.restore"))
    assert.isTrue(Roles.allows(roles, ["peer"], "peer.connect"))
    assert.isFalse(Roles.allows(roles, ["peer"], "status.read"))
    assert.isFalse(Roles.allows(roles, ["anonymous"], "status.read"))
  })

  const word = fc.constantFrom("a", "b", "c")
  const action = fc.array(word, { minLength: 1, maxLength: 4 })

  it("allow exactly an action that they spell out", () => {
    fc.assert(
      fc.property(action, action, (pattern, action) => {
        assert.strictEqual(Roles.matches(pattern.join("."), action.join(".")), pattern.join(".") === action.join("."))
      })
    )
  })

  it("allow with a star at the end all that follows, and not the beginning itself", () => {
    fc.assert(
      fc.property(action, action, (first, rest) => {
        const pattern = [...first, "*"].join(".")
        assert.isTrue(Roles.matches(pattern, [...first, ...rest].join(".")))
        assert.isFalse(Roles.matches(pattern, first.join(".")))
      })
    )
  })

  it("allow no less with a star in place of a word", () => {
    fc.assert(
      fc.property(action, fc.nat(3), (action, at) => {
        const pattern = action.map((word, i) => (i === at ? "*" : word)).join(".")
        assert.isTrue(Roles.matches(pattern, action.join(".")))
      })
    )
  })
})
