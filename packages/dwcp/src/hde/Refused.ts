/**
 * What reading throws when data cannot be trusted. The edges make typed failures of it (`Failures.ts`).
 *
 * **Details**
 *
 * It stands apart from them because threads load it: without Effect they start sooner and take half of the memory.
 */

export interface Kinds {
  readonly HdeCorrupt: { readonly reason: string; readonly cause?: unknown }
  readonly TooLarge: { readonly what: string; readonly bytes: number; readonly limit: number }
}

export class Refused extends Error {
  /** Which failure it is, and the fields of that. */
  readonly is: { readonly [Kind in keyof Kinds]: readonly [kind: Kind, fields: Kinds[Kind]] }[keyof Kinds]
  constructor(is: Refused["is"]) {
    super(is[0] === "HdeCorrupt" ? is[1].reason : `${is[1].what} of ${is[1].bytes} bytes`)
    this.is = is
  }
}

export const corrupt = (reason: string, cause?: unknown): Refused =>
  new Refused(["HdeCorrupt", cause === undefined ? { reason } : { reason, cause }])

export const tooLarge = (what: string, bytes: number, limit: number): Refused =>
  new Refused(["TooLarge", { what, bytes, limit }])
