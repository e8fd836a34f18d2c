/** Without a session: how to get one. */
import { createSignal, Show, type JSX } from "solid-js"
import { wordsOf } from "./asking.ts"
import { unlock } from "./live.ts"

export const Locked = (): JSX.Element => {
  const [wrong, setWrong] = createSignal("")
  let input: HTMLInputElement | undefined
  const use = (event: Event): void => {
    event.preventDefault()
    setWrong("")
    unlock(input?.value ?? "").catch((error: unknown) => setWrong(wordsOf(error)))
  }
  return (
    <section class="locked">
      <h2 class="title">This page is for whoever runs the node</h2>
      <p>Ask the node for a link, on its machine:</p>
      <pre>novacron dashboard</pre>
      <p class="quiet">The link opens this page once, within two minutes. The session then lasts for hours.</p>
      <form onSubmit={use}>
        <label>
          Or paste the link here
          <input ref={(it) => (input = it)} type="text" autocomplete="off" spellcheck={false} />
        </label>
        <button type="submit" class="main">
          Open
        </button>
      </form>
      <Show when={wrong() !== ""}>
        <p class="wrong" role="alert">
          {wrong()}
        </p>
      </Show>
    </section>
  )
}
