/** A component with a bug, for docs/SIMULATION.md: its fiber belongs to nobody and goes on when it has stopped. */
import { Component } from "@novacron/boot"
import { Context, Effect, Schedule } from "effect"

export class Heartbeat extends Context.Service<Heartbeat, { readonly beats: Effect.Effect<number> }>()(
  "guide/heartbeat"
) {}

const make = (fork: typeof Effect.forkDetach | typeof Effect.forkScoped) =>
  Component.make(Heartbeat, {
    start: Effect.gen(function* () {
      let beats = 0
      const beat = Effect.sync(() => void beats++)
      yield* fork(Effect.repeat(beat, Schedule.spaced("1 second")))
      return { beats: Effect.sync(() => beats) }
    }),
    health: (heartbeat) => heartbeat.beats
  })

/** Wrong: detached. */
export const stray = make(Effect.forkDetach)

/** Right: in the scope of the attempt. */
export const kept = make(Effect.forkScoped)
