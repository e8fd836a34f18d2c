/** Which nodes there are. */
export { component, Discovery, make, NotFoundByOthers, type Self } from "./Component.ts"
export * as Registry from "./Registry.ts"
export { migrations, type Peer, RegistryUnavailable } from "./Registry.ts"
export { Settings } from "./Settings.ts"
