/**
 * A benchmark of several groups of figures, each a file of a folder.
 *
 * **Details**
 *
 * `BENCH_ONLY=pba,ass` measures only these, `BENCH_QUICK=1` takes fewer samples. A group that breaks is told on stderr and
 * counts as `NAME_broke`, so that the figures of the others are not lost with it.
 */
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import type { Benchmark, Figure } from "./Figure.ts"

/** What is passed to each group; `quick` asks for fewer samples, for a look and not for a verdict. */
export interface Options {
  readonly quick: boolean
}

/** What each file exports under the name `figures`. */
export type Group = (options: Options) => Promise<ReadonlyArray<Figure>>

/** The benchmark of these files of a folder. */
export const of =
  (folder: string, groups: ReadonlyArray<string>): Benchmark["run"] =>
  async () => {
    const only = process.env["BENCH_ONLY"]?.split(",") ?? groups
    const options = { quick: process.env["BENCH_QUICK"] === "1" }
    const figures: Array<Figure> = []
    for (const name of groups.filter((name) => only.includes(name))) {
      figures.push(...(await measured(name, join(import.meta.dirname, folder, `${name}.ts`), options)))
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
