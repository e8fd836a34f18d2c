/**
 * One figure of the simulation, in a process of its own: `node simulated.ts driver|progress` prints its samples as JSON.
 * What was compiled for the one is not what the other needs.
 */
import { progressBootsPerCpuSecond, simulatedBootsPerCpuSecond } from "./inProcess.ts"

const samples = process.argv[2] === "driver" ? simulatedBootsPerCpuSecond() : progressBootsPerCpuSecond()
process.stdout.write(JSON.stringify(samples))
