#!/usr/bin/env node
/**
 * Launches the published program with compiled code from the runs before, which makes it start in half the time: its own
 * parts by `Parts`, the packages beside it by Node. The code is kept where only this user writes: `$CACHE_DIRECTORY` of
 * systemd, `$XDG_CACHE_HOME`, or `~/.cache`; nowhere when there is none of them, when that is another user's, or with
 * `NODE_DISABLE_COMPILE_CACHE=1`.
 *
 * **Details**
 *
 * The program is there twice: `cli.js` knows the command line and nothing else, and answers `--help` at once;
 * `commands/main.js` shares its libraries with the commands, so that none is loaded twice. `commands/mainBoot.js` does
 * too, and knows no command but `boot`.
 */
import { mkdirSync, statSync } from "node:fs"
import * as module from "node:module"
import { homedir } from "node:os"
import { keeper, make } from "./Parts.ts"

// oxlint-disable-next-line no-restricted-globals -- before anything else there is
const self = process
const { argv, env } = self

/** Older ones start it, and lack something in the middle of it. */
const oldest = 24
if (Number.parseInt(self.versions.node) < oldest) {
  self.stderr.write(`NOT DONE                                                            exit 69
  cause     novacron needs Node ${oldest} or later, and ${self.execPath} is ${self.versions.node}.
  do        install Node ${oldest}, or put the one that is there first on the PATH
`)
  self.exit(69)
}

/** Why there is no directory that this works in, if there is none: one that was removed, or is on a disk that has gone. */
const lost = (): string | undefined => {
  try {
    self.cwd()
    return undefined
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error)
  }
}
const reason = lost()
if (reason !== undefined) {
  self.stderr.write(`NOT DONE                                                            exit 73
  cause     the directory that novacron was started in is gone: ${reason}. Paths in its settings may begin there.
  do        cd to one that is there, and start it again
`)
  self.exit(73)
}

const { CACHE_DIRECTORY, XDG_CACHE_HOME } = env

/** Where the cache of this user is, if there is a place for one: below which folder, and its own. */
const cache = (): readonly [string, string] | undefined => {
  const [first = ""] = CACHE_DIRECTORY?.split(":") ?? []
  if (first !== "") return [first, first]
  if (XDG_CACHE_HOME !== undefined && XDG_CACHE_HOME !== "") return [XDG_CACHE_HOME, `${XDG_CACHE_HOME}/novacron`]
  const home = homeOf()
  return home === "" || home === "/" ? undefined : [home, `${home}/.cache/novacron`]
}

/** A user who is in no list, as in a container that runs as any number, has a home by `$HOME` alone. */
const homeOf = (): string => {
  try {
    return homedir()
  } catch {
    return ""
  }
}

/**
 * Makes it, unless somebody else could have put code there, or could: what is kept is run unseen, as this user. After
 * `sudo -E`, whose `HOME` is that of another user, root starts without.
 */
const isOurs = (below: string, directory: string): boolean => {
  const us = self.getuid?.()
  try {
    const above = statSync(below, { throwIfNoEntry: false })
    if (above !== undefined && us !== undefined && above.uid !== us && above.uid !== 0) return false
    mkdirSync(directory, { recursive: true })
    const { mode, uid } = statSync(directory)
    return us === undefined || (uid === us && (mode & 0o022) === 0)
  } catch {
    return false
  }
}

const place = cache()
// Whoever may write there decides what this user runs: under a umask of 000 that would be everybody.
const given = self.umask(0o077)
const isKept = place !== undefined && env["NODE_DISABLE_COMPILE_CACHE"] === undefined && isOurs(...place)
if (isKept) module.enableCompileCache(place[1])
// What takes away this user's own rights, as 777 does, stays aside: a node could not read what it has just written, and
// would look for the fault in its lock or in its database.
self.umask(given & 0o077)

/** Whether there is nothing to do but to print what is known already. */
const isQuick =
  argv.length === 2 || argv[2] === "completion" || argv.some((word) => /^(?:--help|-h|--version|-v)$/.test(word))

// What another Node has compiled is of no use to this one.
const parts = make(import.meta.dirname, self.pid, isKept ? `${place[1]}/parts-${self.version}-${self.arch}` : undefined)
Reflect.set(globalThis, keeper, parts.keepNext)
self.once("exit", () => {
  while (parts.keepNext());
})

// Names of files of the bundle: in the sources there is nothing to launch.
parts.load(isQuick ? "cli.js" : argv[2] === "boot" ? "commands/mainBoot.js" : "commands/main.js")
