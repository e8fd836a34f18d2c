/**
 * Security as a component: it comes up before anything opens a socket, and what it cannot do safely it does not do at all.
 * Any failure of its start is critical and never tried again; there is nothing to fall back to.
 *
 * **Details**
 *
 * On the first boot it makes all keys and certificates, below `security` in the data directory; later ones use them. Once
 * an hour it looks whether a key or the certificate is due. When it stops, the audit log is flushed and every key in
 * memory is overwritten.
 */
import { Component, type Severity } from "@novacron/boot"
import { Effect, FileSystem } from "effect"
import { HttpClient } from "effect/http"
import { type Failure, Security } from "./Security.ts"
import type { Settings } from "./Settings.ts"
import type { Surroundings } from "./Start.ts"

export type { Surroundings } from "./Start.ts"

/** Security, as these settings want it. */
export const component = (
  settings: typeof Settings.Type,
  surroundings: Surroundings
): Component.Component<
  Component.Provided<Security>,
  Severity.Critical<Failure>,
  FileSystem.FileSystem | HttpClient.HttpClient
> =>
  Component.make(Security, {
    name: "security",
    needs: [FileSystem.FileSystem, HttpClient.HttpClient],
    severity: "Critical",
    start: Effect.flatMap(code, ({ start }) => start(settings, surroundings)),
    health: (security) => security.check
    // Vault and an issuer that do not answer are given up before, and named.
  }).pipe(Component.timeout("15 seconds"))

const code = Effect.promise(() => import("./Start.ts"))
