/** The cache of the node: what it offers, what can be said about it, and the component. */
export {
  Cache,
  CacheMisconfigured,
  CacheRefused,
  CacheUnavailable,
  CacheUntrusted,
  type Invalidation,
  type Stats
} from "./Cache.ts"
export { component, type Fatal, patience } from "./Component.ts"
export { Settings } from "./Settings.ts"
