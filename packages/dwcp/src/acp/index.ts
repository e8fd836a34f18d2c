/** ACP v3: congestion control per socket, and congestion seen coming. */
export { Acp } from "./Acp.ts"
export * as Preference from "./Preference.ts"
export * as Prevention from "./Prevention.ts"
export * as Tcp from "./Tcp.ts"
