/** The API of the node: REST, WebSocket and gRPC from one contract. */
export * from "./Api.ts"
export { component, patience, type Surroundings } from "./Component.ts"
export * as LocalAccess from "./LocalAccess.ts"
export * as NodeView from "./NodeView.ts"
export { Settings } from "./Settings.ts"
