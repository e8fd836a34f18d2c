/** PBFT: decisions that hold although some of those who make them lie. */
export type { Application, At } from "./Execution.ts"
export * from "./Failures.ts"
export {
  make,
  type Answer,
  type Event,
  type Member,
  type Options,
  type Pbft,
  type Position,
  type Proposal
} from "./Pbft.ts"
export { identify } from "./Keys.ts"
export { type Address, fixed, type Identity, type Tls } from "./Peers.ts"
export { Settings } from "./Settings.ts"
