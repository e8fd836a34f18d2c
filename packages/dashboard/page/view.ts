/** What is looked at: the page, the component that is selected, the colours. In the address, as far as it can be shared. */
import { createSignal } from "solid-js"

export const pages = ["graph", "timeline", "health", "nodes", "tasks", "boots", "settings"] as const
export type Page = (typeof pages)[number]

export const titles: { readonly [P in Page]: string } = {
  graph: "Graph",
  timeline: "Timeline",
  health: "Health",
  nodes: "Nodes",
  tasks: "Tasks",
  boots: "Boots",
  settings: "Settings"
}

const read = (): { readonly page: Page; readonly selected: string | undefined } => {
  const [, name, component] = /^#\/(\w+)(?:\/(.+))?$/.exec(location.hash) ?? []
  return { page: pages.find((one) => one === name) ?? "graph", selected: decoded(component) }
}

const decoded = (text: string | undefined): string | undefined => {
  try {
    return text === undefined ? undefined : decodeURIComponent(text)
  } catch {
    return undefined
  }
}

const [at, setAt] = createSignal(read())
addEventListener("hashchange", () => setAt(read()))

export const page = (): Page => at().page
export const selected = (): string | undefined => at().selected

export const hashOf = (page: Page, component?: string): string =>
  `#/${page}${component === undefined ? "" : `/${encodeURIComponent(component)}`}`

export const go = (to: Page): void => void (location.hash = hashOf(to))

/** Selects a component where one is, or nothing. */
export const select = (component: string | undefined): void => {
  const where = page() === "timeline" ? "timeline" : "graph"
  history.replaceState(null, "", hashOf(where, component))
  setAt(read())
}

// ------------------------------------------------------------------------------------------------------------ colours

export type Theme = "system" | "light" | "dark"

const chosen = (): Theme => {
  const { theme } = document.documentElement.dataset
  return theme === "light" || theme === "dark" ? theme : "system"
}

const [theme, show] = createSignal(chosen())
export { theme }

export const setTheme = (next: Theme): void => {
  if (next === "system") delete document.documentElement.dataset["theme"]
  else document.documentElement.dataset["theme"] = next
  try {
    localStorage.setItem("novacron-theme", next)
  } catch {
    // No storage: the choice lasts as long as the page.
  }
  show(next)
}
