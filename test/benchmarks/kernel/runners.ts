/**
 * The kernel and its peers, each booting and stopping a graph once. They are imported one at a time, in a process of
 * their own, so that nobody pays for another's modules.
 */
import type { Effect as EffectType, Layer as LayerType } from "effect"
import type { Graph } from "./graphs.ts"

/** What one boot took: from the call until everything is up, and until everything is down again. */
interface Run {
  readonly readyMs: number
  readonly totalMs: number
}
export type Runner = (graph: Graph) => Promise<Run>

const timed = async (up: () => Promise<() => Promise<unknown>>): Promise<Run> => {
  const began = performance.now()
  const down = await up()
  const ready = performance.now()
  await down()
  return { readyMs: ready - began, totalMs: performance.now() - began }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** The kernel, with a journal on disk and everything that folds events. */
export const kernel = async (directory: string, kept: "journal" | "nothing" = "journal"): Promise<Runner> => {
  const { Context, Effect, Exit, Scope } = await import("effect")
  const { Boot, Component, Journal } = await import("@novacron/boot")
  const NodeFileSystem = await import("@effect/platform-node/NodeFileSystem")
  let boots = 0
  return async (graph) => {
    const keys = graph.map(({ name }) => Context.Service<Provided, Provided>(name))
    const components = graph.map(({ ms, name, needs }, i) =>
      Component.make(keys[i]!, {
        needs: needs.map((need) => keys[need]!),
        start: ms === 0 ? Effect.sync(() => ({ name })) : Effect.as(Effect.sleep(ms), { name }),
        health: () => Effect.void
      })
    )
    const path = `${directory}/boot-${process.pid}-${boots++}.journal`
    return timed(async () => {
      const scope = Scope.makeUnsafe()
      const options = { checked: false, concurrency: 100_000 }
      // The file system is the journal's: a boot that keeps nothing is not given one.
      const boot =
        kept === "nothing"
          ? Boot.make(components, options)
          : Effect.provide(
              Effect.flatMap(Journal.make({ path }), (journal) => Boot.make(components, { ...options, journal })),
              NodeFileSystem.layer
            )
      await Effect.runPromise(Scope.provide(boot, scope))
      return () => Effect.runPromise(Scope.close(scope, Exit.void))
    })
  }
}

/** A layer of the list. */
type Full = LayerType.Layer<never, never, unknown>

interface Provided {
  readonly name: string
}

/** The same graph as plain Effect layers. */
export const layers = async (): Promise<Runner> => {
  const { Context, Effect, Exit, Layer, Scope } = await import("effect")
  return async (graph) => {
    const keys = graph.map(({ name }) => Context.Service<Provided, Provided>(name))
    const full: Array<Full> = []
    for (const [i, { ms, name, needs }] of graph.entries()) {
      const start = Effect.gen(function* () {
        for (const need of needs) yield* keys[need]!
        if (ms > 0) yield* Effect.sleep(ms)
        return { name }
      })
      const [first, ...more] = needs.map((need) => full[need]!)
      const own = Layer.effect(keys[i]!, start)
      full.push(first === undefined ? own : Layer.provide(own, [first, ...more]))
    }
    const [first, ...more] = full
    return timed(async () => {
      const scope = Scope.makeUnsafe()
      if (first === undefined) return () => Promise.resolve()
      // All requirements are met by the list itself, which the types of a list made at run time cannot say.
      const build = Layer.buildWithScope(Layer.mergeAll(first, ...more), scope) as EffectType.Effect<unknown>
      await Effect.runPromise(build)
      return () => Effect.runPromise(Scope.close(scope, Exit.void))
    })
  }
}

/** Plugins of avvio, which start one after the other. */
export const avvio = async (): Promise<Runner> => {
  const { default: boot } = await import("avvio")
  return async (graph) =>
    timed(async () => {
      const app = boot({}, { autostart: false, timeout: 0 }) as unknown as AvvioApp
      for (const { ms, name } of graph) {
        const plugin = async (): Promise<void> => (ms === 0 ? undefined : sleep(ms))
        Object.defineProperty(plugin, "name", { value: name })
        app.use(plugin)
      }
      app.start()
      await app.ready()
      return () => app.close()
    })
}

interface AvvioApp {
  readonly use: (plugin: () => Promise<void>) => unknown
  readonly start: () => unknown
  readonly ready: () => Promise<unknown>
  readonly close: () => Promise<unknown>
}

/** Async factory providers of a Nest application context. */
export const nest = async (): Promise<Runner> => {
  await import("reflect-metadata")
  const { NestFactory } = await import("@nestjs/core")
  const { Module } = await import("@nestjs/common")
  return async (graph) => {
    class Root {}
    Module({
      providers: graph.map(({ ms, name, needs }) => ({
        provide: name,
        inject: needs.map((need) => graph[need]!.name),
        useFactory: async () => {
          if (ms > 0) await sleep(ms)
          return { name }
        }
      }))
    })(Root)
    return timed(async () => {
      const app = await NestFactory.createApplicationContext(Root, { logger: false })
      return () => app.close()
    })
  }
}
