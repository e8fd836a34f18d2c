/**
 * The node for those who want it inside of something else: its settings and parts, the lines of its boot, its exit codes
 * and its errors. The program itself is `novacron`.
 *
 * ```ts
 * import { Node, Settings } from "novacron"
 * const { settings } = yield* Config.load(Settings.definition(), { environment, flags: {} })
 * const plan = Node.plan(settings, facts)
 * ```
 */
export * as BootLines from "./BootLines.ts"
export * as Codes from "./Codes.ts"
export * as ControlSocket from "./ControlSocket.ts"
export * as ExitCode from "./ExitCode.ts"
export * as LastWords from "./LastWords.ts"
export * as Node from "./Node.ts"
export * as Settings from "./Settings.ts"
export * as Surroundings from "./Surroundings.ts"
