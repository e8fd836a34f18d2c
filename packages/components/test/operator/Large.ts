/** The story of a boot of a thousand components: services in forty layers, each of which needs a few of those before. */
import type { BootEvent } from "@novacron/boot/model"

export const large = (count = 1_000): ReadonlyArray<BootEvent.BootEvent> => {
  let seed = 1
  const chance = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647
  const layer = (i: number) => Math.floor((i / count) * 40)
  const components = Array.from({ length: count }, (_, i) => {
    const before = Math.floor((layer(i) * count) / 40)
    const needs =
      before === 0 ? [] : Array.from({ length: 1 + Math.floor(chance() * 3) }, () => Math.floor(chance() * before))
    return {
      name: `service-${i}`,
      phase: "core" as const,
      severity: "degraded" as const,
      needs: [...new Set(needs)].map((j) => `service-${j}`),
      fallbacks: []
    }
  })
  const names = components.map(({ name }) => name)
  return [
    {
      _tag: "BootStarted",
      atMs: 0,
      version: 1,
      bootId: "large",
      nodeId: "large",
      environment: "datacenter",
      configVersion: "c",
      // Watched by a browser, which has no clock but the real one.
      startedAt: Date.now(),
      concurrency: 64,
      worstCaseMs: 60_000,
      components
    },
    ...names.slice(0, count - 40).flatMap((component, i): ReadonlyArray<BootEvent.BootEvent> => [
      { _tag: "ComponentStarted", atMs: layer(i) * 20, component, variant: 0, attempt: 1 },
      { _tag: "ComponentReady", atMs: layer(i) * 20 + 12, component }
    ])
  ]
}
