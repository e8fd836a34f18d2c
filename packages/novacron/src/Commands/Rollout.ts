/**
 * `novacron rollout`: gives a new node its connections step by step, looks at each step whether it does as well as the old
 * one, and gives everything back at the first that is not well.
 *
 * **Details**
 *
 * The weights are on trial until the end: a rollout that is killed is one that goes back, because the switch does so by
 * itself. A signal goes back at once.
 */
import { readFile } from "node:fs/promises"
import { Count, Words } from "@novacron/boot/model"
import { Clock, Data, Deferred, Duration, Effect, Redacted, Ref } from "effect"
import * as Leave from "../Leave.ts"
import * as Program from "../Program.ts"
import * as Gates from "../rollout/Gates.ts"
import * as Probe from "../rollout/Probe.ts"
import * as Rollout from "../rollout/Rollout.ts"
import type { Backend, View } from "../rollout/Switch.ts"
import * as SwitchClient from "../rollout/SwitchClient.ts"
import { type Signal, Surroundings } from "../Surroundings.ts"
import { visible } from "../Terminal.ts"
import { BadRollout, backendOf, directoryOf, type Flags, spanOf } from "./Switch.ts"

/** What a rollout is told. */
export interface Asked extends Flags {
  /** `NAME=HOST:PORT` */
  readonly to: string
  /** `1,10,50,100` */
  readonly steps: string
  readonly hold: string
  readonly every: string
  readonly patience: string
  readonly drain: string
  readonly errors: number
  readonly slower: number
  readonly slow: string
  readonly requests: number
  /** What is asked of both nodes. */
  readonly path: string
  /** An address that answers with 200 when the new node takes work. */
  readonly ready: string | undefined
  readonly ca: string | undefined
  readonly serverName: string | undefined
  readonly plain: boolean
}

/** The new node has nothing any more, and the old ones have what they had. */
export class RolledBack extends Data.TaggedError("RolledBack")<{
  readonly name: string
  readonly percent: number
  readonly because: string
}> {
  readonly code = "NVC-3017"
  override get message() {
    const { because, name, percent } = this
    const far = percent === 0 ? "got no connection" : `had ${percent} % of the connections, and has none any more`
    return `${name} ${far}: ${because}. What served before serves as before.`
  }
}

/** The new one serves; the old one still has connections. */
export class NotDrained extends Data.TaggedError("NotDrained")<{ readonly name: string; readonly open: number }> {
  readonly code = "NVC-3018"
  override get message() {
    const { name, open } = this
    const left = Count.of(open, "connection")
    return `Everything new goes where it is to go, but ${name} still has ${left}. To stop it now cuts them off.`
  }
}

/** How long the switch believes in a trial without hearing of it again. */
const trialSecondsOf = (every: Duration.Duration): number =>
  Math.min(3_600, Math.max(30, 3 * Duration.toSeconds(every)))

/** Goes all the way, or back. */
export const rollout = Program.make(
  Effect.fnUntraced(function* (asked: Asked) {
    const { env, onSignal, user } = yield* Surroundings
    const ended = yield* Deferred.make<Signal>()
    yield* onSignal((signal) => {
      if (signal === "SIGTERM" || signal === "SIGINT") Deferred.doneUnsafe(ended, Effect.succeed(signal))
    })
    const [name = "", address = ""] = asked.to.split("=", 2)
    if (address === "")
      return yield* new BadRollout({ problem: `"${visible(asked.to, 80)}" is no node: say NAME=HOST:PORT` })
    const young = yield* backendOf(name, address, 0)
    const course = yield* courseOf(asked)
    const every = yield* spanOf("every", asked.every)
    const [patience, drain] = [yield* spanOf("patience", asked.patience), yield* spanOf("drain", asked.drain)]
    const question = yield* questionOf(asked, env["NOVACRON_API_TOKEN"])
    const directory = yield* directoryOf(asked)
    const first = yield* SwitchClient.look(directory)
    const problem = problemWith(first, name)
    if (problem !== undefined) return yield* new BadRollout({ problem })
    const before: ReadonlyArray<Backend> = first.backends.map(({ host, name, port, weight }) => ({
      name,
      host,
      port,
      weight
    }))
    const old = before.toSorted((a, b) => b.weight - a.weight)[0] ?? young
    const { say } = yield* teller(asked)

    const give = (percent: number, options: { readonly isTrial: boolean }) => {
      const weights = Rollout.weights(before, name, percent)
      const all = [...before.filter((one) => one.name !== name), young]
      const backends = all.map((one) => ({ ...one, weight: weights.get(one.name) ?? 0 }))
      return SwitchClient.change(directory, {
        backends,
        by: user,
        ...(options.isTrial ? { trialSeconds: trialSecondsOf(every) } : {})
      })
    }
    const back = SwitchClient.change(directory, {
      backends: [...before.filter((one) => one.name !== name), young],
      by: user
    })

    yield* ready(asked, question, young, every, patience, say)
    const at = yield* Ref.make(0)
    const forward = go(course, {
      young,
      old,
      question,
      directory,
      every,
      say,
      at,
      give: (n) => give(n, { isTrial: true })
    })
    const stopped = Effect.flatMap(Deferred.await(ended), (signal) =>
      Effect.succeed({ _tag: "Signal", signal } as const)
    )
    const outcome = yield* Effect.raceFirst(forward, stopped).pipe(Effect.onError(() => Effect.ignore(back)))
    switch (outcome._tag) {
      case "Back": {
        yield* back
        return yield* new RolledBack({ name, percent: yield* Ref.get(at), because: outcome.because })
      }
      case "Signal": {
        yield* back
        yield* say("RolloutStopped", `${outcome.signal}: ${old.name} has everything, as before`, {})
        return yield* Leave.quietly(outcome.signal === "SIGTERM" ? 143 : 130)
      }
      case "Done": {
        yield* give(100, { isTrial: false })
        const open = yield* drained(directory, name, every, drain, stopped)
        if (open > 0) return yield* new NotDrained({ name: old.name, open })
        yield* say("RolloutDone", `${name} serves; ${old.name} has no connection any more and may be stopped`, {})
      }
    }
  })
)

/** What both nodes are asked, with everything that this takes. */
const questionOf = Effect.fnUntraced(function* (asked: Asked, token: string | undefined) {
  const { ca: path } = asked
  const problem = `${path} is not there, or may not be read`
  const ca =
    path === undefined
      ? undefined
      : yield* Effect.tryPromise({ try: () => readFile(path, "utf8"), catch: () => new BadRollout({ problem }) })
  const question: Probe.Question = {
    path: asked.path,
    token: token === undefined || token === "" ? undefined : Redacted.make(token),
    ca,
    serverName: asked.serverName,
    isPlain: asked.plain
  }
  return question
})

const courseOf = Effect.fnUntraced(function* (asked: Asked) {
  const steps = asked.steps.split(",").map((text) => (/^\d+$/.test(text) ? Number(text) : NaN))
  const wrong = Rollout.problemOf(steps)
  if (wrong !== undefined) return yield* new BadRollout({ problem: `--steps ${visible(asked.steps, 80)}: ${wrong}` })
  const { errors, requests, slower } = asked
  if (!(errors >= 0 && errors <= 100)) return yield* new BadRollout({ problem: "--errors is a share, from 0 to 100" })
  if (!(slower >= 1)) return yield* new BadRollout({ problem: "--slower is a multiple, from 1" })
  if (requests < 1) return yield* new BadRollout({ problem: "--requests is a number, from 1" })
  const course: Rollout.Course = {
    steps,
    holdMs: Duration.toMillis(yield* spanOf("hold", asked.hold)),
    limits: {
      ...Gates.usual,
      errorPercent: errors,
      slower,
      requests,
      slowMs: Duration.toMillis(yield* spanOf("slow", asked.slow))
    }
  }
  return course
})

const problemWith = ({ backends, isTrial }: View, name: string): string | undefined => {
  if (isTrial) return "Another rollout is under way at this switch"
  const there = backends.find((one) => one.name === name)
  return there !== undefined && there.weight > 0
    ? `${name} serves already: the new node needs a name of its own`
    : undefined
}

/** Tells what happens: a line for people, an object for programs. */
const teller = Effect.fnUntraced(function* ({ json }: Asked) {
  const { stdout } = yield* Surroundings
  const say = (event: string, text: string, facts: { readonly [fact: string]: unknown }) =>
    Effect.sync(() => stdout.write(json ? `${JSON.stringify({ event, ...facts, text })}\n` : `${text}\n`))
  return { say }
})

type Say = (event: string, text: string, facts: { readonly [fact: string]: unknown }) => Effect.Effect<void>

/** How often the new node has to answer, one after the other, before it gets anything. */
const warmUp = 3

/** Waits until the new node takes work and answers; it gets nothing before. What waiting does not change ends it. */
const ready = Effect.fnUntraced(function* (
  asked: Asked,
  question: Probe.Question,
  { host, name, port }: Backend,
  every: Duration.Duration,
  patience: Duration.Duration,
  say: Say
) {
  const last = yield* Ref.make("it was not asked yet")
  const signs = yield* readySign(asked)
  const one = Effect.gen(function* () {
    const sign = yield* signs
    const outcome = sign._tag === "Answered" ? yield* Probe.ask(host, port, question) : sign
    // Patience does not change that, and whoever mistook something wants to know at once.
    if (outcome._tag === "Refused")
      return yield* new BadRollout({ problem: `${name} refuses to answer (${outcome.why}): ${outcome.remedy}` })
    if (outcome._tag === "Failed") yield* Ref.set(last, outcome.why)
    return outcome._tag === "Answered"
  })
  const times = yield* Ref.make(0)
  yield* one.pipe(
    Effect.flatMap((isWell) => Ref.updateAndGet(times, (n) => (isWell ? n + 1 : 0))),
    Effect.flatMap((n) => (n >= warmUp ? Effect.succeed(true) : Effect.as(Effect.sleep(every), false))),
    Effect.repeat({ until: (isEnough) => isEnough }),
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () =>
        Effect.flatMap(Ref.get(last), (why) => {
          const because = `it was not ready within ${Words.duration(Duration.toMillis(patience))}: ${why}`
          return Effect.fail(new RolledBack({ name, percent: 0, because }))
        })
    })
  )
  yield* say("RolloutReady", `${name} is ready at ${host}:${port}`, { name })
})

/** What the health endpoint of the new node says, if somebody has named it. */
const readySign = Effect.fnUntraced(function* ({ ready }: Asked) {
  if (ready === undefined) return Effect.succeed<Gates.Outcome>({ _tag: "Answered", ms: 0 })
  const url = URL.canParse(ready) ? new URL(ready) : undefined
  if (url === undefined || url.protocol !== "http:") {
    return yield* new BadRollout({ problem: `--ready ${visible(ready, 120)}: say http://HOST:PORT/ready` })
  }
  const question = { path: url.pathname, token: undefined, ca: undefined, serverName: undefined, isPlain: true }
  return Probe.ask(url.hostname, Number(url.port === "" ? 80 : url.port), question)
})

interface Journey {
  readonly young: Backend
  readonly old: Backend
  readonly question: Probe.Question
  readonly directory: string
  readonly every: Duration.Duration
  readonly say: Say
  /** Per cent that the new node has. */
  readonly at: Ref.Ref<number>
  readonly give: (percent: number) => Effect.Effect<View, SwitchClient.SwitchSilent>
}

/** From the first step until the last has held, or until one has not. */
const go = Effect.fnUntraced(function* (course: Rollout.Course, journey: Journey) {
  const { at, every, give, old, question, say, young } = journey
  const nowMs = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos) / 1e6)
  const begin = Effect.fnUntraced(function* (step: number) {
    const percent = course.steps[step] ?? 100
    yield* Ref.set(at, percent)
    const view = yield* give(percent)
    yield* say("RolloutStep", `${young.name} gets ${percent} % of the connections`, { name: young.name, percent })
    return { place: { step, sinceMs: yield* nowMs }, start: countsOf(view, young.name) }
  })
  let { place, start } = yield* begin(0)
  let [mine, theirs] = [Gates.nothing, Gates.nothing]
  while (true) {
    const both = [young, old].map(({ host, port }) => Probe.ask(host, port, question))
    const [its, other] = yield* Effect.all(both, { concurrency: 2 })
    if (its !== undefined) mine = Gates.add(mine, its)
    if (other !== undefined) theirs = Gates.add(theirs, other)
    // Said again at every look: the trial goes on as long as somebody watches.
    const now = countsOf(yield* give(course.steps[place.step] ?? 100), young.name)
    const seen = Gates.count(mine, now.taken - start.taken, now.failed - start.failed)
    const decision = Rollout.decide(course, place, yield* nowMs, seen, theirs)
    switch (decision._tag) {
      case "Stay":
        yield* Effect.sleep(every)
        break
      case "Go":
        ;({ place, start } = yield* begin(decision.step))
        ;[mine, theirs] = [Gates.nothing, Gates.nothing]
        break
      case "Back":
      case "Done":
        return decision
    }
  }
})

const countsOf = ({ backends }: View, name: string): { readonly taken: number; readonly failed: number } =>
  backends.find((one) => one.name === name) ?? { taken: 0, failed: 0 }

/** Waits until nobody but the new node has connections, and says how many there are left. */
const drained = Effect.fnUntraced(function* (
  directory: string,
  young: string,
  every: Duration.Duration,
  within: Duration.Duration,
  stopped: Effect.Effect<unknown>
) {
  const open = Effect.map(SwitchClient.look(directory), ({ backends }) =>
    backends.reduce((sum, one) => (one.name === young ? sum : sum + one.open), 0)
  )
  yield* Effect.tap(open, (n) => (n === 0 ? Effect.void : Effect.sleep(every))).pipe(
    Effect.repeat({ until: (n) => n === 0 }),
    Effect.timeoutOption(within),
    Effect.raceFirst(stopped)
  )
  return yield* open
})
