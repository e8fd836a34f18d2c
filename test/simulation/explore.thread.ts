/** Explores one family of small plans, and answers with how much was proved, or with the first counterexample. */
import { parentPort, workerData } from "node:worker_threads"
import * as ModelCheck from "./ModelCheck.ts"
import * as SmallPlans from "./SmallPlans.ts"
import * as Thread from "./Thread.ts"

/** How an exploration went. */
export interface Exploration {
  readonly tally: ModelCheck.Tally
  readonly cases: number
  readonly seconds: number
  readonly counterexample: string | undefined
}

const explore = (family: SmallPlans.Family): Exploration => {
  const began = process.threadCpuUsage()
  const tally: ModelCheck.Tally = { states: 0, transitions: 0, ends: 0, depth: 0 }
  let cases = 0
  let counterexample: string | undefined
  try {
    for (const { limits, plan, scope } of SmallPlans.cases(family)) {
      ModelCheck.explore(plan, limits, scope, tally)
      cases++
    }
  } catch (error) {
    if (!(error instanceof ModelCheck.Counterexample)) throw error
    counterexample = error.message
  }
  return { tally, cases, seconds: Thread.cpuSeconds(began), counterexample }
}

const { families, fullFamilies } = SmallPlans
const named: { readonly [name: string]: SmallPlans.Family } = { ...families, ...fullFamilies }
parentPort?.postMessage(explore(named[String(workerData)]!))
