import { reference, criticalPathMs } from "./graphs.ts"
import * as Runners from "./runners.ts"
import { mkdtempSync } from "node:fs"
const boot = process.argv[2] === "kernel" ? await Runners.kernel(mkdtempSync("/tmp/nb-"), (process.argv[3] ?? "journal") as "journal" | "nothing") : await Runners.layers()
const out: number[] = []
for (let k = 0; k < 16; k++) { const r = await boot(reference); out.push(+(r.readyMs - criticalPathMs(reference)).toFixed(2)) }
console.log(process.argv[2], out.join(" "))
process.exit(0)
