/**
 * Decides from measured facts where a node is. Pure: facts in, a verdict with its reasons out.
 *
 * **Details**
 *
 * Each fact speaks for the data centre, for the internet, or for neither, with a weight: latency 4, bandwidth 3, loss 2,
 * RDMA 1. A place with 7 of the 10 points or more is entered; otherwise the node is `hybrid`, which is right for both and
 * best for neither. An unknown fact has no weight: it brings points to nobody, so too little knowledge means `hybrid`.
 *
 * | | data centre | internet |
 * |---|---|---|
 * | latency to peers | 10 ms or less | 50 ms or more |
 * | bandwidth of the link | 1 Gbit/s or more | less |
 * | loss among tries | 0.1 % or less | 1 % or more |
 * | RDMA device | there | not there |
 *
 * The way to the gateway is a lower limit of the way to everybody else: when even that is long, it is the internet; when
 * it is short, it says nothing.
 */
import type { Kind } from "./Settings.ts"

/** What was measured. What could not be measured is not there. */
export interface Facts {
  /** The fastest round trip to the nearest answering peer. */
  readonly peerRttMs?: number | undefined
  readonly gatewayRttMs?: number | undefined
  /** Of the fastest link that is up. */
  readonly linkMbps?: number | undefined
  /** The share of tries to peers that nobody answered, from 0 to 1. */
  readonly loss?: number | undefined
  readonly rdmaDevices?: number | undefined
}

export interface Rules {
  readonly nearMs: number
  readonly farMs: number
  readonly fastMbps: number
  readonly lowLoss: number
  readonly highLoss: number
}

/** The rules as they are without settings. */
export const standard: Rules = { nearMs: 10, farMs: 50, fastMbps: 1_000, lowLoss: 0.001, highLoss: 0.01 }

/** What a fact brought to whom. */
export interface Evidence {
  readonly fact: "latency" | "bandwidth" | "loss" | "rdma"
  /** The most it can bring, in points of ten. */
  readonly weight: number
  /** Whom it speaks for; `neither` also when it is unknown. */
  readonly speaksFor: "datacenter" | "internet" | "neither"
  /** What was measured, in words. */
  readonly measured: string
}

export interface Verdict {
  readonly kind: Kind
  /** From 0 to 1. */
  readonly scores: { readonly datacenter: number; readonly internet: number }
  readonly evidence: ReadonlyArray<Evidence>
}

const weights = { latency: 4, bandwidth: 3, loss: 2, rdma: 1 } as const
const total = 10
const enough = 7

/** Where the node is, as far as the facts say. */
export const decide = (facts: Facts, rules: Rules = standard): Verdict => {
  const evidence = [latency(facts, rules), bandwidth(facts, rules), loss(facts, rules), rdma(facts)]
  const points = (place: Evidence["speaksFor"]) =>
    evidence.reduce((sum, { speaksFor, weight }) => (speaksFor === place ? sum + weight : sum), 0)
  const [datacenter, internet] = [points("datacenter"), points("internet")]
  return {
    kind: datacenter >= enough ? "datacenter" : internet >= enough ? "internet" : "hybrid",
    scores: { datacenter: datacenter / total, internet: internet / total },
    evidence
  }
}

/** Whether the way to the gateway could still change where the node is: nobody has to wait for what decides nothing. */
export const needsGateway = (facts: Facts, rules: Rules = standard): boolean => {
  // Only a way that is far speaks for anybody.
  const [unknown, far] = [undefined, rules.farMs].map((gatewayRttMs) => decide({ ...facts, gatewayRttMs }, rules).kind)
  return unknown !== far
}

/** A verdict as one sentence. */
export const describe = ({ evidence, kind, scores }: Verdict): string => {
  const facts = evidence.map(({ fact, measured, speaksFor }) => {
    const side = speaksFor === "neither" ? "" : ` → ${speaksFor}`
    return `${fact} ${measured}${side}`
  })
  return `${kind} (datacenter ${scores.datacenter}, internet ${scores.internet}, 0.7 needed): ${facts.join("; ")}`
}

const latency = ({ gatewayRttMs, peerRttMs }: Facts, { farMs, nearMs }: Rules): Evidence => {
  const fact = { fact: "latency", weight: weights.latency } as const
  if (peerRttMs !== undefined) {
    const speaksFor = peerRttMs <= nearMs ? "datacenter" : peerRttMs >= farMs ? "internet" : "neither"
    return { ...fact, speaksFor, measured: `${rounded(peerRttMs)} ms to the nearest peer` }
  }
  if (gatewayRttMs === undefined) return { ...fact, speaksFor: "neither", measured: "unknown" }
  const isFar = gatewayRttMs >= farMs
  const measured = `${rounded(gatewayRttMs)} ms to the gateway${isFar ? "" : ", to peers unknown"}`
  return { ...fact, speaksFor: isFar ? "internet" : "neither", measured }
}

const bandwidth = ({ linkMbps }: Facts, { fastMbps }: Rules): Evidence => {
  const fact = { fact: "bandwidth", weight: weights.bandwidth } as const
  if (linkMbps === undefined) return { ...fact, speaksFor: "neither", measured: "unknown" }
  return { ...fact, speaksFor: linkMbps >= fastMbps ? "datacenter" : "internet", measured: `${linkMbps} Mbit/s link` }
}

const loss = ({ loss }: Facts, { highLoss, lowLoss }: Rules): Evidence => {
  const fact = { fact: "loss", weight: weights.loss } as const
  if (loss === undefined) return { ...fact, speaksFor: "neither", measured: "unknown" }
  const speaksFor = loss <= lowLoss ? "datacenter" : loss >= highLoss ? "internet" : "neither"
  return { ...fact, speaksFor, measured: `${rounded(loss * 100)} %` }
}

const rdma = ({ rdmaDevices }: Facts): Evidence => {
  const fact = { fact: "rdma", weight: weights.rdma } as const
  if (rdmaDevices === undefined) return { ...fact, speaksFor: "neither", measured: "unknown" }
  const measured = rdmaDevices === 0 ? "no device" : `${rdmaDevices} ${rdmaDevices === 1 ? "device" : "devices"}`
  return { ...fact, speaksFor: rdmaDevices > 0 ? "datacenter" : "internet", measured }
}

const rounded = (n: number): number => Math.round(n * 100) / 100
