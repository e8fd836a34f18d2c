export * as Security from "./security/Security.ts"
