/**
 * What the services of a node do under load, what is lost when something dies, and what a boot of all of them takes beside
 * its critical path: `pnpm --silent bench services --json`.
 */
import * as Groups from "../Groups.ts"

export const run = Groups.of("services", ["tasks", "rest", "boot"])
