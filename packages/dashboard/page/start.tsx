/** Fills the page: what it shows is chosen by the address, `#/graph`, `#/timeline`, and by what the node allows. */
import { render } from "solid-js/web"
import { App } from "./App.tsx"
import { listen } from "./live.ts"

export const begin = (): void => {
  const root = document.getElementById("app")
  if (root === null) return
  root.replaceChildren()
  render(() => <App />, root)
  void listen()
}
