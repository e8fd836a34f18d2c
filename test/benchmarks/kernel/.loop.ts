import { dag } from "/work/main/test/benchmarks/kernel/graphs.ts"
import * as Runners from "/work/main/test/benchmarks/kernel/runners.ts"
import { mkdtempSync } from "node:fs"
const boot = process.argv[2] === "kernel" ? await Runners.kernel(mkdtempSync("/tmp/nb-")) : await Runners.layers()
const g = dag(Number(process.argv[3]), 1)
const all: number[] = []
const times = Number(process.argv[4])
for (let k = 0; k < times; k++) { const b = process.cpuUsage(); await boot(g); const { user, system } = process.cpuUsage(b); all.push((user + system) / 1000) }
all.sort((a, b) => a - b); console.log(process.argv[2], "median", all[all.length >> 1], "min", all[0])
process.exit(0)
