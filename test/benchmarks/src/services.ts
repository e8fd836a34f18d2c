/**
 * What the services of a node do under load, and what is lost when something dies: `pnpm --silent bench services --json`.
 *
 * **Details**
 *
 * Each file of `services/` is a group of figures and exports `figures`, a {@link Group}; a group whose file is not there is
 * passed over. `BENCH_ONLY=tasks,rest` measures only these, `BENCH_QUICK=1` takes fewer samples. A group that breaks is
 * told on stderr and counts as `NAME_broke`, so that the figures of the others are not lost with it.
 */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import type { Figure } from "../Figure.ts"

/** What is passed to each group; `quick` asks for fewer samples, for a look and not for a verdict. */
export interface Options {
  readonly quick: boolean
}

/** What each file of `services/` exports under the name `figures`. */
export type Group = (options: Options) => Promise<ReadonlyArray<Figure>>

const groups = ["tasks", "rest", "boot"]

export const run = async (): Promise<{ readonly figures: ReadonlyArray<Figure> }> => {
  const only = process.env["BENCH_ONLY"]?.split(",") ?? groups
  const options = { quick: process.env["BENCH_QUICK"] === "1" }
  const figures: Array<Figure> = []
  for (const name of groups.filter((name) => only.includes(name))) {
    const file = join(import.meta.dirname, "../services", `${name}.ts`)
    if (existsSync(file)) figures.push(...(await measured(name, file, options)))
  }
  return { figures }
}

const measured = async (name: string, file: string, options: Options): Promise<ReadonlyArray<Figure>> => {
  try {
    const group: { readonly figures: Group } = await import(pathToFileURL(file).href)
    return await group.figures(options)
  } catch (error) {
    console.error(`The group ${name} broke:`, error)
    return [{ id: `${name}_broke`, value: 1, unit: "groups", bar: 0, better: "lower", ok: false, samples: [1] }]
  }
}
