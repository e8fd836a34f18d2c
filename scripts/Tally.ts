/**
 * A reporter for machines, and for whoever sees the end of a log alone: the last things a test run says are what failed,
 * and what passed at its second attempt only, a line or two each, and one plain line, `N passed, N failed`.
 *
 * **Details**
 *
 * A file that does not load, a broken hook and an error that no test caught count as one failure each, so that the line
 * never says `0 failed` in front of a run that failed.
 */
import { stripVTControlCharacters } from "node:util"
import type { Reporter, TestModule } from "vitest/node"

/** What a run came to. */
export interface Count {
  readonly passed: number
  readonly failed: number
}

/** Counts the tests of a finished run, and the failures outside of tests. */
export const count = (modules: ReadonlyArray<TestModule>, strayErrors: number): Count => {
  let passed = 0
  let failed = strayErrors
  for (const module of modules) {
    failed += module.errors().length
    for (const suite of module.children.allSuites()) failed += suite.errors().length
    for (const test of module.children.allTests()) {
      const { state } = test.result()
      if (state === "passed") passed++
      if (state === "failed") failed++
    }
  }
  return { passed, failed }
}

/** Where each failed test is, and each that had to begin twice; and how its first error begins: 1,200 characters of it. */
export const failures = (modules: ReadonlyArray<TestModule>): ReadonlyArray<string> =>
  modules.flatMap((module) =>
    [...module.children.allTests()].flatMap((test) => {
      const { errors, state } = test.result()
      const isFlaky = test.diagnostic()?.flaky === true
      if (state !== "failed" && !isFlaky) return []
      const said = stripVTControlCharacters(errors?.[0]?.message ?? "").slice(0, 1_200)
      const what = isFlaky ? "flaky, passed at its second attempt" : "failed"
      return [`${what}: ${module.relativeModuleId} > ${test.fullName}\n  ${said.replaceAll("\n", "\n  ")}`]
    })
  )

/** Prints them when the run ends. */
export class Tally implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandledErrors: ReadonlyArray<unknown>): void {
    for (const failure of failures(modules)) process.stdout.write(`${failure}\n`)
    const { passed, failed } = count(modules, unhandledErrors.length)
    process.stdout.write(`${passed} passed, ${failed} failed\n`)
  }
}
