/**
 * How many tests there are of each kind, held from below: a suite that lost its tests, by a glob or by a merge, is as green
 * as one that has them all. Those of a table (`it.each`) count once.
 */
import { assert, describe, it } from "vitest"
import * as Workspace from "./Workspace.ts"

const testFiles = Workspace.sources.filter((file) => file.endsWith(".test.ts") && !file.startsWith("examples/"))

/** Begins a line in every suite; properties and live tests are tests. */
const begins = /^\s*(?:it|plain)(?:\.(?:live|effect|prop|each|skipIf|runIf|layer|scoped))*\(/gm

const testsIn = (files: ReadonlyArray<string>): number =>
  files.reduce((sum, file) => sum + (Workspace.read(file).match(begins)?.length ?? 0), 0)

/** Real servers, or the program itself. */
const isIntegration = (file: string): boolean => file.startsWith("test/e2e/") || servers.test(Workspace.read(file))

/** PostgreSQL, Redis and etcd, as fixtures start them. */
const servers = /from "[./\w]*\/(?:Postgres|redisServer|Etcd)\.ts"/

/** What goes wrong on purpose: faults, kills, floods, hostile peers, and seeds of all of them. */
const isChaos = (file: string): boolean =>
  /^test\/e2e\/(?:faults|moments|severities|hostile|flood|chain|playbooks|chaos\w*)\.test\.ts$/.test(file) ||
  /^test\/(?:simulation|chaos)\//.test(file)

/** Figures with a bar, which `pnpm bench NAME --check` holds. */
const bars = (): number =>
  Workspace.sources
    .filter((file) => file.startsWith("test/benchmarks/"))
    .reduce((sum, file) => sum + (Workspace.read(file).match(barred)?.length ?? 0), 0)

const barred = /figure\(\s*[`"][^`"]+[`"],\s*[`"][^`"]*[`"],\s*[-\d_.]+\s*,/g

describe("the tests", () => {
  it("are no fewer than 2,000 of units, 150 with real servers, 50 figures with a bar, and 50 of chaos", () => {
    const integration = testFiles.filter(isIntegration)
    const found = {
      unit: testsIn(testFiles.filter((file) => file.startsWith("packages/") && !isIntegration(file))),
      integration: testsIn(integration),
      performance: bars(),
      chaos: testsIn(testFiles.filter(isChaos))
    }
    assert.isAtLeast(found.unit, 2_000)
    assert.isAtLeast(found.integration, 150)
    assert.isAtLeast(found.performance, 50)
    assert.isAtLeast(found.chaos, 50)
  })

  it("of an empty file are none, so that a suite without tests cannot pass", () => {
    assert.strictEqual(testsIn(["test/architecture/Workspace.ts"]), 0)
    assert.isAbove(testsIn(["test/architecture/counts.test.ts"]), 1)
  })
})
