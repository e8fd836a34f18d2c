/**
 * Boots in virtual time: an hour of retries takes a millisecond, the same seed gives the same boot, and whatever breaks
 * a promise comes back as a small file that breaks it again.
 *
 * For a test of one boot, in the usual Effect style, there is {@link VirtualTime}; for all single faults, {@link
 * Sweep}; for thousands of boots with faults by chance, {@link Simulate}. {@link Simulation} runs any effect in a world
 * of its own. {@link Graphs}, {@link StandIn} and {@link World} are for those who test the kernel itself.
 *
 * ```ts
 * import { Component } from "@novacron/boot"
 * import { Simulate, Sweep } from "@novacron/simulation"
 * import { Context, Effect } from "effect"
 *
 * class Greeter extends Context.Service<Greeter, { readonly hello: string }>()("app/Greeter") {}
 * const greeter = Component.make(Greeter, {
 *   start: Effect.as(Effect.sleep("2 seconds"), { hello: "hello" }),
 *   health: () => Effect.void
 * })
 *
 * const everyFault = Sweep.sweep([greeter])
 * const byChance = Simulate.simulate([greeter], { seeds: 1000 })
 * console.log(everyFault.struck, everyFault.violations) // => 20 []
 * console.log(byChance.runs, byChance.violations) // => 1000 []
 * ```
 */
export * as Case from "./Case.ts"
export * as Conformance from "./Conformance.ts"
export * as Fault from "./Fault.ts"
export * as Graphs from "./Graphs.ts"
export type * as Judge from "./Judge.ts"
export * as Ledger from "./Ledger.ts"
export * as Odds from "./Odds.ts"
export * as Random from "./Random.ts"
export * as Replay from "./Replay.ts"
export * as Scenario from "./Scenario.ts"
export * as Simulate from "./Simulate.ts"
export * as Simulation from "./Simulation.ts"
export * as Snapshot from "./Snapshot.ts"
export * as StandIn from "./StandIn.ts"
export * as Stops from "./Stops.ts"
export * as Sweep from "./Sweep.ts"
export * as Trial from "./Trial.ts"
export * as VirtualTime from "./VirtualTime.ts"
export * as World from "./World.ts"
