/** For `node --import`: looks at the heap of a process every few milliseconds, and writes it down when the process ends. */
import { writeFileSync } from "node:fs"
import { getHeapStatistics } from "node:v8"

const file = process.env["BENCH_HEAP"]
const heaps: Array<readonly [at: number, bytes: number]> = []
const look = () => void heaps.push([performance.timeOrigin + performance.now(), getHeapStatistics().used_heap_size])

if (file !== undefined) {
  look()
  setInterval(look, 5).unref()
  process.once("exit", () => writeFileSync(file, JSON.stringify(heaps)))
}
