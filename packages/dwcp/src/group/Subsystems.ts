/**
 * The six, each with a layer for each environment, what stands in for it, how one sees that it works, and what it says of
 * itself.
 *
 * **Details**
 *
 * AMST, ASS and ACP have no stand-in: without them the whole goes back to v1. HDE gives way to zstd-3, PBA to the moving
 * average, ITP to placement in turn.
 */
import { Environment } from "@novacron/boot"
import { Context, Effect, type FileSystem, Layer, type Option, type Path, type Schedule, type Scope } from "effect"
import type { SqlClient } from "effect/sql"
import { Acp } from "../acp/Acp.ts"
import * as Preference from "../acp/Preference.ts"
import { Amst } from "../amst/Amst.ts"
import * as Ass from "../ass/Ass.ts"
import type { EngineUnavailable, StateError } from "../ass/Failures.ts"
import { type Engine, patience, StateSync } from "../ass/StateSync.ts"
import * as Tolerant from "../ass/Tolerant.ts"
import { Hde } from "../hde/Hde.ts"
import type { Mode } from "../mode/Detector.ts"
import { Pba } from "../pba/Pba.ts"
import * as Coding from "./Coding.ts"
import type * as Features from "./Features.ts"
import * as Forecast from "./Forecast.ts"
import * as LocalState from "./LocalState.ts"
import * as Placing from "./Placing.ts"
import type { Settings } from "./Settings.ts"
import * as Subsystem from "./Subsystem.ts"

/** What compresses, for messages. */
export class Coder extends Context.Service<Coder, Coding.Coding>()("novacron/dwcp/group/Coder") {}
/** What forecasts. */
export class Forecaster extends Context.Service<Forecaster, Forecast.Forecasting>()("novacron/dwcp/group/Forecaster") {}
/** What places tasks. */
export class Placer extends Context.Service<Placer, Placing.Placing>()("novacron/dwcp/group/Placer") {}

/** A layer for each environment. */
export type Layers<S> = { readonly [M in Mode]: Layer.Layer<S, unknown> }

/** How each of the six is made. */
export interface Layered {
  readonly amst: Layers<Amst>
  readonly hde: Layers<Coder>
  readonly pba: Layers<Forecaster>
  readonly ass: Layers<StateSync>
  readonly acp: Layers<Acp>
  readonly itp: Layers<Placer>
}

/** What the members that decide know each other by. */
export type Consensus = Pick<Tolerant.Options, "privateKey" | "tls">

export interface Given {
  readonly settings: Settings
  /** A folder of this component alone. */
  readonly directory: string
  /** The database of the node, as soon as it is there. */
  readonly sql: Effect.Effect<Option.Option<SqlClient.SqlClient>> | undefined
  /** Whom this node decides with, if it does. */
  readonly consensus: Consensus | undefined
  readonly files: Context.Context<FileSystem.FileSystem | Path.Path>
  readonly features: () => Features.Features
  readonly known: Placing.Known
}

/** The six as they are, with these settings. */
export const layers = (given: Given): Layered => {
  const { directory, features, files, known, settings } = given
  return {
    amst: forEach((mode) =>
      Layer.unwrap(
        Effect.sync(() =>
          Amst.layer({
            ...settings.transport,
            environment: mode,
            // A control that no kernel has leaves each socket as the system has it.
            congestion: features().has("congestion") ? settings.transport.congestion : "system"
          })
        )
      ).pipe(Layer.provide(Acp.layer))
    ),
    hde: forEach((mode) =>
      Layer.effect(
        Coder,
        Effect.map(Hde, (hde) => Coding.ofHde(hde, mode))
      ).pipe(
        // A folder for each mode, as two of them are open while one is exchanged for the other.
        Layer.provide(Hde.layer({ ...settings.compression, goal: mode }, `${directory}/hde/${mode}`)),
        Layer.provide(Layer.succeedContext(files))
      )
    ),
    pba: forEach(() =>
      Layer.effect(
        Forecaster,
        Effect.map(Pba, (pba) => ({
          ...pba,
          by: Effect.map(pba.model, (model) => (model._tag === "Ready" ? `the model ${model.id}` : "classical means"))
        }))
      ).pipe(Layer.provide(Pba.layer(settings.prediction)), Layer.provide(Layer.succeedContext(files)))
    ),
    ass: forEach((mode) => Layer.effect(StateSync, engine(given, mode))),
    acp: forEach(() => Acp.layer),
    itp: forEach((mode) => Layer.sync(Placer, () => Placing.ofItp(mode, known)))
  }
}

/** What is left of the six without v3: nothing of them fails, and nothing of them is asked for much. */
export const withoutV3 = (real: Layered, given: Pick<Given, "settings" | "sql">): Layered => ({
  ...real,
  amst: forEach(() => Amst.layerStandard.pipe(Layer.provide(Acp.layerUntuned("v1 is spoken")))),
  ass: forEach(() =>
    given.settings.consensus.byzantineTolerance
      ? Layer.succeed(StateSync, Tolerant.refusing("this node speaks v1"))
      : Layer.effect(StateSync, alone(given))
  ),
  acp: forEach(() => Acp.layerUntuned("v1 is spoken"))
})

const forEach = <S>(layer: (mode: Mode) => Layer.Layer<S, unknown>): Layers<S> => ({
  datacenter: layer("datacenter"),
  internet: layer("internet"),
  hybrid: layer("hybrid")
})

/** Which engine a mode prefers, of those that can be had: servers that agree, peers that tell each other, both, neither. */
const engines: { readonly [M in Mode]: ReadonlyArray<"datacenter" | "internet" | "hybrid" | "alone"> } = {
  datacenter: ["datacenter", "internet", "alone"],
  internet: ["internet", "datacenter", "alone"],
  hybrid: ["hybrid", "datacenter", "internet", "alone"]
}

/** The engine of the environment, where its servers or peers are known; without any the node is alone. */
const engine = (given: Given, mode: Mode): Effect.Effect<Engine, unknown, Scope.Scope> =>
  Effect.suspend((): Effect.Effect<Engine, unknown, Scope.Scope> => {
    const { consensus, directory, features, settings } = given
    const { sync } = settings
    const isOn = features().has("stateSync")
    const mayDecide = isOn && features().has("consensus")
    if (settings.consensus.byzantineTolerance) {
      if (!mayDecide || consensus === undefined) return Effect.succeed(Tolerant.refusing("the rollout leaves it out"))
      const { listenAddress } = settings
      const { lease, namespace } = sync
      const members = { ...consensus, settings: settings.consensus, directory: `${directory}/consensus` }
      return Effect.map(Tolerant.make({ ...members, listenAddress, lease, namespace }), (it) => Ass.bounded(sync, it))
    }
    const decides = mayDecide && sync.etcd.endpoints.length > 0
    const spreads = isOn && sync.gossip.secret !== undefined
    const environment = engines[mode].find(
      (one) => one === "alone" || ((one === "internet" || decides) && (one === "datacenter" || spreads))
    )
    return environment === undefined || environment === "alone" ? alone(given) : Ass.make({ ...sync, environment })
  })

/** In the database of the node, if it has one; also in v1, as what was written before is to be there. */
const alone = ({ settings, sql }: Pick<Given, "settings" | "sql">): Effect.Effect<Engine, never, Scope.Scope> =>
  sql === undefined ? LocalState.make : Ass.makeAlone(settings.sync, sql)

// ------------------------------------------------------------------------------------------------------------ as one

export interface Six {
  readonly amst: Subsystem.Subsystem<Amst["Service"]>
  readonly hde: Subsystem.Subsystem<Coding.Coding>
  readonly pba: Subsystem.Subsystem<Forecast.Forecasting>
  readonly ass: Subsystem.Subsystem<Engine>
  readonly acp: Subsystem.Subsystem<Acp["Service"]>
  readonly itp: Subsystem.Subsystem<Placing.Placing>
}

export interface Hooks {
  readonly mode: () => Mode
  readonly features: () => Features.Features
  readonly known: Placing.Known
  readonly timing: Subsystem.Timing
  /** AMST is gone, or another one is there. */
  readonly onAmstDown: Effect.Effect<void>
  readonly onAmstChanged: Effect.Effect<void>
}

export const make = Effect.fn("Subsystems.make")(function* (layered: Layered, hooks: Hooks): Effect.fn.Return<Six> {
  const { features, known, mode, timing } = hooks
  const shared = { mode, timing }
  const isOn = (feature: Features.Feature) => () => features().has(feature)
  return {
    amst: yield* Subsystem.make<Amst["Service"]>({
      ...shared,
      name: "amst",
      build: built(Amst, layered.amst),
      isOn: isOn("transport"),
      probe: () => Effect.void,
      detail: () => Effect.succeed({ carrier: "tcp", environment: mode() }),
      onDown: hooks.onAmstDown,
      onChanged: () => hooks.onAmstChanged
    }),
    hde: yield* Subsystem.make<Coding.Coding>({
      ...shared,
      name: "hde",
      build: built(Coder, layered.hde),
      standIn: { name: "zstd-3", build: () => Effect.succeed(Coding.zstd3) },
      isOn: isOn("compression"),
      probe: codes,
      detail: () => Effect.succeed({ goal: mode() })
    }),
    pba: yield* Subsystem.make<Forecast.Forecasting>({
      ...shared,
      name: "pba",
      build: built(Forecaster, layered.pba),
      standIn: { name: "moving-average", build: () => Effect.sync(Forecast.movingAverage) },
      isOn: isOn("prediction"),
      // Without its model it still does better than its stand-in would.
      probe: ({ by }) => by,
      detail: ({ by, check }) =>
        Effect.zipWith(by, Effect.result(check), (by, checked) =>
          checked._tag === "Success" ? { by, healthy: true } : { by, healthy: false, detail: wordsOf(checked.failure) }
        )
    }),
    ass: yield* Subsystem.make<Engine>({
      ...shared,
      name: "ass",
      build: built(StateSync, layered.ass),
      // Engines listen, and keep files.
      exclusive: true,
      isOn: isOn("stateSync"),
      // Servers that are away are waited for longer than a probe may take: that says nothing against who waits.
      probe: ({ check }) =>
        Effect.timeoutOption(
          Effect.catchIf(check, isElsewhere, () => Effect.void),
          patience
        ),
      detail: (engine) =>
        Effect.map(engine.status, ({ decisions, detail, engine, healthy, peers }) => ({
          engine,
          healthy,
          peers,
          detail,
          ...(decisions === undefined ? {} : { decisions })
        }))
    }),
    acp: yield* Subsystem.make<Acp["Service"]>({
      ...shared,
      name: "acp",
      build: built(Acp, layered.acp),
      isOn: isOn("congestion"),
      probe: (acp) => acp.look({}),
      detail: ({ tcp }) =>
        Effect.succeed({
          requested: Preference.preferences[mode()],
          kernel: tcp._tag === "Available" ? "available" : tcp.reason
        })
    }),
    itp: yield* Subsystem.make<Placing.Placing>({
      ...shared,
      name: "itp",
      build: built(Placer, layered.itp),
      standIn: { name: "in-turn", build: () => Effect.sync(() => Placing.inTurn(known)) },
      isOn: isOn("placement"),
      probe: (placing) => placing.nodes,
      detail: (placing) => Effect.map(placing.nodes, (nodes) => ({ nodes: nodes.length, tasks: known.tasks.size }))
    })
  }
})

/** The service of a layer, chosen by the environment, in the scope of whoever asks. */
const built =
  <I, S>(tag: Context.Key<I, S>, layers: Layers<I>) =>
  (mode: Mode): Effect.Effect<S, unknown, Scope.Scope> =>
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const context = yield* Layer.buildWithMemoMap(Subsystem.selected(layers), Layer.makeMemoMapUnsafe(), scope).pipe(
        Effect.provideService(Environment, mode)
      )
      return Context.get(context, tag)
    })

/**
 * Whether it is the servers or the other members that do not do what they should. Another engine would not do better, and
 * this one goes on by itself when they do: `healthy` says so meanwhile.
 */
const isElsewhere = (error: StateError | EngineUnavailable): boolean => error._tag !== "EngineUnavailable"

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const sample = Buffer.from("novacron ".repeat(64))

/** Something small there and back: a thread that died is found here. */
const codes = (coding: Coding.Coding) =>
  Effect.gen(function* () {
    const { bytes, encoding } = yield* coding.encode(sample, undefined)
    if (encoding !== "hde") return
    const back = yield* coding.decode(bytes)
    if (!sample.equals(back)) return yield* Effect.fail(new Error("What was encoded is another thing when decoded."))
  })

/** How patient they are, by the settings. */
export const timingOf = (settings: Settings, backoff?: Schedule.Schedule<unknown>): Subsystem.Timing => ({
  ...Subsystem.timing,
  probeEvery: settings.supervision.probeEvery,
  restore: settings.supervision.restore,
  intensity: settings.supervision.intensity,
  period: settings.supervision.period,
  drain: settings.drain,
  ...(backoff === undefined ? {} : { backoff })
})
