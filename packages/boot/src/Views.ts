/**
 * The views of a running boot: its report and its status, folded from the events when somebody looks. A boot that nobody
 * looks at pays for neither.
 */
import { type Context, Effect, type Scheduler, SubscriptionRef } from "effect"
import type { BootEvent } from "./BootEvent.ts"
import * as Instance from "./Instance.ts"
import * as Report from "./Report.ts"
import * as Status from "./Status.ts"

/** How many events may wait for somebody who looks before they are folded anyway. */
const unreadLimit = 65_536

/** Report and status of one boot. */
export class Views {
  private readonly env: Context.Context<never>
  private readonly dispatcher: Scheduler.SchedulerDispatcher
  private fold: Report.Fold | undefined
  private folded: Status.Status = Status.initial
  private opening: (() => BootEvent) | undefined
  private events: Array<BootEvent> = []
  /** How many of them each view has taken in. */
  private inReport = 0
  private inStatus = 0
  private ref: SubscriptionRef.SubscriptionRef<Status.Status> | undefined
  private isScheduled = false

  constructor(env: Context.Context<never>, dispatcher: Scheduler.SchedulerDispatcher) {
    this.env = env
    this.dispatcher = dispatcher
  }

  /** Takes the first event as something that is worked out when somebody looks. */
  open(event: () => BootEvent): void {
    this.opening = event
  }

  /** Takes an event. */
  tell(event: BootEvent): void {
    this.events.push(event)
  }

  /** The report as of now. */
  report(): Report.Report {
    this.opened()
    const fold = (this.fold ??= Report.make())
    for (; this.inReport < this.events.length; this.inReport++) Report.step(fold, this.events[this.inReport]!)
    return Report.read(fold)
  }

  /** The status as of now, kept from the first time that somebody asks. */
  readonly status: Effect.Effect<SubscriptionRef.SubscriptionRef<Status.Status>> = Effect.suspend(() =>
    this.ref === undefined
      ? Effect.map(SubscriptionRef.make(this.catchUp()), (made) => (this.ref ??= made))
      : Effect.succeed(this.ref)
  )

  /** When all that happens in this turn of the thread has happened: whoever looks sees whole turns. */
  publishSoon(): void {
    if (this.events.length > unreadLimit) this.forget()
    if (this.ref === undefined || this.isScheduled || this.inStatus === this.events.length) return
    this.isScheduled = true
    this.dispatcher.scheduleTask(() => this.publish(), 0)
  }

  /** Now, because somebody is about to be told that something has come to an end. */
  publish(): void {
    this.isScheduled = false
    if (this.ref !== undefined && this.inStatus < this.events.length) {
      Instance.run(this.env, SubscriptionRef.set(this.ref, this.catchUp()))
    }
  }

  /** Folds everything, whether somebody looks or not, and lets the events go. */
  private forget(): void {
    this.publish()
    this.catchUp()
    this.report()
    this.events = []
    this.inReport = 0
    this.inStatus = 0
  }

  private opened(): void {
    if (this.opening === undefined) return
    this.events.unshift(this.opening())
    this.opening = undefined
  }

  private catchUp(): Status.Status {
    this.opened()
    if (this.inStatus < this.events.length) {
      const events = this.inStatus === 0 ? this.events : this.events.slice(this.inStatus)
      this.inStatus = this.events.length
      this.folded = Status.steps(this.folded, events)
    }
    return this.folded
  }
}
