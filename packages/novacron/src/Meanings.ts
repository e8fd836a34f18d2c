/** The exit codes of this program, and what each of them means. */

/** Every code that the process can exit with, and what it means. */
export const meanings = {
  0: "clean: up and left running, or stopped when asked to",
  1: "of config diff: the settings differ",
  64: "usage: a command line that this program does not understand, or that names a component or boot that is not there",
  65: "bad data: a signature does not fit, what is kept was changed, an input is wrong, or there is no such task or token",
  69: "a critical dependency is unavailable, no node answers or it says no, or the task that was waited for did not succeed",
  70: "internal: a defect, or something could not be closed",
  73: "cannot create: a lock, a port, a socket or a directory is taken or refused",
  75: "temporary: up but degraded, and --strict was given; or too much at once, and later it may be taken",
  77: "permission: a file may not be read, or by too many; the node is another user's; a login or a token is refused",
  78: "configuration: settings are wrong, or the machine has not what they need",
  124: "the deadline of the boot or of a phase passed",
  130: "cancelled by SIGINT",
  143: "cancelled by SIGTERM"
} as const

export type ExitCode = keyof typeof meanings

/** The code, if it is one that is documented; otherwise 70. */
export const known = (code: number): ExitCode => (isKnown(code) ? code : 70)

const isKnown = (code: number): code is ExitCode => Object.hasOwn(meanings, code)
