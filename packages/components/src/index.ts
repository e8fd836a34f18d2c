export * as Security from "./security/index.ts"
export * as Lock from "./lock/Component.ts"
export * as Cache from "./cache/index.ts"
