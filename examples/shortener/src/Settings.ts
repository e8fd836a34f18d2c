/** What the shortener is told by its surroundings, read once and before everything else. */
import { Component } from "@novacron/boot"
import { Config, Context, Effect } from "effect"

export class Settings extends Context.Service<
  Settings,
  {
    /** 0 for any that is free. */
    readonly port: number
    readonly file: string
  }
>()("shortener/settings") {}

/** No table of severities: all errors of `start` are critical. Nothing is tried twice that cannot become right. */
export const settings = Component.make(Settings, {
  phase: "pre",
  start: Config.all({
    port: Config.withDefault(Config.Port("PORT"), 0),
    file: Config.withDefault(Config.NonEmptyString("LINKS_FILE"), ".novacron/links.txt")
  }),
  health: () => Effect.void
})
