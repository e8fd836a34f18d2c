import { Context, Effect, Exit, Scope } from "effect"
import { Boot, Component, Journal } from "@novacron/boot"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { dag } from "./graphs.ts"
const mode = process.argv[2]!, n = Number(process.argv[3])
const graph = dag(n, 1)
const all: number[] = []
for (let k = 0; k < 80; k++) {
  const b = process.cpuUsage()
  const keys = graph.map(({ name }) => Context.Service<unknown, { readonly name: string }>(name))
  const components = graph.map(({ name, needs }, i) => Component.make(keys[i]!, { needs: needs.map((n) => keys[n]!), start: Effect.sync(() => ({ name })), health: () => Effect.void }))
  const scope = Scope.makeUnsafe()
  await Effect.runPromise(Effect.gen(function*() {
    const journal = mode === "none" ? undefined : mode === "memory" ? yield* Journal.memory : yield* Journal.make({ path: `/tmp/jj-${process.pid}-${k}`, fsync: mode === "journal" })
    yield* Boot.make(components as never, { ...(journal ? { journal } : {}), checked: false, concurrency: 100000 })
  }).pipe(Scope.provide(scope), Effect.provide(NodeFileSystem.layer)) as any)
  await Effect.runPromise(Scope.close(scope, Exit.void))
  const c = process.cpuUsage(b); all.push((c.user + c.system) / 1000)
}
all.sort((a, b) => a - b)
console.log(mode, "median", all[40], "min", all[0], "p25", all[20])
process.exit(0)
