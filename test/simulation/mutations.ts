/**
 * Known-wrong versions of the kernel: each replaces a piece of source text and breaks the promise that it names. The
 * text must be there exactly once, or the mutation is stale and has to be brought up to date.
 */

/** One wrong version. */
export interface Mutation {
  readonly name: string
  /** Below `packages/boot/src`. */
  readonly file: string
  /** What no longer holds. */
  readonly promise: string
  readonly search: string
  readonly replace: string
}

const of = (file: string, mutations: ReadonlyArray<Omit<Mutation, "file">>): ReadonlyArray<Mutation> =>
  mutations.map((mutation) => ({ ...mutation, file }))

const progress = of("Progress.ts", [
  {
    name: "starts when one need has settled",
    promise: "nothing starts before its needs",
    search: "else if (s.pending[j] === 0) enqueue(s, j)\n    }",
    replace: "else enqueue(s, j)\n    }"
  },
  {
    name: "starts without what it cannot do without",
    promise: "nothing starts before its needs",
    search: "if (!available && s.plan.hard[j]!.includes(i)) lose(s, j, i, out)\n      else if",
    replace: "if"
  },
  {
    name: "gives away one slot too many",
    promise: "no more attempts run than there are slots",
    search: "s.running < s.limits.slots && s.queue.length > 0",
    replace: "s.running <= s.limits.slots && s.queue.length > 0"
  },
  {
    name: "goes on after a critical failure",
    promise: "nothing starts after a critical failure",
    search: 'fatal(s, i, failure, out)\n    takeDown(s, "failed", component.name, out)\n  }\n}\n\nconst absent',
    replace: "fatal(s, i, failure, out)\n  }\n}\n\nconst absent"
  },
  {
    name: "tries once more than the policy",
    promise: "attempts stay inside the policy",
    search: "s.attempt[i]! < s.plan.components[i]!.variants[s.variant[i]!]!.attempts",
    replace: "s.attempt[i]! <= s.plan.components[i]!.variants[s.variant[i]!]!.attempts"
  },
  {
    name: "tries again beside an attempt that hangs",
    promise: "never two live instances",
    search: 'closing !== "abandoned" &&',
    replace: ""
  },
  {
    name: "tries again although it was given up",
    promise: "phases have a deadline",
    search: "s.noRetry[i] === 0 &&",
    replace: ""
  },
  {
    name: "backs off past the deadline of all attempts",
    promise: "attempts stay inside the policy",
    search: "s.atMs + s.retryInMs[i]! < s.budgetAtMs[i]!",
    replace: "s.retryInMs[i]! >= 0"
  },
  {
    name: "forgets the deadline of an attempt",
    promise: "attempts have a deadline",
    search: "else timer(s, deadlineMs, Kind.Attempt, i)",
    replace: ""
  },
  {
    name: "forgets the deadline of a slow attempt",
    promise: "attempts have a deadline",
    search: "timer(s, Math.max(0, deadlineMs - component.slowMs), Kind.Attempt, i)",
    replace: ""
  },
  {
    name: "gives a slow attempt its whole deadline again",
    promise: "attempts have a deadline",
    search: "timer(s, Math.max(0, deadlineMs - component.slowMs), Kind.Attempt, i)",
    replace: "timer(s, Math.max(0, deadlineMs), Kind.Attempt, i)"
  },
  {
    name: "starts after its deadline, when it had to wait for a slot",
    promise: "attempts stay inside the policy",
    search: "attempt > 1 && s.atMs >= s.budgetAtMs[i]!",
    replace: "attempt > 99 && s.atMs >= s.budgetAtMs[i]!"
  },
  {
    name: "falls back after a critical failure",
    promise: "a critical failure ends the boot",
    search: 'failure.severity === "degraded" && !isLast',
    replace: 'failure.severity !== "warning" && !isLast'
  },
  {
    name: "leaves the fallback aside",
    promise: "a degraded failure never fails the boot",
    search: 'failure.severity === "degraded" && !isLast',
    replace: 'failure.severity === "degraded" && isLast && !isLast'
  },
  {
    name: "chooses another fallback when the boot is out of time",
    promise: "every boot ends within its worst case",
    search: "next >= component.variants.length || s.noRetry[i] === Last.Variant",
    replace: "next >= component.variants.length"
  },
  {
    name: "gives up with the boot as it does with a phase",
    promise: "every boot ends within its worst case",
    search: 'scope === "boot" ? Last.Variant : Last.Attempt',
    replace: "Last.Attempt"
  },
  {
    name: "fails the boot with a warning",
    promise: "a warning changes nobody else",
    search: 'component.optional && (failure.severity !== "critical" || s.stage === "ready")',
    replace: 'component.optional && s.stage === "ready"'
  },
  {
    name: "does without a component that failed critically",
    promise: "a critical failure ends the boot",
    search: 'component.optional && (failure.severity !== "critical" || s.stage === "ready")',
    replace: "component.optional"
  },
  {
    name: "does not wait between attempts",
    promise: "delays stay inside the policy",
    search: "timer(s, s.retryInMs[i]!, Kind.Backoff, i)",
    replace: "timer(s, 0, Kind.Backoff, i)"
  },
  {
    name: "waits for ever between attempts",
    promise: "no wake-up is lost",
    search: "timer(s, s.retryInMs[i]!, Kind.Backoff, i)",
    replace: ""
  },
  {
    name: "is ready with one component unsettled",
    promise: "READY only with everything critical up",
    search: "s.phaseNow < 4 && s.phaseLeft[s.phaseNow] === 0",
    replace: "s.phaseNow < 4 && s.phaseLeft[s.phaseNow]! <= 1"
  },
  {
    name: "is ready before the checkpoint is durable",
    promise: "READY only after the checkpoint is durable",
    search: 's.stage = "persisting"\n    out.commands.push({ _tag: "Persist" })',
    replace: "ready(s, out)"
  },
  {
    name: "does not wait for the first phase",
    promise: "nothing starts before pre_init is complete",
    search: "let open = phase === 0 || s.phaseLeft[0] === 0",
    replace: "let open = true"
  },
  {
    name: "does not wait for what is critical",
    promise: "post_init begins when everything critical has settled",
    search: "if (phase === 3) open &&= s.criticalLeft === 0",
    replace: ""
  },
  {
    name: "has barriers between all phases but the last two",
    promise: "phased scheduling has strict barriers",
    search: "for (let p = 0; p < phase; p++) open",
    replace: "for (let p = 0; p < phase - 1; p++) open"
  },
  {
    name: "never opens a phase",
    promise: "no wake-up is lost",
    search: 'if (s.stage === "booting") openGates(s)',
    replace: ""
  },
  {
    name: "tells nobody that time was up before there was a slot",
    promise: "no wake-up is lost",
    search: "} while (s.settling.length > 0)",
    replace: "} while (false)"
  },
  {
    name: "restores beside an attempt that hangs",
    promise: "never two live instances",
    search: 'if (closing === "abandoned") s.restoreInMs[i] = NaN',
    replace: ""
  },
  {
    name: "calls every boot ready",
    promise: "a degraded boot says so",
    search: 'outcome: degraded ? "degraded" : "ready"',
    replace: 'outcome: "ready"'
  },
  {
    name: "calls a boot degraded for a warning",
    promise: "a warning leaves the boot ready",
    search: 'return reason?._tag === "Failed" && reason.failure.severity !== "warning"',
    replace: 'return reason?._tag === "Failed"'
  },
  {
    name: "forgets restorations that were due before it was ready",
    promise: "once faults stop, everything comes up",
    search: "if (s.restoreDue[i] === 1) restore(s, i, out)",
    replace: "void i"
  },
  {
    name: "does not restore what is degraded",
    promise: "once faults stop, everything comes up",
    search: "      reason\n    })\n    restoreLater(s, i, s.restoreInMs[i]!)",
    replace: "      reason\n    })"
  },
  {
    name: "leaves skipped dependents alone",
    promise: "a restored component brings back its dependents",
    search: 'if (s.settled[i] === 1 && s.stage === "ready") startDependents(s, i, out)',
    replace: ""
  },
  {
    name: "does without whatever has an environment",
    promise: "READY only with everything critical up",
    search: "component.environments !== undefined && isElsewhere(s, need)",
    replace: "component.environments !== undefined"
  },
  {
    name: "gives up others when the boot has failed already",
    promise: "nothing happens to a component twice",
    search: 'if (s.stage === "booting") giveUp(s, i, scope, afterMs, out)',
    replace: "giveUp(s, i, scope, afterMs, out)"
  },
  {
    name: "has no deadline for the boot",
    promise: "every boot ends within its worst case",
    search: "timer(s, s.limits.bootMs, Kind.Boot, -1)",
    replace: ""
  },
  {
    name: "counts a critical component twice",
    promise: "post_init begins when everything critical has settled",
    search: "if (Plan.holdsPost(s.plan, i)) s.criticalLeft--",
    replace: "if (Plan.holdsPost(s.plan, i)) s.criticalLeft -= 2"
  },
  {
    name: "takes an answer for that of another attempt",
    promise: "the events of a boot tell one story",
    search: "if (s.status[input.component] === Status.Running) healthy(s, input.component, out)",
    replace: "healthy(s, input.component, out)"
  },
  {
    name: "counts the attempts of all variants together",
    promise: "attempts stay inside the policy",
    search: "  s.attempt[i] = 0\n  if (failure.severity",
    replace: "  if (failure.severity"
  }
])

const progressState = of("ProgressState.ts", [
  {
    name: "lets the least urgent go first",
    promise: "the longest remaining path goes first",
    search: "other > priority || (other === priority && rank[j]! >= own)",
    replace: "other > priority || (other === priority && rank[j]! <= own)"
  },
  {
    name: "heeds timers of states that are over",
    promise: "the events of a boot tell one story",
    search: 's.stage !== "ended" && stamp === s.stamp[subject]',
    replace: 's.stage !== "ended"'
  }
])

const takedown = of("Takedown.ts", [
  {
    name: "releases what others still hold",
    promise: "dependents are released before what they need",
    search: "if (--s.holders[need]! === 0 && isUp(s, need)) release(s, need, out)",
    replace: "if (--s.holders[need]! >= 0 && isUp(s, need)) release(s, need, out)"
  },
  {
    name: "releases everything at once",
    promise: "dependents are released before what they need",
    search: "if (isUp(s, i) && s.holders[i] === 0) release(s, i, out)",
    replace: "if (isUp(s, i)) release(s, i, out)"
  },
  {
    name: "counts hard needs only",
    promise: "dependents are released before what they need",
    search: "for (const need of s.plan.holds[i]!) s.holders[need]!++",
    replace: "for (const need of s.plan.hard[i]!) s.holders[need]!++"
  },
  {
    name: "stops at the first component that is down",
    promise: "everything is released",
    search: "component: name(s, i), closing })\n  goneDown(s, i, out)",
    replace: "component: name(s, i), closing })"
  },
  {
    name: "lets attempts run on",
    promise: "siblings of a critical failure are interrupted",
    search: "if (s.status[i] === Status.Running) interrupt(s, i, undefined, out)\n    else rollBackOne(s, i, out)",
    replace: "rollBackOne(s, i, out)"
  },
  {
    name: "waits for ever for a finalizer",
    promise: "a rollback goes on past hanging finalizers",
    search: 'timer(s, s.plan.components[i]!.stopMs, Kind.Closing, i)\n  const event = { _tag: "ComponentStopping"',
    replace: 'const event = { _tag: "ComponentStopping"'
  },
  {
    name: "waits for ever for an attempt to be closed",
    promise: "a rollback goes on past hanging finalizers",
    search: "s.running--\n  timer(s, s.plan.components[i]!.stopMs, Kind.Closing, i)",
    replace: "s.running--"
  },
  {
    name: "has no budget for the rollback",
    promise: "a rollback ends within its budget",
    search: "timer(s, budgetMs, Kind.Rollback, -1)",
    replace: ""
  },
  {
    name: "calls a failed finalizer clean",
    promise: "what was left behind is recorded",
    search: 'if (closing !== "clean") s.unclean = true\n  set(s, i, Status.Stopped)',
    replace: "set(s, i, Status.Stopped)"
  },
  {
    name: "leaves behind whom others held when the budget is spent",
    promise: "everything is released exactly once",
    search: "if (!isLive(s, i)) continue",
    replace: "if (!isLive(s, i) || isUp(s, i)) continue"
  },
  {
    name: "says that it was stopped, whatever happened",
    promise: "a failed boot says so",
    search: 'outcome: why === "deadline" ? "failed" : why',
    replace: 'outcome: "stopped"'
  },
  {
    name: "never gives a slot back",
    promise: "no wake-up is lost",
    search: "set(s, i, Status.Closing)\n  s.running--",
    replace: "set(s, i, Status.Closing)"
  },
  {
    name: "gives no reason that leads to a root",
    promise: "whatever is not ready has a root cause",
    search: 'skip(s, i, { _tag: "RolledBack", because: s.takedown?.because ?? "" }, out)',
    replace: 'skip(s, i, { _tag: "Need", need: name(s, i) }, out)'
  }
])

const restoration = of("Restoration.ts", [
  {
    name: "keeps the timer of a restoration that was asked for before its time",
    promise: "one timer of a kind counts for a component",
    search: "  s.stamp[i]!++\n  if (!Number.isNaN(inMs))",
    replace: "  if (!Number.isNaN(inMs))"
  },
  {
    name: "forgets a restoration when it is asked for one too early",
    promise: "once faults stop, everything comes up",
    search: 'if (s.stage !== "ready" || s.plan.excluded[i]) return\n  s.restoreDue[i] = 0',
    replace: 's.restoreDue[i] = 0\n  if (s.stage !== "ready" || s.plan.excluded[i]) return'
  },
  {
    name: "swaps what is being swapped",
    promise: "never two live instances",
    search: "s.status[i] === Status.Degraded && s.swapping[i] === 0",
    replace: "s.status[i] === Status.Degraded"
  },
  {
    name: "revives who still lacks a need",
    promise: "nothing starts before its needs",
    search: "if (!s.plan.hard[i]!.every((need) => stays(s, need))) return",
    replace: ""
  },
  {
    name: "does not try a failed swap again",
    promise: "once faults stop, everything comes up",
    search: "if (s.status[i] === Status.Degraded) restoreLater(s, i, retryInMs ?? NaN)",
    replace: ""
  }
])

const byHand = of("ByHand.ts", [
  {
    name: "lets go of one that others hold",
    promise: "dependents go down first, by hand too",
    search: "if (isDue && !s.plan.heldBy[i]!.some((holder) => isLive(s, holder))) release",
    replace: "if (isDue) release"
  },
  {
    name: "starts what went down by hand before its needs are back",
    promise: "what went down by hand comes back in order",
    search: "  if (s.plan.needs[i]!.some((need) => s.down[need] !== Down.No)) return\n",
    replace: ""
  },
  {
    name: "starts again what could not be closed",
    promise: "never two live instances, by hand either",
    search: 'if (closing === "abandoned" && s.down[i] === Down.Again) mark(s, i, Down.Held)',
    replace: ""
  },
  {
    name: "forgets restorations that came due while somebody was restarted",
    promise: "once faults stop, everything comes up",
    search: "if (s.restoreDue[i] === 1) restore(s, i, out)",
    replace: "s.restoreDue[i] = 0"
  }
])

const plan = of("Plan.ts", [
  {
    name: "does not wait for optional needs",
    promise: "a plan waits for needs, hard and optional",
    search: 'if (kind === "late") add(',
    replace: 'if (kind !== "hard") add('
  },
  {
    name: "waits for late needs",
    promise: "a late need delays no start",
    search: 'if (kind === "late") add(',
    replace: 'if (kind === "hard") add('
  },
  {
    name: "offers what is elsewhere",
    promise: "what is elsewhere offers nothing",
    search: "if (j === undefined || excluded[j]!) continue",
    replace: "if (j === undefined) continue"
  },
  {
    name: "takes the last need for the deepest",
    promise: "a level is the longest path",
    search: "if (level[d]! < below) level[d] = below",
    replace: "level[d] = below"
  },
  {
    name: "orders by chance of registration",
    promise: "the order of registration never matters",
    search: "[...byName.keys()].sort()",
    replace: "[...byName.keys()]"
  },
  {
    name: "overlooks cycles",
    promise: "a plan says what is wrong",
    search: "...(order.length < components.length ? cycles(components, edges.needs) : []),",
    replace: ""
  },
  {
    name: "overlooks what nobody provides",
    promise: "a plan says what is wrong",
    search: "unmet.filter(({ key }) => !around.comesFromOutside(key)),",
    replace: "unmet.filter(({ key }) => around.comesFromOutside(key)),"
  },
  {
    name: "overlooks needs of a later phase",
    promise: "a plan says what is wrong",
    search: "...inversions(components, edges.needs),",
    replace: ""
  },
  {
    name: "calls everybody's loss the end of the boot",
    promise: "losses have their impact",
    search: 'component.optional ? "skipped" : "fails-boot"',
    replace: '"fails-boot"'
  }
])

const forecast = of("Forecast.ts", [
  {
    name: "ranks by own cost",
    promise: "the longest remaining path goes first",
    search: "const own = (remaining[i] = costMs[i]! + rest)",
    replace: "const own = (remaining[i] = costMs[i]!)"
  },
  {
    name: "ignores priorities",
    promise: "higher priorities go first",
    search: "plan.components[j]!.priority - plan.components[i]!.priority || plan.rank",
    replace: "plan.rank"
  },
  {
    name: "forgets the work beside the longest path",
    promise: "worst cases are bounds",
    search: "longest + (work(plan, worst) - longest) / slots",
    replace: "longest"
  },
  {
    name: "forgets that post waits for what is critical",
    promise: "the forecast is what happens",
    search: "(preLeft === 0 && (phase !== Phase.rank.post || criticalLeft === 0))",
    replace: "preLeft === 0"
  }
])

/** All of them. */
export const all: ReadonlyArray<Mutation> = [
  ...progress,
  ...progressState,
  ...takedown,
  ...restoration,
  ...byHand,
  ...plan,
  ...forecast
]
