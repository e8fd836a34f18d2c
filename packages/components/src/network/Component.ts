/**
 * The network as a part of the node: nothing runs without it. Only a port that is taken is tried again, because an instance
 * that is just ending gives it back.
 */
import { Component, Policy, type Severity } from "@novacron/boot"
import { Duration, Effect } from "effect"
import { Security } from "../security/Security.ts"
import type { CannotBind } from "./Bind.ts"
import { Network } from "./Network.ts"
import type { Settings } from "./Settings.ts"

/** How patient a boot is with a port that is taken: three attempts, after 1 and 2 seconds. Anything else is tried once. */
export const patience: Policy.Policy = Policy.perError(Policy.never, { PortTaken: Policy.standard })

/**
 * The component `network`. `retry` is for tests that cannot wait for seconds. Default: {@link patience}. `listening` is told
 * where it listens each time it does.
 */
export const component = (
  settings: Settings,
  options: { readonly retry?: Policy.Policy; readonly listening?: (port: number) => void } = {}
): Component.Component<Component.Provided<Network>, Severity.Critical<CannotBind>, Security> => {
  const listening = Component.make(Network, {
    name: "network",
    needs: [Security],
    // Time to drain, and a moment to cut off the rest.
    stop: Duration.sum(settings.drainTimeout, Duration.seconds(2)),
    start: Effect.gen(function* () {
      const Listener = yield* Effect.promise(() => import("./Listener.ts"))
      const network = yield* Listener.make(settings)
      options.listening?.(network.address.port)
      return network
    }),
    health: (network) => network.check
  })
  return listening.pipe(Component.retry(options.retry ?? patience), Component.timeout("15 seconds"))
}
