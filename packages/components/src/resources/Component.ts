/** The validation of resources as a component: a machine that is too small is known before anything is opened on it. */
import { Component } from "@novacron/boot"
import { Effect } from "effect"
import { Host } from "../environment/Host.ts"
import type { Plans } from "./Capacity.ts"
import * as Resources from "./Resources.ts"
import type { Settings } from "./Settings.ts"

export * as Capacity from "./Capacity.ts"
export * as Cgroup from "./Cgroup.ts"
export * from "./Resources.ts"
export { Settings } from "./Settings.ts"
export * as Tier from "./Tier.ts"

/** Validates this machine for a node with this data directory and these plans. Critical under `enforce`. */
export const component = (settings: typeof Settings.Type, dataDirectory: string, plans: Plans) =>
  Component.make(Resources.Resources, {
    phase: "pre",
    start: Effect.provide(Resources.validate(settings, dataDirectory, plans), Host.layer),
    health: ({ findings, shortfalls, tier }) => {
      const lacking = findings.filter(({ verdict }) => verdict === "too little").map(Resources.describeFinding)
      const lacks = [...lacking, ...shortfalls.map(({ what }) => `not enough ${what} for the settings`)]
      return Effect.succeed({ detail: `${tier} machine${lacks.length === 0 ? "" : `; ${lacks.join("; ")}`}` })
    }
  })
