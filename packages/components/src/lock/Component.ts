/** The lock as a component: before anything that touches the data directory. */
import { Component } from "@novacron/boot"
import * as Lock from "./Lock.ts"
import type { Settings } from "./Settings.ts"

export * from "./Lock.ts"
export { Settings } from "./Settings.ts"

/** Takes the lock of the data directory. Every failure is critical, and none is tried again. */
export const component = (settings: typeof Settings.Type, dataDirectory: string) =>
  Component.make(Lock.Lock, {
    phase: "pre",
    priority: 10,
    start: Lock.acquire(dataDirectory, settings.file),
    health: (lock) => lock.check
  })
