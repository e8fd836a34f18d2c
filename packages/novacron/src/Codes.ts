/**
 * The errors that can keep a node from coming up, by tag: their code, what the process exits with, the setting to look
 * at, and what to do now. The code leads to the runbook: `novacron explain NVC-2101`.
 *
 * **Details**
 *
 * Events and reports carry errors as tag and message. This is the one place that knows the rest; a test holds that it
 * agrees with the classes, and that every code has a runbook.
 */
import type { Report } from "@novacron/boot/model"
import type { ExitCode } from "./Meanings.ts"

/** What is known of an error. */
export interface Code {
  /** `NVC-2101` */
  readonly code: string
  readonly exit: ExitCode
  /** The setting that decides about it, as it is written into a file. */
  readonly setting?: string
  /** What to do now, in one line. */
  readonly remedy: string
}

/** By tag of the error. */
export const codes: { readonly [tag: string]: Code } = {
  // -------------------------------------------------------------------------------------------------- the process
  AlreadyRunning: {
    code: "NVC-3001",
    exit: 73,
    setting: "system.data_dir",
    remedy: "novacron status shows the node that runs; stop it first, or give this one a data_dir of its own"
  },
  NodeDirUnusable: {
    code: "NVC-3003",
    exit: 73,
    setting: "system.data_dir",
    remedy: "make the directory writable for the user of this node, or choose another one"
  },
  ControlSocketFailed: {
    code: "NVC-3004",
    exit: 73,
    setting: "system.data_dir",
    remedy: "is the data directory on a file system that can hold sockets, and may this user write to it?"
  },
  TimedOut: {
    code: "NVC-3005",
    exit: 69,
    remedy: "does what it waits for answer? if it only needs longer, raise its timeout"
  },
  Defect: {
    code: "NVC-3006",
    exit: 70,
    remedy: "this is a bug: keep the log with its stack and the report, and tell the maintainers"
  },
  NoNode: {
    code: "NVC-3007",
    exit: 69,
    setting: "system.data_dir",
    remedy: "start one with novacron boot, or name the data directory of the one that runs with --data-dir"
  },
  ReportUnwritable: {
    code: "NVC-3008",
    exit: 73,
    remedy: "name a file in a directory that exists and that this user may write"
  },
  InvalidBoot: {
    code: "NVC-3009",
    exit: 70,
    remedy: "this is a bug of the composition: novacron plan shows the graph"
  },
  Refused: {
    code: "NVC-3010",
    exit: 69,
    remedy: "novacron why NAME says what state the component is in"
  },
  Unhealthy: {
    code: "NVC-3011",
    exit: 69,
    remedy: "it started and its probe said no: look at what it stands on"
  }
}

/** The code of an error, if it has one. */
export const find = (tag: string): Code | undefined => (Object.hasOwn(codes, tag) ? codes[tag] : undefined)

/** The code of an error object: what it says itself, and what is known of its tag. */
export const ofError = (error: { readonly _tag: string }): (Pick<Code, "code"> & Partial<Code>) | undefined => {
  const known = find(error._tag)
  const said = "code" in error && typeof error.code === "string" ? error.code : undefined
  return said === undefined ? known : { ...known, code: said }
}

/** The causes that ended the boot; when time ran out before anything failed, whatever had gone wrong until then. */
export const fatal = ({ components, failures }: Report.Report): Report.Report["failures"] => {
  const fallen = components.filter(({ name, state }) => state === "failed" && !name.includes("/"))
  const deadly = failures.filter((one) =>
    fallen.some(({ name }) => one.components.includes(name) || one.notStarted.includes(name))
  )
  return deadly.length > 0 ? deadly : failures
}
