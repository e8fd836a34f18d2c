/**
 * The kernel: boot a graph of Effect layers.
 *
 * Declare components with {@link Component}, boot them with {@link Boot}; everything else is there to look at what will
 * happen ({@link Plan}), what happens ({@link Status}, {@link BootEvent}) and what has happened ({@link Report},
 * {@link Journal}).
 *
 * ```ts
 * import { Boot, Component } from "@novacron/boot"
 * import { Context, Effect } from "effect"
 *
 * class Greeter extends Context.Service<Greeter, { readonly greet: Effect.Effect<string> }>()("app/Greeter") {}
 * const greeter = Component.make(Greeter, {
 *   start: Effect.succeed({ greet: Effect.succeed("hello") }),
 *   health: (it) => it.greet
 * })
 * const program = Effect.flatMap(Greeter, (it) => it.greet).pipe(Effect.provide(Boot.layer([greeter])))
 * console.log(await Effect.runPromise(program)) // => hello
 * ```
 */
export * from "./model.ts"
export * as Boot from "./Boot.ts"
export * as Bulkhead from "./Bulkhead.ts"
export * as CircuitBreaker from "./CircuitBreaker.ts"
export * as Component from "./Component.ts"
export { Environment } from "./Environment.ts"
export * as Health from "./Health.ts"
export * as Journal from "./Journal.ts"
export * as Policy from "./Policy.ts"
export type * as Recipe from "./Recipe.ts"
export * as Supervisor from "./Supervisor.ts"
