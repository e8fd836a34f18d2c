export * as Security from "./security/Security.ts"
export * as Lock from "./lock/Component.ts"
