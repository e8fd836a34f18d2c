import { Context, Effect, Exit, Layer, Option, Data, Scope } from "effect"
import * as Boot from "./Boot.ts"
import * as Component from "./Component.ts"
import * as Policy from "./Policy.ts"
class A extends Context.Service<A, { readonly name: string }>()("A") {}
class B extends Context.Service<B, { readonly get: Effect.Effect<string> }>()("B") {}
class C extends Context.Service<C, { readonly name: string }>()("C") {}
class M extends Context.Service<M, { readonly name: string }>()("M") {}
class Down extends Data.TaggedError("Down")<{ n: number }> {}
let n = 0
const a = Component.make(A, { start: Effect.acquireRelease(Effect.as(Effect.sleep(10), { name: "a" }), () => Effect.sleep(5)), health: () => Effect.void })
const b = Component.make(B, { needs: [A], severity: "Degraded", start: Effect.gen(function*() { yield* A; if (n++ < 3) return yield* new Down({ n }); return { get: Effect.succeed("redis") } }), health: (b) => b.get }).pipe(
  Component.retry(Policy.make({ name: "quick", delay: "10 millis", attempts: 2 })),
  Component.fallback(Component.make(B, { name: "memory", start: Effect.succeed({ get: Effect.succeed("memory") }), health: () => Effect.void }))
)
const m = Component.make(M, { needs: [A], severity: "Warning", start: Effect.gen(function*() { yield* A; return yield* new Down({ n: 1 }) }), health: () => Effect.void }).pipe(Component.optional)
const c = Component.make(C, { needs: [A, B, Component.option(M)], phase: "service", start: Effect.gen(function*() { yield* Effect.sleep(5); const m = yield* Component.option(M); const b = yield* B; return { name: `c${Option.isSome(m)} ${yield* b.get}` } }), health: () => Effect.void })
const program = Effect.gen(function*() {
  const r = yield* Boot.make([c, b, a, m], { restoration: Policy.make({ name: "r", delay: "50 millis", cap: "1 second", attempts: Infinity }), observe: (e) => { console.log(JSON.stringify(e).slice(0, 200)) } })
  const b1 = yield* Effect.provideContext(Effect.flatMap(B, (b) => b.get), r.services)
  yield* Effect.sleep(200)
  const b2 = yield* Effect.provideContext(Effect.flatMap(B, (b) => b.get), r.services)
  console.log(b1, b2, (yield* Effect.provideContext(C, r.services)).name)
  console.log(yield* r.health.report)
})
console.log(await Effect.runPromiseExit(Effect.scoped(program)))
