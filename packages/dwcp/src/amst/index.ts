/** AMST v3: bytes to a peer over many streams, whole and once. */
export {
  type Address,
  Amst,
  type Delivery,
  type Link,
  type Listener,
  type Message,
  type Peer,
  type Receipt,
  type SendOptions
} from "./Amst.ts"
export * from "./Failures.ts"
export * as Difference from "./Difference.ts"
export * as Frame from "./Frame.ts"
export * as Growth from "./Growth.ts"
export * as Command from "./Command.ts"
export * as Lanes from "./Lanes.ts"
export { Settings } from "./Settings.ts"
