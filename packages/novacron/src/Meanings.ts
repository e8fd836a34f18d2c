/** The exit codes of this program, and what each of them means. */

/** Every code that the process can exit with, and what it means. */
export const meanings = {
  0: "clean: up and left running, or stopped when asked to",
  1: "of config diff: the settings differ",
  64: "usage: the command line is not one that this program understands",
  65: "bad data: a signature does not fit, or what is kept was changed",
  69: "a critical dependency is unavailable, or no node answers",
  70: "internal: a defect, or something could not be closed",
  73: "cannot create: a lock, a port, a socket or a directory is taken or refused",
  75: "temporary: up but degraded, and --strict was given",
  77: "permission: a file may not be read, or may be read by too many",
  78: "configuration: settings are wrong",
  124: "the deadline of the boot or of a phase passed",
  130: "cancelled by SIGINT",
  143: "cancelled by SIGTERM"
} as const

export type ExitCode = keyof typeof meanings

/** The code, if it is one that is documented; otherwise 70. */
export const known = (code: number): ExitCode => (isKnown(code) ? code : 70)

const isKnown = (code: number): code is ExitCode => Object.hasOwn(meanings, code)
