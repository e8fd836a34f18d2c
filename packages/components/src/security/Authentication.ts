/**
 * Who somebody is, by what he shows: a certificate, a token, a token of an issuer, or nothing.
 *
 * **Details**
 *
 * A certificate arrives here after TLS has verified that the CA signed it and that its owner has the key; here it gets a
 * name and roles, unless it was revoked. Peers show one whatever the method is. Tokens are compared by hashes under a key
 * of this process, each with all of them and in constant time, so the time that it takes says nothing.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import { Effect, Redacted } from "effect"
import * as Oidc from "./Oidc.ts"
import { type Credential, type Principal, Unauthenticated } from "./Security.ts"
import type { Settings } from "./Settings.ts"

export type Authenticate = (credential: Credential) => Effect.Effect<Principal, Unauthenticated>

/** Longer than any token of an issuer; what is longer is not looked at. */
const maxTokenLength = 16_384

/** Gets ready to know people: for `oidc` it asks the issuer for its keys. */
export const make = Effect.fn("Authentication.make")(function* (settings: (typeof Settings.Type)["authentication"]) {
  const { method, oidc } = settings
  const rolesOf = (name: string): ReadonlyArray<string> | undefined =>
    Object.hasOwn(settings.principals, name) ? settings.principals[name] : undefined
  const isRevoked = revocations(settings.revoked)
  const bearer: (token: Redacted.Redacted) => Effect.Effect<Principal, Unauthenticated> =
    method === "oidc" && oidc.issuer !== undefined
      ? byIssuer(yield* Oidc.verifier({ ...oidc, issuer: oidc.issuer }), rolesOf)
      : method === "token"
        ? byToken(settings.tokens)
        : () => refuse("this node takes no tokens")

  const authenticate: Authenticate = (credential) =>
    Effect.suspend(() => {
      switch (credential._tag) {
        case "Certificate": {
          const name = credential.commonName
          if (isRevoked(credential.fingerprint256)) return refuse("the certificate was revoked")
          if (name === "") return refuse("the certificate names nobody")
          return Effect.succeed<Principal>({ name, by: "mtls", roles: rolesOf(name) ?? settings.certificateRoles })
        }
        case "Bearer": {
          return Redacted.value(credential.token).length > maxTokenLength
            ? refuse("the token is longer than any")
            : bearer(credential.token)
        }
        case "Anonymous": {
          return method === "none"
            ? Effect.succeed<Principal>({ name: "anonymous", by: "none", roles: ["anonymous"] })
            : refuse("nothing was shown")
        }
      }
    })
  return authenticate
})

/** Whether a certificate was revoked, by its fingerprint, however that is written. */
export const revocations = (list: ReadonlyArray<string>): ((fingerprint256: string) => boolean) => {
  const revoked = new Set(list.map(normal))
  return (fingerprint256) => revoked.has(normal(fingerprint256))
}

// ----------------------------------------------------------------------------------------------------------- private

const refuse = (reason: string): Effect.Effect<never, Unauthenticated> => Effect.fail(new Unauthenticated({ reason }))

const normal = (fingerprint: string): string => fingerprint.replaceAll(":", "").toLowerCase()

const byIssuer =
  (verify: Oidc.Verify, rolesOf: (name: string) => ReadonlyArray<string> | undefined) =>
  (token: Redacted.Redacted): Effect.Effect<Principal, Unauthenticated> =>
    Effect.map(verify(token), ({ roles, subject }) => ({
      name: subject,
      by: "oidc",
      roles: [...roles, ...(rolesOf(subject) ?? [])]
    }))

const byToken = (tokens: (typeof Settings.Type)["authentication"]["tokens"]) => {
  const key = randomBytes(32)
  const hash = (token: Redacted.Redacted) => createHmac("sha256", key).update(Redacted.value(token)).digest()
  const known = Object.entries(tokens).map(([name, { roles, token }]) => ({ name, roles, hash: hash(token) }))
  return (token: Redacted.Redacted): Effect.Effect<Principal, Unauthenticated> =>
    Effect.suspend(() => {
      const shown = hash(token)
      // All of them, also after one has fitted.
      const [found] = known.filter((one) => timingSafeEqual(one.hash, shown))
      return found === undefined
        ? refuse("nobody has that token")
        : Effect.succeed({ name: found.name, by: "token", roles: found.roles })
    })
}
