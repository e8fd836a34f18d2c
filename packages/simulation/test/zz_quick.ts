import { Boot, Component, Policy } from "@novacron/boot"
import { Context, Effect } from "effect"
import * as Simulation from "/work/main/packages/simulation/src/Simulation.ts"
const N = 19
const keys = Array.from({ length: N }, (_, i) => Context.Service<any, any>(`c${String(i).padStart(2, "0")}`))
const comps: any = keys.map((k, i) => {
  let c: any = Component.make(k as any, {
  needs: i === 0 ? [] : [keys[Math.floor(i / 3)]!, keys[Math.max(0, i - 4)]!].filter((x, j, a) => x !== k && a.indexOf(x) === j) as any,
  start: Effect.acquireRelease(Effect.as(Effect.sleep(5 + i), { ping: Effect.void }), () => Effect.sleep(1)) as any,
  health: (x: any) => x.ping
  } as any)
  return c.pipe(Component.retry(Policy.standard))
})
let evs = 0
const program = Effect.scoped(Effect.gen(function* () {
  const running: any = yield* Boot.make(comps, { checked: true, observe: () => { evs++ } }) as any
  yield* Effect.sleep("1 second")
  yield* running.stop("x")
})) as Effect.Effect<void>
const once = (seed: number) => { const r = Simulation.run(program, { seed, fuzz: seed % 2 === 0 }); if (r.exit._tag === "Failure") { console.log(r.exit.cause); process.exit(1) } return r }
for (let round = 0; round < 6; round++) {
  evs = 0
  const t = process.cpuUsage(); const n = 1000
  let steps = 0
  for (let s = 0; s < n; s++) steps += once(s).steps
  const u = process.cpuUsage(t)
  console.log(`${(n / ((u.user + u.system) / 1e6)).toFixed(0)} boots/cpu-s, events ${evs / n}, steps ${steps / n}`)
}
