import * as I from "./inProcess.ts"
const med = (x: ReadonlyArray<number>) => x.toSorted((a, b) => a - b)[x.length >> 1]
console.log("plan", med(I.planCpuMs()))
console.log("progress", med(I.progressBootsPerCpuSecond()))
console.log("makespan", I.makespan())
console.log("sim", med(I.simulatedBootsPerCpuSecond()))
