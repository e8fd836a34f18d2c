/** What somebody who means no good sends to the API, at every place of the contract. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Contract } from "@novacron/api"
import { Clock, Effect, Schema } from "effect"
import { exportJWK, generateKeyPair, importJWK, SignJWT } from "jose"
import { Settings as SecuritySettings } from "../../src/security/Settings.ts"
import { start as startIssuer } from "../security/fixtures/issuer.ts"
import { ask, environment, start, submission, tokenOf } from "./fixtures/server.ts"

const live = (name: string, body: () => Effect.Effect<unknown, unknown, Effect.Services<ReturnType<typeof start>>>) =>
  it.live(name, () => body().pipe(Effect.scoped, Effect.provide(environment)), 60_000)

const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")

describe("the API", () => {
  live(
    "lets in nobody whose token is forged, changed, for others, or has run out, at any place; it is written down",
    () =>
      Effect.gen(function* () {
        const issuer = yield* startIssuer
        const nowS = Math.floor((yield* Clock.currentTimeMillis) / 1_000)
        const claims = { iss: issuer.url, aud: "novacron", sub: "job", roles: ["admin"], iat: nowS, exp: nowS + 600 }
        const signed = (changed: object, key = issuer.key) =>
          Effect.promise(async () =>
            new SignJWT({ ...claims, ...changed })
              .setProtectedHeader({ alg: "RS256", kid: `${issuer.key.kid}` })
              .sign(await importJWK(key, "RS256"))
          )
        const strangersKey = yield* Effect.promise(async () =>
          exportJWK((await generateKeyPair("RS256", { extractable: true })).privateKey)
        )
        const [head = "", body = "", signature = ""] = (yield* signed({ roles: ["viewer"] })).split(".")
        const wrong = {
          expired: yield* signed({ exp: nowS - 60 }),
          "for others": yield* signed({ aud: "somebody-else" }),
          forged: yield* signed({}, strangersKey),
          changed: `${head}.${encoded(claims)}.${signature}`,
          unsigned: `${encoded({ alg: "none" })}.${body}.`,
          "no token": "Robert'); DROP TABLE tokens;--"
        }

        const authentication = { method: "oidc", oidc: { issuer: issuer.url } }
        const security = Schema.decodeUnknownSync(SecuritySettings)({ authentication })
        const running = yield* start({ rate: { perMinute: 100_000, burst: 10_000, failures: 10_000 } }, { security })
        const known = yield* ask(running, "/v1/node", { token: yield* signed({}) })
        assert.strictEqual(known.status, 200, known.text)
        let tried = 0
        for (const group of Object.values(Contract.Contract.groups)) {
          for (const { method, path, payload } of Object.values(group.endpoints)) {
            for (const [what, token] of Object.entries(wrong)) {
              const asked = { method, token, ...(payload.size === 0 ? {} : { body: submission }) }
              const { json, status } = yield* ask(running, path.replace(/:\w+/, "nothing"), asked)
              assert.strictEqual(status, 401, `${what} ${method} ${path}`)
              assert.containSubset(json, { code: "NVC-2812" })
              tried++
            }
          }
        }
        assert.isAbove(tried, 80)
        assert.strictEqual(running.memory.tasks.size, 0)
        const audit = readFileSync(`${running.dataDir}/security/audit.jsonl`, "utf8")
        assert.isAbove(audit.split('"auth.failed"').length - 1, 80)
        for (const token of Object.values(wrong)) assert.notInclude(audit, token)
      })
  )

  live("says no to JSON that is none, is too deep, or means something else than it seems to, and goes on", () =>
    Effect.gen(function* () {
      const running = yield* start({ rate: { perMinute: 100_000, burst: 10_000 } })
      const good = JSON.stringify(submission)
      const admin = { token: tokenOf("admin"), method: "POST" }
      const bodies = {
        "cut off": good.slice(0, -1),
        "more than one": `${good}${good}`,
        "a list": `[${good}]`,
        "a hundred thousand lists": "[".repeat(100_000) + "]".repeat(100_000),
        "a hundred thousand objects": '{"run":'.repeat(100_000) + "1" + "}".repeat(100_000),
        "a prototype": `${good.slice(0, -1)},"__proto__":{"group":"x"}}`,
        "a constructor": `${good.slice(0, -1)},"constructor":{}}`,
        "a number beyond all": `${good.slice(0, -1)},"timeoutMs":1e999}`,
        "a number that is none": `${good.slice(0, -1)},"timeoutMs":NaN}`,
        "half a character": good.replace("hello", "\\ud800"),
        "a character 0": good.replace('"hello"]', '"a\\u0000b"]'),
        "a name that leads elsewhere": good.replace('"hello"', '"../../etc/passwd"'),
        "a shell instead of a list": good.replace('["/bin/echo","hello"]', '"rm -rf /"'),
        "another driver": good.replace('"process"', '"kernel"')
      }
      for (const [what, body] of Object.entries(bodies)) {
        assert.notStrictEqual(body, good, what)
        const { json, status, text } = yield* ask(running, "/v1/tasks", { ...admin, body })
        assert.strictEqual(status, 400, `${what}: ${text}`)
        assert.containSubset(json, { code: "NVC-2811" })
        // Nobody gets a megabyte back for a megabyte.
        assert.isBelow(text.length, 20_000, what)
      }
      assert.strictEqual(running.memory.tasks.size, 0)
      assert.strictEqual((yield* ask(running, "/v1/tasks", { ...admin, body: good })).status, 201)
    })
  )
})
