import { dag } from "./graphs.ts"
import * as Runners from "./runners.ts"
import { mkdtempSync } from "node:fs"
const kernel = await Runners.kernel(mkdtempSync("/tmp/nb-")), layers = await Runners.layers()
const n = Number(process.argv[2]), times = Number(process.argv[3])
const g = dag(n, 1)
const cpu = async (r: any) => { const b = process.cpuUsage(); await r(g); const { user, system } = process.cpuUsage(b); return (user + system) / 1000 }
const ratios: number[] = [], ks: number[] = [], ls: number[] = []
for (let k = 0; k < times; k++) { const a = await cpu(kernel), b = await cpu(layers); if (k >= times / 4) { ratios.push(a / b); ks.push(a); ls.push(b) } }
const med = (x: number[]) => x.toSorted((a, b) => a - b)[x.length >> 1]!.toFixed(2)
console.log(n, "ratio", med(ratios), "kernel", med(ks), "layers", med(ls))
process.exit(0)
