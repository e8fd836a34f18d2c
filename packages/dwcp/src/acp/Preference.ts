/** Which congestion control a link asks for, by environment, and which one it got: two things, both reported. */
import type { Kernel, Tcp } from "./Tcp.ts"

export type Environment = "datacenter" | "internet" | "hybrid"

/** Best first. What none of them can give is left as the system has it. */
export const preferences: { readonly [E in Environment]: ReadonlyArray<string> } = {
  datacenter: ["dctcp", "bbr", "cubic"],
  internet: ["bbr", "cubic"],
  hybrid: ["bbr", "cubic"]
}

/** What was asked of the kernel for one socket, and what came of it. */
export interface Report {
  /** The best of the list. */
  readonly requested: string
  /** What the socket runs, read back; "unavailable" when the kernel cannot be asked. */
  readonly effective: string
  /** Why it is not the requested one. */
  readonly because?: string
}

/** `auto` takes the list of the environment; a name is a list of one. */
export const listOf = (asked: string, environment: Environment): ReadonlyArray<string> =>
  asked === "auto" ? preferences[environment] : [asked]

/** Sets the first of `list` that the kernel takes. */
export const apply = (tcp: Tcp, fd: number, list: ReadonlyArray<string>): Report => {
  const requested = list[0] ?? "auto"
  if (tcp._tag === "Unavailable") return { requested, effective: "unavailable", because: tcp.reason }
  return choose(tcp, fd, list, requested)
}

const choose = (kernel: Kernel, fd: number, list: ReadonlyArray<string>, requested: string): Report => {
  const refusals: Array<string> = []
  for (const name of list) {
    const outcome = kernel.setCongestion(fd, name)
    if (outcome._tag === "Done") {
      return refusals.length === 0
        ? { requested, effective: name }
        : { requested, effective: name, because: refusals.join(", ") }
    }
    refusals.push(`${name}: ${outcome.reason}`)
  }
  return { requested, effective: kernel.congestion(fd) ?? "unavailable", because: refusals.join(", ") }
}

/** Whether a control backs off at every loss, so that random loss starves one stream and many must share the work. */
export const yieldsToLoss = (effective: string): boolean => !effective.startsWith("bbr")
