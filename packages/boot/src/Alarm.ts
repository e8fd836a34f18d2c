/** One sleeper for all deadlines of a boot, moved when an earlier one appears. */
import { type Context, Duration, Effect, Exit, type Fiber } from "effect"
import * as Instance from "./Instance.ts"

/** What a sleep takes at least: a shorter one might end before it began, over and over. That is the grain of `now`. */
const grainMs = 1e-3

/** Rings when the earliest moment has come that was set. It may ring for nothing, and never too late. */
export class Alarm {
  private readonly env: Context.Context<never>
  private readonly now: () => number
  private readonly ring: () => void
  private atMs: number | undefined
  private sleeper: Fiber.Fiber<unknown, unknown> | undefined

  /** `now` is in milliseconds, as are the moments; `ring` is called each time that one has come. */
  constructor(env: Context.Context<never>, now: () => number, ring: () => void) {
    this.env = env
    this.now = now
    this.ring = ring
  }

  /** Whether it rings at this moment at the latest, as it is set. */
  ringsBy(ms: number): boolean {
    return this.atMs !== undefined && this.atMs <= ms
  }

  /** Sees to it that it rings at this moment, or before; undefined for no moment. */
  set(nextMs: number | undefined): void {
    // Who wakes for what no longer counts finds nothing due, and is sent back: cheaper than to be woken for that.
    if (nextMs === undefined || this.ringsBy(nextMs)) return
    const before = this.sleeper
    this.atMs = nextMs
    this.sleeper = undefined
    before?.interruptUnsafe()
    const sleeper = Instance.run(this.env, Effect.sleep(Duration.millis(Math.max(grainMs, nextMs - this.now()))))
    this.sleeper = sleeper
    sleeper.addObserver((exit) => {
      if (this.sleeper !== sleeper || Exit.isFailure(exit)) return
      this.sleeper = undefined
      this.atMs = undefined
      // Timers may fire a little early: then nothing is due, and the sleeper is sent back.
      this.ring()
    })
  }

  /** Rings no more. */
  stop(): void {
    this.sleeper?.interruptUnsafe()
    this.sleeper = undefined
    this.atMs = undefined
  }
}
