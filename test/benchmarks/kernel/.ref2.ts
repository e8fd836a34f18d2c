import { Context, Effect, Exit, Scope } from "effect"
import { Boot, Component, Journal } from "@novacron/boot"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { reference, criticalPathMs } from "./graphs.ts"
const keys = reference.map(({ name }) => Context.Service<unknown, { readonly name: string }>(name))
const components = reference.map(({ ms, name, needs }, i) => Component.make(keys[i]!, { needs: needs.map((n) => keys[n]!), start: Effect.as(Effect.sleep(ms), { name }), health: () => Effect.void }))
for (const mode of ["none", "journal", "none", "journal", "none", "journal", "nofsync","nofsync"]) {
  const scope = Scope.makeUnsafe()
  const t: Record<string, number> = {}
  await Effect.runPromise(Effect.gen(function*() {
    const t0 = performance.now()
    const journal = mode === "none" ? undefined : yield* Journal.make({ path: `/tmp/jj-${process.pid}-${performance.now()}`, fsync: mode === "journal" })
    t["open"] = performance.now() - t0
    const t1 = performance.now()
    let last = 0
    yield* Boot.make(components as never, { ...(journal ? { journal } : {}), checked: false, concurrency: 1000, observe: (e) => { if (e._tag === "CheckpointReached" && e.checkpoint === "init_complete") last = performance.now() } })
    t["boot over"] = performance.now() - t1 - 227
    t["persist"] = performance.now() - last
  }).pipe(Scope.provide(scope), Effect.provide(NodeFileSystem.layer)) as any)
  console.log(mode, Object.entries(t).map(([k, v]) => `${k} ${v.toFixed(2)}`).join("  "))
  await Effect.runPromise(Scope.close(scope, Exit.void))
}
process.exit(0)
