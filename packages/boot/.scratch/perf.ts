import { Context, Effect, Exit, Scope } from "effect"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Boot from "./Boot.ts"
import * as Component from "./Component.ts"
import * as Journal from "./Journal.ts"
import { dag, chain } from "../../../test/benchmarks/kernel/graphs.ts"
const [n, j, shape] = process.argv.slice(2)
const graph = shape === "chain" ? chain(Number(n)) : dag(Number(n), 1)
const keys = graph.map(({ name }) => Context.Service<unknown, { readonly name: string }>(name))
const components = graph.map(({ name, needs }, i) => Component.make(keys[i]!, { needs: needs.map((k) => keys[k]!), start: Effect.sync(() => ({ name })), health: () => Effect.void }))
const once = async (k: number) => {
  const scope = Scope.makeUnsafe()
  const c0 = process.cpuUsage(), t0 = performance.now()
  await Effect.runPromise(Effect.gen(function*() {
    const journal = j === "j" ? yield* Journal.make({ path: `/tmp/j-${process.pid}-${k}-${performance.now()}` }) : undefined
    return yield* Boot.make(components as never, { ...(journal ? { journal } : {}), checked: false, concurrency: 100000 })
  }).pipe(Scope.provide(scope), Effect.provide(NodeFileSystem.layer)) as any)
  const t1 = performance.now()
  await Effect.runPromise(Scope.close(scope, Exit.void))
  const c = process.cpuUsage(c0)
  console.log(n, "cpu/comp us", ((c.user + c.system) / Number(n)).toFixed(1), "ready", (t1 - t0).toFixed(1), "total", (performance.now() - t0).toFixed(1))
}
const times = Number(process.argv[5] ?? 3); for (let k = 0; k < times; k++) await once(k)
process.exit(0)
