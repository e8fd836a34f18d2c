/** The network of the node: what it offers, what can be said about it, and the component. */
export * from "./Network.ts"
export * as Cidr from "./Cidr.ts"
export { component, patience } from "./Component.ts"
export type { CannotBind } from "./Bind.ts"
export { Settings } from "./Settings.ts"
