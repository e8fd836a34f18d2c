/**
 * What a boot does, on its way into the audit log: give `observe` to the boot and the trail to security.
 *
 * **Details**
 *
 * Written are `boot.started`, `boot.ready`, `component.failed`, `component.degraded`, `component.restored`,
 * `boot.rolled-back` and `boot.stopped`. What happens before security is up is kept until then; while a boot is taken
 * down, security goes last, so the reason for a rollback is written too. Messages are not: they come from anywhere.
 */
import type { BootEvent } from "@novacron/boot"
import { Effect, Option, Queue } from "effect"
import type { AuditEntry } from "./Security.ts"

export interface BootTrail {
  /** Hears every event of a boot; it is quick and does not throw. */
  readonly observe: (event: BootEvent.BootEvent) => void
  /** Writes what was heard, and what will be, as long as the scope lasts; all of it is written when the scope is closed. */
  readonly writeTo: (append: (entry: AuditEntry) => Effect.Effect<void>) => ReturnType<typeof follow>
}

/** More than a boot of a thousand components has to say until security is up. */
const capacity = 4096

/** A trail of one boot. */
export const make: Effect.Effect<BootTrail> = Effect.map(Queue.sliding<AuditEntry>(capacity), (queue) => ({
  observe: (event) => {
    const entry = entryOf(event)
    if (entry !== undefined) Queue.offerUnsafe(queue, entry)
  },
  writeTo: (append) => follow(queue, append)
}))

// ----------------------------------------------------------------------------------------------------------- private

const follow = Effect.fnUntraced(function* (
  queue: Queue.Queue<AuditEntry>,
  append: (entry: AuditEntry) => Effect.Effect<void>
) {
  const drain = Effect.gen(function* () {
    for (;;) {
      const entry = yield* Queue.poll(queue)
      if (Option.isNone(entry)) return
      yield* append(entry.value)
    }
  })
  yield* drain
  // Runs after the fiber below has been stopped, which is never between taking an entry and writing it.
  yield* Effect.addFinalizer(() => drain)
  const next = Effect.uninterruptibleMask((restore) => Effect.flatMap(restore(Queue.take(queue)), append))
  yield* Effect.forkScoped(Effect.forever(next))
})

const entryOf = (event: BootEvent.BootEvent): AuditEntry | undefined => {
  switch (event._tag) {
    case "BootStarted":
      return { action: "boot.started", principal: event.nodeId, subject: event.bootId, success: true }
    case "BootReady":
      return { action: "boot.ready", subject: event.outcome, success: true }
    case "ComponentFailed":
      return { action: "component.failed", subject: event.component, success: false }
    case "ComponentDegraded":
      return { action: "component.degraded", subject: event.component, success: false }
    case "SwapCompleted":
      return event.variant === 0 ? { action: "component.restored", subject: event.component, success: true } : undefined
    case "RollbackStarted":
      return event.why === "stopped"
        ? { action: "boot.stopped", success: true }
        : { action: "boot.rolled-back", subject: event.why, success: false }
    case "AttemptClosed":
    case "AttemptFailed":
    case "BootEnded":
    case "CheckpointReached":
    case "ComponentAbsent":
    case "ComponentAcquired":
    case "ComponentBackoff":
    case "ComponentInterrupted":
    case "ComponentQueued":
    case "ComponentReady":
    case "ComponentSkipped":
    case "ComponentSlow":
    case "ComponentStarted":
    case "ComponentStopped":
    case "ComponentStopping":
    case "FallbackChosen":
    case "HealthChanged":
    case "PhaseSlow":
    case "PhaseStarted":
    case "SwapFailed":
    case "SwapStarted":
      return undefined
  }
}
