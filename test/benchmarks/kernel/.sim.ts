import * as I from "./inProcess.ts"
const med = (x: ReadonlyArray<number>) => x.toSorted((a, b) => a - b)[x.length >> 1]
if (process.argv[2] === "sim") console.log("sim", med(I.simulatedBootsPerCpuSecond())); else console.log("progress", med(I.progressBootsPerCpuSecond()))
