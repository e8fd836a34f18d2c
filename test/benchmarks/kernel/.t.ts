import { Context, Effect, Exit, Scope } from "effect"
import { Boot, Component } from "@novacron/boot"
import { reference } from "./graphs.ts"
const lead: number[] = [], tail: number[] = [], mid: number[] = []
for (let k = 0; k < Number(process.argv[2] ?? 24); k++) {
  const keys = reference.map(({ name }) => Context.Service<unknown, { readonly name: string }>(name))
  const components = reference.map(({ ms, name, needs }, i) => Component.make(keys[i]!, { needs: needs.map((n) => keys[n]!), start: Effect.as(Effect.sleep(ms), { name }), health: () => Effect.void }))
  const scope = Scope.makeUnsafe()
  const t0 = performance.now(); let first = 0, last = 0
  await Effect.runPromise(Boot.make(components as never, { checked: false, concurrency: 1000, observe: (e) => { if (e._tag === "ComponentStarted" && first === 0) first = performance.now(); if (e._tag === "ComponentReady") last = performance.now() } }).pipe(Scope.provide(scope)) as any)
  const t1 = performance.now()
  lead.push(first - t0); tail.push(t1 - last); mid.push(last - first - 227)
  await Effect.runPromise(Scope.close(scope, Exit.void))
}
const f = (x: number[]) => x.map((v) => v.toFixed(2)).join(" ")
console.log("lead", f(lead)); console.log("mid", f(mid)); console.log("tail", f(tail))
process.exit(0)
