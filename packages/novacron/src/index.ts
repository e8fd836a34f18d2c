/**
 * The node for those who want it inside of something else: its settings and parts, the lines of its boot, its exit codes
 * and its errors. The program itself is `novacron`.
 *
 * ```ts
 * import { NodeServices } from "@effect/platform-node"
 * import { Config } from "@novacron/config"
 * import { Effect } from "effect"
 * import { Settings } from "novacron"
 *
 * const found = Config.load(Settings.definition(), { environment: { NOVACRON_HEALTH_PORT: "9100" }, flags: {} })
 * const { explain, settings } = await Effect.runPromise(Effect.provide(found, NodeServices.layer))
 * console.log(settings.health.port) // => 9100
 * console.log(explain("health.port")[0]?.sources[0].place) // => NOVACRON_HEALTH_PORT
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
