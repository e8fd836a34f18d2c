/**
 * Who may do what: roles, each with the actions that it allows. What no role allows is forbidden.
 *
 * **Details**
 *
 * Actions are dotted words, `components.restore`. In a pattern `*` stands for one word, and at the end for all that
 * follows: `components.*` allows `components.restore` and `components.cache.restore`, but not `components`; `*` allows
 * everything.
 */

/** The actions of each role, by its name. */
export interface Roles {
  readonly [role: string]: ReadonlyArray<string>
}

/** Whether one of the roles allows the action. A role that the table does not have allows nothing. */
export const allows = (table: Roles, roles: ReadonlyArray<string>, action: string): boolean =>
  roles.some((role) => Object.hasOwn(table, role) && table[role]!.some((pattern) => matches(pattern, action)))

/** Whether a pattern covers an action. */
export const matches = (pattern: string, action: string): boolean => {
  const wanted = pattern.split(".")
  const words = action.split(".")
  if (words.includes("")) return false
  const isOpenEnded = wanted.at(-1) === "*"
  if (isOpenEnded ? words.length < wanted.length : words.length !== wanted.length) return false
  return wanted.every((word, i) => word === "*" || word === words[i])
}
