/** What can be set of DWCP, without its code: see `@novacron/components/early`. */
export { Settings } from "./group/Settings.ts"
