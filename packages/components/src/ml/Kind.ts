/**
 * What the engine can serve: how a model of a kind is read, what shows that it works, how it infers, and what is done
 * without one. It brings PBA and ITP, so it is loaded when models are to serve, and not before.
 *
 * **Details**
 *
 * *bandwidth*: the networks of PBA. Without one the forecast is the mean of the last ten values.
 *
 * *placement*: what counts how much when a node is chosen by ITP's terms, learned or set by somebody. Without one the nodes
 * that keep the task's constraints take turns.
 */
import { Itp, Pba } from "@novacron/dwcp"
import { Result, Schema } from "effect"
import type { Kind } from "./Shelf.ts"

// ----------------------------------------------------------------------------------------------------------- bandwidth

/** What follows a series: the next value, the fifth, and what they will not be below nine times of ten. */
export interface Forecast {
  readonly h1: number
  readonly h5: number
  readonly p10h1: number
  readonly p10h5: number
}

/** Values, the oldest first, one for each so many seconds. Of more than 60 the last 60 count. */
export interface History {
  readonly values: ReadonlyArray<number>
  readonly seconds?: number
}

const longest = 60
/** Of what the gate of PBA gives to it and to the last value; one that has been far off gets a tenth of that. */
const leastSay = 0.05
const averaged = 10

const forecastBy = (model: Pba.Model.Model, { seconds = 1, values }: History): Forecast => {
  const series = Pba.Series.make(seconds, model)
  let forecast = movingAverage({ values: [] })
  for (const value of values.slice(-longest)) forecast = series.push(value)
  return forecast
}

const movingAverage = ({ values }: History): Forecast => {
  const last = values.slice(-averaged).filter((value) => Number.isFinite(value) && value >= 0)
  const mean = last.length === 0 ? 0 : last.reduce((sum, value) => sum + value, 0) / last.length
  const least = last.length === 0 ? 0 : Math.min(...last)
  return { h1: mean, h5: mean, p10h1: least, p10h5: least }
}

/** A rise and a wave: what has learned anything is listened to after that, and its forecast is near what it has seen. */
const wave = Array.from({ length: longest }, (_, k) => 1e6 * (1 + k / longest + 0.2 * Math.sin(k / 3)))

export const bandwidth: Kind<Pba.Model.Model, History, Forecast> = {
  name: "bandwidth",
  extension: ".bin",
  shipped: Pba.Model.shipped(),
  decode: (bytes, file) => Pba.Model.decode(bytes, file),
  test: (model) => {
    const series = Pba.Series.make(1, model)
    let forecast = movingAverage({ values: [] })
    for (const value of wave) forecast = series.push(value)
    const isSane = Object.values(forecast).every((value) => Number.isFinite(value) && value >= 0 && value < 2.4e7)
    if (!isSane) return `a test forecast of two million came to ${forecast.h1}`
    // Not its share of all: what is fitted to the wave alone is right about it to the last digit.
    const { last, network } = series.weights()
    return network >= leastSay * (network + last) ? undefined : "in a test forecast it was far off"
  },
  infer: forecastBy,
  without: movingAverage
}

// ----------------------------------------------------------------------------------------------------------- placement

/** A task, and where it may go: nodes with what is free on them. */
export interface Choice {
  readonly environment: Itp.Objective.Environment
  readonly task: Itp.Inventory.Task
  readonly nodes: ReadonlyArray<Candidate>
}

export interface Candidate {
  readonly node: Itp.Inventory.Node
  readonly free: { readonly cpu: number; readonly memory: number; readonly gpus?: number }
}

/** Ids of the nodes that keep the constraints of the task, the best first. */
export type Ranking = ReadonlyArray<string>

const weight = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))

/** A model of placement: how much each of ITP's terms counts. One that is not named counts nothing. */
export const PlacementModel = Schema.Struct({
  format: Schema.Literal(1),
  weights: Schema.Struct({
    packing: Schema.optionalKey(weight),
    performance: Schema.optionalKey(weight),
    reliability: Schema.optionalKey(weight),
    latency: Schema.optionalKey(weight),
    cost: Schema.optionalKey(weight),
    sovereignty: Schema.optionalKey(weight)
  })
})
type Weights = typeof PlacementModel.Type.weights

const fitting = ({ nodes, task }: Choice): ReadonlyArray<Candidate> =>
  nodes.filter(
    ({ free, node }) =>
      Itp.Constraints.unfit(task, node) === 0 &&
      Itp.Constraints.short(task, free.cpu, free.memory, free.gpus ?? 0) === 0
  )

const rankBy = (weights: Weights, choice: Choice): Ranking => {
  const known: { readonly [term: string]: number | undefined } = weights
  const scored = fitting(choice).map(({ free, node }) => {
    const taken = node.cpu > 0 ? (node.cpu - free.cpu + choice.task.cpu) / node.cpu : 1
    const terms = Itp.Objective.terms(choice.environment, choice.task, node, taken)
    const score = terms.reduce((sum, { term, value }) => sum + value * (known[term] ?? 0), 0)
    return { id: node.id, score }
  })
  return scored.sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1)).map(({ id }) => id)
}

/** Nodes take turns: whoever is asked next begins with the next one. */
const roundRobin = (): ((choice: Choice) => Ranking) => {
  let turn = 0
  return (choice) => {
    const ids = fitting(choice).map(({ node }) => node.id)
    if (ids.length === 0) return ids
    const from = turn++ % ids.length
    return [...ids.slice(from), ...ids.slice(0, from)]
  }
}

export const placement = (): Kind<Weights, Choice, Ranking> => ({
  name: "placement",
  extension: ".json",
  decode: (bytes) =>
    Result.map(
      Schema.decodeUnknownResult(Schema.fromJsonString(PlacementModel))(new TextDecoder().decode(bytes)),
      ({ weights }) => weights
    ),
  test: (weights) => {
    const task = { id: "test", cpu: 1, memory: 1 }
    const nodes = ["a", "b"].map((id) => ({ node: { id, cpu: 8, memory: 8 }, free: { cpu: 8, memory: 8 } }))
    const ranked = rankBy(weights, { environment: "datacenter", task, nodes })
    if (ranked.length !== 2) return "it ranked two nodes that fit in another number"
    return Object.values(weights).some((one) => one > 0) ? undefined : "no term counts anything"
  },
  infer: rankBy,
  without: roundRobin()
})
