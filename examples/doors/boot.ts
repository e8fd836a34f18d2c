import { Boot, Component } from "@novacron/boot"
import { Context, Effect } from "effect"

class Greeter extends Context.Service<Greeter, { readonly greet: Effect.Effect<string> }>()("app/Greeter") {}
const greeter = Component.make(Greeter, {
  start: Effect.succeed({ greet: Effect.succeed("hello") }),
  health: (it) => it.greet
})
const program = Effect.flatMap(Greeter, (it) => it.greet).pipe(Effect.provide(Boot.layer([greeter])))
console.log(await Effect.runPromise(program)) // => hello
