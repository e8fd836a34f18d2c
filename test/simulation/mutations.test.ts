import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { assert, describe, it } from "vitest"
import type { Judgement } from "./judge.thread.ts"
import * as Laws from "./Laws.ts"
import * as Mutations from "./mutations.ts"
import * as Thread from "./Thread.ts"

const root = join(import.meta.dirname, "../..")
const sources = join(root, "packages/boot/src")
/** Every promise that is tested, and at least so many of them. */
const atLeast = 30
/** How many kernels are judged at the same time. */
const lanes = 2
/** A kernel that is not judged by then goes round in circles. */
const patienceMs = 60_000

describe("A kernel that is known to be wrong", () => {
  it("is known well enough", () => {
    assert.isAtLeast(Mutations.all.length, atLeast)
    assert.strictEqual(new Set(Mutations.all.map(({ name }) => name)).size, Mutations.all.length)
    for (const { file, name, search } of Mutations.all) {
      const times = readFileSync(join(sources, file), "utf8").split(search).length - 1
      assert.strictEqual(times, 1, `"${name}" is stale: its text is ${times} times in ${file}`)
    }
  })

  it("differs from ours, which keeps all laws", () => {
    assert.deepStrictEqual(Laws.firstBroken(), undefined)
  })

  it(
    "is recognized, whatever is wrong with it",
    async () => {
      const queue = Mutations.all.slice()
      const verdicts = new Map<Mutations.Mutation, Verdict>()
      const work = async (lane: Lane) => {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
          verdicts.set(next, await judge(lane, next))
        }
      }
      const open = Array.from({ length: lanes }, makeLane)
      try {
        await Promise.all(open.map(work))
      } finally {
        for (const { folder } of open) rmSync(folder, { recursive: true, force: true })
      }
      console.log(table(verdicts))
      const survivors = Mutations.all.filter((mutation) => verdicts.get(mutation)?.killedBy === undefined)
      assert.deepStrictEqual(
        survivors.map(({ name }) => name),
        []
      )
    },
    Mutations.all.length * patienceMs
  )
})

// ----------------------------------------------------------------------------------------------------------- judgement

/** How a mutation was recognized, if it was. */
interface Verdict {
  readonly killedBy: string | undefined
  readonly how: string
}

/** A copy of kernel, simulation and laws, in which one file at a time is wrong. */
interface Lane {
  readonly folder: string
  readonly script: URL
}

const makeLane = (): Lane => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "novacron-mutant-")))
  for (const name of ["boot", "simulation"]) {
    const from = join(root, "packages", name)
    cpSync(join(from, "src"), join(folder, "packages", name, "src"), { recursive: true })
    cpSync(join(from, "package.json"), join(folder, "packages", name, "package.json"))
  }
  // The driver is left out: loading it takes longer than most judgements.
  const modules = ["Graphs", "Odds", "Random", "Scenario", "Snapshot", "World"]
  const door = modules.map((name) => `export * as ${name} from "./${name}.ts"\n`).join("")
  writeFileSync(join(folder, "packages/simulation/src/index.ts"), door)
  cpSync(import.meta.dirname, join(folder, "test"), { recursive: true, filter: (path) => !path.endsWith(".test.ts") })
  writeFileSync(join(folder, "package.json"), `{ "type": "module" }`)
  mkdirSync(join(folder, "node_modules/@novacron"), { recursive: true })
  symlinkSync(realpathSync(join(root, "packages/boot/node_modules/effect")), join(folder, "node_modules/effect"))
  for (const name of ["boot", "simulation"]) {
    symlinkSync(join(folder, "packages", name), join(folder, "node_modules/@novacron", name))
  }
  return { folder, script: pathToFileURL(join(folder, "test/judge.thread.ts")) }
}

const judge = async ({ folder, script }: Lane, mutation: Mutations.Mutation): Promise<Verdict> => {
  const file = join(folder, "packages/boot/src", mutation.file)
  const text = readFileSync(file, "utf8")
  writeFileSync(
    file,
    text.replace(mutation.search, () => mutation.replace)
  )
  try {
    const judgement = await Thread.run<Judgement>(script, undefined, patienceMs)
    return judgement === null ? { killedBy: undefined, how: "" } : { killedBy: judgement.law, how: judgement.how }
  } catch (error) {
    if (error instanceof Thread.OutOfTime) return { killedBy: "patience", how: error.message }
    // What cannot be loaded is no wrong kernel, but a wrong mutation.
    throw new Error(`"${mutation.name}" cannot be judged`, { cause: error })
  } finally {
    writeFileSync(file, text)
  }
}

const table = (verdicts: ReadonlyMap<Mutations.Mutation, Verdict>): string => {
  const killed = [...verdicts.values()].filter(({ killedBy }) => killedBy !== undefined).length
  const rows = Mutations.all.map((mutation) => {
    const { how, killedBy } = verdicts.get(mutation) ?? { killedBy: undefined, how: "" }
    const { file, name, promise } = mutation
    return [file, name, promise, killedBy ?? "NOBODY", how.length > 90 ? `${how.slice(0, 89)}…` : how].join(" | ")
  })
  return [`${killed} of ${verdicts.size} wrong kernels are recognized.`, "file | mutation | promise | killed by | how"]
    .concat(rows)
    .join("\n")
}
