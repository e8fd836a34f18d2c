/**
 * Who holds a lock: a process that cannot be mistaken for another one, as the text of the lock file. Pure.
 *
 * **Details**
 *
 * Numbers of processes are used again. A process is the same one only when the machine has not been booted since, the
 * number is counted in the same namespace (two containers each have a process 7), and it began at the same tick.
 */
import { type Option, Schema } from "effect"

/** A process, for good. Where the system tells nothing of it, a part is empty. */
export const Holder = Schema.Struct({
  version: Schema.Literal(1),
  pid: Schema.Int,
  /** Of the machine: `/proc/sys/kernel/random/boot_id`. */
  bootId: Schema.String,
  /** Where its number counts: `/proc/self/ns/pid`. */
  namespace: Schema.String,
  /** Clock ticks from the boot of the machine to the start of the process: field 22 of `/proc/PID/stat`. */
  startTicks: Schema.String,
  /** When it took the lock, ISO 8601. */
  since: Schema.String,
  /** Chance, so that no two locks are the same one. */
  nonce: Schema.String
})
export type Holder = typeof Holder.Type

/** Whether a holder is still there. `Unknowable`: it counts as held, because the other mistake loses data. */
export type Presence = "Alive" | "Gone" | "Unknowable"

/** What the machine says of a process number: the tick at which the process began, or that there is none. */
export type Found = { readonly _tag: "Running"; readonly startTicks: string } | { readonly _tag: "NotRunning" }

/** Whether the holder is still there, as seen by `self`, with what the machine says of the holder's number. */
export const presence = (holder: Holder, self: Holder, found: Found): Presence => {
  if (holder.bootId !== self.bootId) return holder.bootId === "" || self.bootId === "" ? "Unknowable" : "Gone"
  if (holder.bootId === "" || holder.namespace !== self.namespace) return "Unknowable"
  if (found._tag === "NotRunning") return "Gone"
  return found.startTicks === holder.startTicks ? "Alive" : "Gone"
}

/** The text of the lock file. */
export const format = (holder: Holder): string => `${JSON.stringify(holder)}\n`

/** What a lock file says; nothing when it is no text of {@link format}. */
export const parse = (text: string): Option.Option<Holder> => decode(text)

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Holder))

/**
 * Field 22 of `/proc/PID/stat`: when the process began. The second field is the name of the program, in parentheses,
 * and may hold spaces and parentheses itself. A zombie (`Z`, `X`) holds nothing any more.
 */
export const startTicksOf = (stat: string): Found => {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const state = fields[0] ?? ""
  const startTicks = fields[19]
  return startTicks === undefined || state === "Z" || state === "X" || state === "x"
    ? { _tag: "NotRunning" }
    : { _tag: "Running", startTicks }
}
