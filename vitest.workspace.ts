/**
 * The suites of the workspace. Vitest no longer reads a workspace file by itself: this is its configuration, under the
 * name the project asked for, and `pnpm test` passes it by `--config`.
 *
 * **Details**
 *
 * `pnpm test --project boot` runs one suite. A suite is called after its folder: `packages/NAME/test`, `test/NAME`, or
 * both where the name is shared (`simulation`); the tests of all examples are one suite. A folder becomes a suite with
 * its first test file.
 *
 * **Gotchas**
 *
 * Campaigns grow with `SEEDS=` and `MINUTES=`, and so does their patience. A test that needs longer than its suite says
 * so itself, as the last argument of `it`.
 */
import { globSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { defineConfig } from "vitest/config"
import { Tally } from "./scripts/Tally.ts"

const seconds = (n: number): number => n * 1000
const minutes = (n: number): number => n * seconds(60)

/** How long one test may take, by suite; the rest are unit tests. */
const patience: { readonly [suite: string]: number } = {
  architecture: minutes(1),
  examples: minutes(1),
  simulation: minutes(5 + Number(process.env["MINUTES"] ?? 0)),
  chaos: minutes(5 + Number(process.env["MINUTES"] ?? 0)),
  integration: minutes(2),
  e2e: minutes(2)
}

/**
 * How often a test may begin. Seeds are fixed, so a wrong kernel fails each time; what passes the second time depends on
 * real time, and is a mistake of the test or a race of ours. A machine tries twice, says so at the end, and somebody finds
 * out which: docs/decisions/0054. Whoever sits before it sees the first failure.
 */
const attempts = process.env["CI"] === "true" ? 2 : 1

const testFiles = globSync(["packages/*/test/**/*.test.ts", "test/*/**/*.test.ts", "examples/**/*.test.ts"], {
  cwd: import.meta.dirname,
  exclude: ["**/node_modules"]
})

const suiteOf = (file: string): string => {
  const [room, name] = file.split(/[\\/]/)
  return room === "examples" ? "examples" : `${name}`
}

/** Suites in which a browser, or a node, is there for a whole file: it is the file that must leave nothing behind. */
const byFile: ReadonlySet<string> = new Set(["dashboard", "e2e"])

const filesOf = (suite: string): string =>
  suite === "examples" ? "examples/**/*.test.ts" : `{packages,test}/${suite}/**/*.test.ts`

export default defineConfig({
  test: {
    // Processes, not threads: native addons, signals and the check for open handles need a process of their own.
    pool: "forks",
    maxWorkers: availableParallelism(),
    reporters: ["default", new Tally()],
    projects: [...new Set(testFiles.map(suiteOf))].toSorted().map((name) => ({
      extends: true,
      test: {
        name,
        include: [filesOf(name)],
        setupFiles: ["scripts/fastCheck.ts", "packages/boot/test/fixtures/leftovers.ts"].map((file) =>
          join(import.meta.dirname, file)
        ),
        provide: { leftovers: byFile.has(name) ? "file" : "test" },
        testTimeout: patience[name] ?? seconds(15),
        retry: attempts - 1,
        hookTimeout: patience[name] ?? seconds(15)
      }
    }))
  }
})
