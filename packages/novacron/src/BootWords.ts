/**
 * The words after `novacron boot`, read without a library as far as they are plain: a boot is what people wait for, and a
 * library of command lines costs it a seventh of what it does before its first event.
 *
 * **Details**
 *
 * Plain is a flag that a boot knows, once, with its value behind it or behind `=`. All else, and every mistake, is left to
 * `BootCli`, which knows more ways to write it and says what is wrong. What is read here is what it would have read.
 */
import type { Flags } from "./Commands/Boot.ts"

/** Flags with a value, by how they are written. */
const texts: { readonly [word: string]: "config" | "dataDir" | "template" | "report" | undefined } = {
  "--config": "config",
  "-c": "config",
  "--data-dir": "dataDir",
  "-d": "dataDir",
  "--template": "template",
  "--report": "report"
}

/** Flags without one. */
const toggles: { readonly [word: string]: "json" | "exitWhenReady" | "strict" | "lastGood" | undefined } = {
  "--json": "json",
  "--exit-when-ready": "exitWhenReady",
  "--strict": "strict",
  "--last-good": "lastGood"
}

/** The flags that these arguments say, `boot` first; `undefined` when they are not plain. */
export const read = ([command, ...words]: ReadonlyArray<string>): Flags | undefined => {
  if (command !== "boot") return undefined
  const said: { -readonly [K in keyof Flags]?: string | boolean } = {}
  const set: { [key: string]: string } = {}
  for (let i = 0; i < words.length; i++) {
    const { inside, name } = split(words[i] ?? "")
    const toggle = inside === undefined ? toggles[name] : undefined
    const text = texts[name]
    const key = toggle ?? text
    if (key !== undefined && key in said) return undefined
    if (toggle !== undefined) {
      said[toggle] = true
      continue
    }
    const value = inside ?? words[++i]
    if (value === undefined || value === "" || value.startsWith("-")) return undefined
    if (text !== undefined) said[text] = value
    else if (name !== "--set" && name !== "-s") return undefined
    else {
      const [, of, is] = pair.exec(value) ?? []
      if (of === undefined || is === undefined || of in set) return undefined
      set[of] = is
    }
  }
  const { config, dataDir, exitWhenReady, json, lastGood, report, strict, template } = said
  return {
    config: textOf(config),
    dataDir: textOf(dataDir),
    template: textOf(template),
    set,
    json: json === true,
    exitWhenReady: exitWhenReady === true,
    strict: strict === true,
    lastGood: lastGood === true,
    report: textOf(report)
  }
}

/** `--config=a` in its two halves. */
const split = (word: string): { readonly name: string; readonly inside: string | undefined } => {
  const at = word.startsWith("--") ? word.indexOf("=") : -1
  return at < 0 ? { name: word, inside: undefined } : { name: word.slice(0, at), inside: word.slice(at + 1) }
}

/** A key and what it is set to: a second `=` may mean more than one thing. */
const pair = /^([a-z][a-z0-9_.]*)=([^=]+)$/

const textOf = (value: string | boolean | undefined): string | undefined =>
  typeof value === "string" ? value : undefined
