/** Adaptive state synchronisation: what nodes agree on, or come to agree on. */
export { layer, make, type Surroundings } from "./Ass.ts"
export * from "./Failures.ts"
export { channel } from "./Local.ts"
export { Settings } from "./Settings.ts"
export {
  type Change,
  type Condition,
  type Engine,
  type EngineName,
  type Entry,
  type Operation,
  type Outcome,
  type Promises,
  StateSync,
  type Status,
  type Transaction
} from "./StateSync.ts"
export * as Typed from "./Typed.ts"
