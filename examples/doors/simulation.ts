import { Component } from "@novacron/boot"
import { Simulate, Sweep } from "@novacron/simulation"
import { Context, Effect } from "effect"

class Greeter extends Context.Service<Greeter, { readonly hello: string }>()("app/Greeter") {}
const greeter = Component.make(Greeter, {
  start: Effect.as(Effect.sleep("2 seconds"), { hello: "hello" }),
  health: () => Effect.void
})

const everyFault = Sweep.sweep([greeter])
const byChance = Simulate.simulate([greeter], { seeds: 1000 })
console.log(everyFault.struck, everyFault.violations) // => 20 []
console.log(byChance.runs, byChance.violations) // => 1000 []
