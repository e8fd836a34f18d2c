/**
 * Something of the cluster that is asked for again: when the question is another one, when what it is about has changed,
 * and now and then. What is known stays while it is asked for.
 */
import { type Accessor, createEffect, createSignal, on, onCleanup } from "solid-js"
import { NotAnswered } from "./asking.ts"
import { line, type News, news } from "./live.ts"

export interface Fresh<A> {
  readonly value: Accessor<A | undefined>
  /** Why there is no answer now. */
  readonly problem: Accessor<NotAnswered | undefined>
  /** Asks at once. */
  readonly again: () => void
}

/** No question is asked more often than that. */
const restMs = 400

/** `concerns` says whether news are about it. Asked again every `everyMs` anyway, and as often while it is not up. */
export const fresh = <Q, A>(
  question: Accessor<Q>,
  ask: (question: Q) => Promise<A>,
  { concerns = () => true, everyMs }: { readonly concerns?: (news: News) => boolean; readonly everyMs: number }
): Fresh<A> => {
  const [value, setValue] = createSignal<A | undefined>()
  const [problem, setProblem] = createSignal<NotAnswered | undefined>()
  let asked = 0
  let isBusy = false
  let isWanted = false

  const run = (isNew: boolean): void => {
    // One after the other: a node that is slow is not asked more for it.
    if (isBusy && !isNew) return void (isWanted = true)
    const mine = ++asked
    isBusy = true
    isWanted = false
    ask(question()).then(
      (answer) => {
        if (mine !== asked) return
        setProblem(undefined)
        setValue(() => answer)
        rest()
      },
      (error: unknown) => {
        if (mine !== asked) return
        setProblem(error instanceof NotAnswered ? error : new NotAnswered(0, String(error)))
        rest()
      }
    )
  }
  const rest = (): void =>
    void setTimeout(() => {
      isBusy = false
      if (isWanted) run(false)
    }, restMs)

  createEffect(on(question, () => run(true)))
  createEffect(on(news, (it) => (concerns(it) ? run(false) : undefined), { defer: true }))
  const timer = setInterval(() => {
    if (!document.hidden && line() === "live") run(false)
  }, everyMs)
  onCleanup(() => {
    asked++
    clearInterval(timer)
  })
  return { value, problem, again: () => run(true) }
}
