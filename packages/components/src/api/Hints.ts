/** What a problem says in headers, beside its body: when to ask again, how to say who one is, what a place takes. */
import type { Problem } from "@novacron/api"

/** The headers of a problem, by lower-case names. */
export const hints = (problem: Problem.Problem): { readonly [header: string]: string } => {
  if ("retryAfterSeconds" in problem) return { "retry-after": `${Math.max(1, problem.retryAfterSeconds)}` }
  if (problem._tag === "Unauthenticated") return { "www-authenticate": 'Bearer realm="novacron"' }
  if (problem._tag === "MethodNotAllowed") return { allow: problem.allowed.join(", ") }
  return problem._tag === "UpgradeRequired" ? { upgrade: "websocket" } : {}
}
