import { Effect } from "effect"
import { Journal } from "@novacron/boot"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
const all: number[] = [], us: number[] = [], sy: number[] = []
for (let k = 0; k < 100; k++) {
  const events: any[] = []
  for (let i = 0; i < 1000; i++) { const c = `c${i}`; events.push({ _tag: "ComponentStarted", atMs: i + 0.123, component: c, variant: 0, attempt: 1 }, { _tag: "ComponentReady", atMs: i + 0.223, component: c }, { _tag: "ComponentStopping", atMs: i + 0.323, component: c }, { _tag: "ComponentStopped", atMs: i + 0.423, component: c, closing: "clean" }) }
  const b = process.cpuUsage()
  await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
    const journal = yield* Journal.make({ path: `/dev/shm/jj-${process.pid}-${k}`, fsync: false })
    for (const e of events) journal.append(e)
    yield* journal.flush
  })).pipe(Effect.provide(NodeFileSystem.layer)))
  const c = process.cpuUsage(b); all.push((c.user + c.system) / 1000)
}
us.sort((a,b)=>a-b);sy.sort((a,b)=>a-b);console.log("user",us[50],"sys",sy[50]);all.sort((a, b) => a - b)
console.log("journal of 4000", "median", all[50], "min", all[0])
process.exit(0)
