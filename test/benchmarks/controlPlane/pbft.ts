/**
 * PBFT: decisions of four processes on loopback, and divergences in the simulation.
 *
 * **Details**
 *
 * Each process proposes 64 bytes at a time, 64 at once, through real signatures, journals and sockets; what is proposed
 * meanwhile is decided together. `pbft_divergence` counts the seeds in which two honest replicas differ, a request is
 * carried out twice, or one has no answer once the network is good: `SEEDS=` of them, 100,000 otherwise.
 */
import type { Figure } from "../Figure.ts"
import type { Group, Options } from "../Groups.ts"
import * as Processes from "../../../packages/dwcp/test/pbft/fixtures/Processes.ts"
import * as Sealed from "../../../packages/dwcp/test/pbft/fixtures/Sealed.ts"
import * as Simulation from "../../../packages/dwcp/test/pbft/fixtures/Simulation.ts"

export const figures: Group = async (options) => [await rate(options), divergence(options)]

const rate = async ({ quick }: Options): Promise<Figure> => {
  console.error("… pbft_per_s")
  const each = quick ? 300 : 1_500
  const samples: Array<number> = []
  const { close, members } = await Processes.make({ quiet: true })
  try {
    await Promise.all(members.map((member) => member.start()))
    const load = async (proposals: number): Promise<number> => {
      const from = members.map(({ lines }) => lines.length)
      const started = performance.now()
      for (const member of members) member.say("load", proposals, 64, 64)
      await Promise.all(members.map((member, k) => member.until(({ loaded }) => loaded !== undefined, from[k])))
      return (members.length * proposals) / ((performance.now() - started) / 1e3)
    }
    await load(200)
    for (let k = 0; k < 3; k++) samples.push(await load(each))
  } finally {
    await close()
  }
  const value = samples.toSorted((a, b) => a - b)[1] ?? 0
  return { id: "pbft_per_s", unit: "1/s", bar: 500, better: "higher", samples, value, ok: value >= 500 }
}

const divergence = ({ quick }: Options): Figure => {
  const seeds = Number(process.env["SEEDS"] ?? (quick ? 2_000 : 100_000))
  console.error(`… pbft_divergence (${seeds} seeds)`)
  let value = 0
  for (let seed = 0; seed < seeds; seed++) {
    const replicas = seed % 4 === 3 ? 7 : 4
    const crashes = [0, 0.002, 0, 0.02][(seed >> 2) % 4] ?? 0
    const keysOf = Sealed.make()
    const { violation } = Simulation.run({
      seed,
      replicas,
      faulty: (replicas - 1) / 3,
      make: Simulation.honest,
      keysOf,
      crashes
    })
    if (violation === undefined) continue
    console.error(violation)
    value++
  }
  return { id: "pbft_divergence", unit: "count", bar: 0, better: "lower", samples: seeds, value, ok: value === 0 }
}
