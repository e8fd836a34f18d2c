/** What a person needs to look at a node and to act on it: the dashboard, with its settings. */
export { type Dashboard, DashboardUnavailable, make, type Options, type Whom } from "./Dashboard.ts"
export * as NodeTls from "./NodeTls.ts"
export type { Sources } from "./Questions.ts"
export type { Refused } from "./Reply.ts"
export { Settings } from "./Settings.ts"
export * as Wire from "./Wire.ts"
