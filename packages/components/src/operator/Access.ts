/**
 * Who may do what at the dashboard: a session has roles, each place names an action, and the roles of security say whether
 * the one allows the other. Where the API has such a place too, the action is the same.
 *
 * **Details**
 *
 * What is refused is refused here, whatever the pages show, and is a line in the audit log as soon as there is one. A
 * place that is not in {@link actions} is for nobody.
 */
import { Effect, Option } from "effect"
import * as Roles from "../security/Roles.ts"
import type { Principal, Security } from "../security/Security.ts"

/** What one must be allowed to do at a place; `session` is for whoever has one. */
export const actions: { readonly [place: string]: string | undefined } = {
  "GET /api/session": "session",
  "DELETE /api/session": "session",
  "GET /api/node": "session",
  "GET /api/events": "status.events",
  "GET /api/report": "status.report",
  "GET /api/why": "status.why",
  "GET /api/health": "health.node",
  "GET /api/settings": "status.settings",
  "GET /api/boots": "status.boots",
  "GET /api/boot": "status.boots",
  "GET /api/difference": "status.boots",
  "GET /api/restore": "status.impact",
  "POST /api/restore": "components.restore",
  "GET /api/nodes": "status.nodes",
  "GET /api/tasks": "status.tasks",
  "GET /api/task": "status.tasks",
  "GET /api/fit": "status.tasks",
  "GET /api/output": "tasks.output",
  "POST /api/cancel": "tasks.cancel"
}

const all = [...new Set(Object.values(actions).flatMap((one) => one ?? []))]

export interface Access {
  readonly may: (guest: Principal, action: string) => boolean
  /** All that somebody may do here. */
  readonly allowed: (guest: Principal) => ReadonlyArray<string>
  /** Writes a refusal down. */
  readonly refused: (guest: Principal, action: string) => Effect.Effect<void>
  /** Writes down that it was done, or that it was tried and failed. */
  readonly audited: (
    action: string,
    guest: Principal,
    subject: string
  ) => <A, E>(change: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

/** `security` is nothing until it is up. */
export const make = (roles: Roles.Roles, security: Effect.Effect<Option.Option<Security["Service"]>>): Access => {
  const may = (guest: Principal, action: string): boolean =>
    action === "session" || Roles.allows(roles, guest.roles, action)
  const note = (action: string, guest: Principal, subject: string, success: boolean): Effect.Effect<void> =>
    Effect.flatMap(security, (it) =>
      Option.isSome(it)
        ? it.value.audit({ action, principal: guest.name, subject, success })
        : Effect.logInfo(`${action} ${JSON.stringify(subject)}, by ${guest.name}: ${success ? "done" : "not done"}`)
    )
  return {
    may,
    allowed: (guest) => all.filter((action) => may(guest, action)),
    // Security comes to the same answer, and writes it down; not more often than its log can bear.
    refused: (guest, action) =>
      Effect.flatMap(security, (it) =>
        Option.isSome(it)
          ? Effect.ignore(it.value.authorize(guest, action))
          : Effect.logWarning(`The dashboard refuses ${guest.name} what ${action} is needed for.`)
      ),
    audited: (action, guest, subject) => (change) =>
      change.pipe(
        Effect.tap(() => note(action, guest, subject, true)),
        Effect.tapError(() => note(action, guest, subject, false))
      )
  }
}
