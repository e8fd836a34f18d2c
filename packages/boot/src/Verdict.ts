/**
 * What went wrong, twice: as the error that the channel carries, with its cause, and as the record that events carry,
 * with its text and nothing else.
 */
import { Cause } from "effect"
import type { Closing, Failure } from "./BootEvent.ts"
import type { Build } from "./Recipe.ts"
import { classify, Defect, messageOf, tagOf, TimedOut, Unhealthy, word } from "./Severity.ts"

/** What ended a start: the component's own error, or a fault. Who interrupts itself has a bug like any other. */
export const failureOf = (component: string, cause: Cause.Cause<unknown>): unknown => {
  for (const reason of cause.reasons) {
    if (Cause.isDieReason(reason)) return new Defect({ component, cause: reason.defect })
  }
  for (const reason of cause.reasons) if (Cause.isFailReason(reason)) return reason.error
  return new Defect({ component, cause: new Error("it interrupted itself") })
}

/** What a probe has found. */
export const complaintOf = (component: string, cause: Cause.Cause<unknown>): unknown => {
  const error = failureOf(component, cause)
  return error instanceof Defect ? error : new Unhealthy({ component, cause: error })
}

/** The error as a record, with the severity that its component gives it. */
export const record = (build: Build, error: unknown, redact: (text: string) => string): Failure => ({
  kind: kindOf(error),
  // Of an error that is a plain text, the tag is that text.
  tag: redact(tagOf(error)),
  message: redact(messageOf(error)),
  severity: word[classify(build.table, error)]
})

const kindOf = (error: unknown): Failure["kind"] => {
  if (error instanceof Defect) return "defect"
  if (error instanceof Unhealthy) return "unhealthy"
  return error instanceof TimedOut ? "timeout" : "error"
}

/** Of two closings the one that left more behind. */
export const worse = (before: Closing | undefined, closing: Closing): Closing => {
  if (before === undefined || before === "clean") return closing
  return closing === "abandoned" ? closing : before
}
