#!/usr/bin/env node
/**
 * Launches the published program with compiled code from the run before, which makes it start in half the time. The code
 * is kept where only this user writes: `$CACHE_DIRECTORY` of systemd, `$XDG_CACHE_HOME`, or `~/.cache`; nowhere when
 * there is none of them, or with `NODE_DISABLE_COMPILE_CACHE=1`.
 */
import * as module from "node:module"
import { homedir } from "node:os"

// oxlint-disable-next-line no-restricted-globals -- before anything else there is
const { CACHE_DIRECTORY, XDG_CACHE_HOME } = process.env

/** Where the cache of this user is, if there is a place for one. */
const cache = (): string | undefined => {
  if (CACHE_DIRECTORY !== undefined && CACHE_DIRECTORY !== "") return CACHE_DIRECTORY.split(":")[0]
  if (XDG_CACHE_HOME !== undefined && XDG_CACHE_HOME !== "") return `${XDG_CACHE_HOME}/novacron`
  const home = homedir()
  return home === "" || home === "/" ? undefined : `${home}/.cache/novacron`
}

const directory = cache()
// Node 20 has no such thing, and a cache that cannot be had is none: the program starts all the same.
if (directory !== undefined && "enableCompileCache" in module) module.enableCompileCache(directory)

await import("./main.ts")
