/** Boots the scenarios of a range of seeds, and answers with how they went and which of them broke a promise. */
import { parentPort, workerData } from "node:worker_threads"
import { Scenario } from "@novacron/simulation"
import * as Thread from "./Thread.ts"

/** Which seeds: from `from`, `count` of them. */
export interface Range {
  readonly from: number
  readonly count: number
}

/** How the boots of a range went. */
export interface Outcome {
  readonly boots: number
  readonly facts: number
  readonly seconds: number
  readonly outcomes: { readonly [outcome: string]: number }
  /** The first few that broke a promise. */
  readonly failures: ReadonlyArray<{ readonly seed: number; readonly complaint: string }>
}

const bootAll = ({ count, from }: Range): Outcome => {
  const began = process.threadCpuUsage()
  const outcomes: { [outcome: string]: number } = {}
  const failures: Array<Outcome["failures"][number]> = []
  let facts = 0
  for (let seed = from; seed < from + count; seed++) {
    const run = Scenario.run(Scenario.make(seed))
    outcomes[run.outcome] = (outcomes[run.outcome] ?? 0) + 1
    facts += run.steps
    if (run.violation !== undefined && failures.length < 10) failures.push({ seed, complaint: Scenario.complaint(run) })
  }
  return { boots: count, facts, seconds: Thread.cpuSeconds(began), outcomes, failures }
}

parentPort?.postMessage(bootAll(workerData))
