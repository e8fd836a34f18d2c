/** What comes last, as components: the health endpoints. */
import { Component } from "@novacron/boot"
import * as HealthServer from "./HealthServer.ts"
import type { HealthSettings } from "./Settings.ts"

export * as HealthServer from "./HealthServer.ts"
export * as HealthView from "./HealthView.ts"
export * from "./Settings.ts"

/**
 * The health endpoints for a boot that has none yet. A process opens them before its boot instead, with
 * `HealthServer.make`, so that whoever asks early gets an answer.
 */
export const health = (settings: typeof HealthSettings.Type) =>
  Component.make(HealthServer.HealthServer, {
    phase: "pre",
    start: HealthServer.make(settings),
    health: (server) => server.check
  })
