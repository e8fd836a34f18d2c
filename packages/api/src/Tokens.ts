/** Tokens of programs that talk to the API: what is known of them. The token itself is shown once, when it is made. */
import { Schema } from "effect"
import { Name } from "./Tasks.ts"

/** Roles by their names, at least one. */
export const Roles = Schema.Array(Name).check(Schema.isMinLength(1), Schema.isMaxLength(32))

/** What is asked for. */
export const Request = Schema.Struct({
  /** Whom it stands for; no two live tokens have the same. */
  name: Name,
  roles: Roles,
  /** Default: 90 days; ten years at the most. */
  lifetimeSeconds: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3_650 * 86_400 })))
})
export type Request = typeof Request.Type

/** What is known of a token. Times are ISO 8601 in UTC. */
export const Token = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  roles: Schema.Array(Schema.String),
  createdBy: Schema.String,
  createdAt: Schema.String,
  expiresAt: Schema.String
})
export type Token = typeof Token.Type

/** A token that was just made, with the secret that nobody can have again. */
export const Created = Schema.Struct({ token: Token, secret: Schema.String })
export type Created = typeof Created.Type
