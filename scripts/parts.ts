/**
 * A part of the bundle as a script: what esbuild writes as a module becomes a function in parentheses, which is given how to
 * load others and returns what it exports. Why, and who loads it: `packages/novacron/src/Parts.ts`.
 *
 * **Details**
 *
 * Only what esbuild writes is understood; anything else ends the build. Names are given away once, when a part has been
 * run; those that are assigned later (`export let`) are asked for each time.
 */
import { posix } from "node:path"
import { Script } from "node:vm"

/** The names that a script is given. None of them may mean something else in it. */
const given = ["$part", "$later", "$meta", "$live"]

/** What is at the beginning of a statement, where the text of a program has none. */
const start = String.raw`(?<=^|[;}\n])`
const imported = new RegExp(String.raw`${start}import(?:\{([^}]*)\}from)?"(\.[^"]+)";`, "g")
const outside = new RegExp(String.raw`${start}import\*as ([\w$]+) from"([^"]+)";`, "g")
const exported = new RegExp(String.raw`${start}export\{([^}]*)\};?`, "g")
const left = new RegExp(String.raw`${start}(?:import|export)(?:[{*" ]|$).{0,60}`)

/** `a as b,c` as names there and here. */
const namesOf = (list: string): ReadonlyArray<readonly [string, string]> =>
  list
    .split(",")
    .filter((name) => name.trim() !== "")
    .map((name) => {
      const [there = "", here = there] = name.trim().split(" as ")
      return [there, here]
    })

const pairs = (names: ReadonlyArray<readonly [string, string]>): string =>
  names.map(([from, to]) => (from === to ? from : `${from}:${to}`)).join(",")

/** esbuild tells names apart by a number. */
const written = (name: string): string => name.replace(/\d+$/, "")

/**
 * The script of a part, by its path below the folder of the program. `changing` are names of exports that are assigned
 * while the program runs.
 */
export const asScript = (code: string, path: string, changing: ReadonlySet<string>): string => {
  const refuse = (why: string) => new Error(`${path} cannot be made a script: ${why}`)
  // oxlint-disable-next-line no-control-regex -- read as one byte a character
  if (/[^\x00-\x7F]/.test(code)) throw refuse("it has characters of more than one byte.")
  const taken = given.find((name) => code.includes(name))
  if (taken !== undefined) throw refuse(`it has a ${taken} of its own.`)
  const at = (specifier: string) => JSON.stringify(posix.join(posix.dirname(path), specifier))
  const isChanging = ([there]: readonly [string, string]) => changing.has(written(there))
  const exports: Array<string> = []
  const live: Array<readonly [here: string, there: string]> = []
  let body = code
    .replace(/^#!.*\n/, "")
    .replace(imported, (_, list: string | undefined, specifier: string) => {
      const part = `$part(${at(specifier)})`
      if (list === undefined) return `${part};`
      const names = namesOf(list)
      const asked = names.filter(isChanging)
      const once = `const{${pairs(names.filter((name) => !isChanging(name)))}}=${part};`
      if (asked.length === 0) return once
      const holder = `$live${live.length}`
      live.push(...asked.map(([there, here]) => [here, `${holder}.${there}`] as const))
      return `const ${holder}=${part};${once}`
    })
    .replace(outside, (_, name: string, specifier: string) => `const ${name}=require("${specifier}");`)
    .replace(exported, (_, list: string) => {
      // An export is written the other way round: its name here comes first.
      const names = namesOf(list).map(([here, there]) => [there, here] as const)
      exports.push(
        pairs(names.filter((name) => !isChanging(name))),
        ...names.filter(isChanging).map(([there, here]) => `get ${there}(){return ${here}}`)
      )
      return ""
    })
    .replace(/\bimport\("(\.[^"]+)"\)/g, (_, specifier: string) => `$later(${at(specifier)})`)
    .replaceAll(/\bimport\.meta\b/g, "$meta")
  for (const [here, there] of live) {
    const name = here.replaceAll("$", "\\$")
    // Where it could be the key of an object.
    const isKey = new RegExp(`[{,]${name}[,}:]`).test(body)
    if (isKey) throw refuse(`${here} changes, and it cannot be told how it is used.`)
    body = body.replace(new RegExp(`(?<![\\w$.])${name}(?![\\w$])`, "g"), () => there)
  }
  const unknown = left.exec(body)
  if (unknown !== null) throw refuse(`it has ${JSON.stringify(unknown[0])}, a form that is not known.`)
  const names = exports.filter((one) => one !== "").join(",")
  const script = `(function($part,$later,require,$meta){"use strict";${body}\nreturn{${names}}})\n`
  try {
    new Script(script)
  } catch (cause) {
    // As an `await` outside of functions is none.
    throw refuse(`it is none: ${String(cause)}`)
  }
  return script
}

/** Names that a module exports and assigns while it runs. */
export const changingOf = (source: string): ReadonlyArray<string> =>
  [...source.matchAll(/^export let ([\w$]+)/gm)].map(([, name]) => name!)
