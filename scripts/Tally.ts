/**
 * A reporter for machines: the last thing a test run says is one plain line, `N passed, N failed`.
 *
 * **Details**
 *
 * A file that does not load, a broken hook and an error that no test caught count as one failure each, so that the line
 * never says `0 failed` in front of a run that failed.
 */
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

/** Prints the line when the run ends. */
export class Tally implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandledErrors: ReadonlyArray<unknown>): void {
    const { passed, failed } = count(modules, unhandledErrors.length)
    process.stdout.write(`${passed} passed, ${failed} failed\n`)
  }
}
