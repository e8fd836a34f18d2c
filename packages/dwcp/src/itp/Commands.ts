/**
 * The bodies of `novacron dwcp pack` and `novacron dwcp place`: bytes in, plain or gzipped, JSON lines out.
 *
 * **Details**
 *
 * Lines are read as they come, so memory is bounded by the longest line for `pack` and by the numbers of the trace for
 * `place`. An instance that cannot be packed has a line of its own, `{id, error}`, and the next one is packed.
 */
import type { Readable } from "node:stream"
import { Data, Result } from "effect"
import * as Lines from "../Lines.ts"
import * as Online from "./Online.ts"
import * as Pack from "./Pack.ts"
import * as Replay from "./Replay.ts"
import * as Trace from "./Trace.ts"
import * as Workload from "./Workload.ts"

/** What was given is not text that could be read to its end. */
export class BadInput extends Data.TaggedError("BadInput")<{ readonly problem: string; readonly cause?: unknown }> {
  override get message(): string {
    return `The input cannot be read: ${this.problem}. What was read before it is answered; check the file.`
  }
}

export interface PackOptions {
  /** Milliseconds for each instance; 200 by default. */
  readonly budgetMs?: number
  /** One item at a time, in order, none ever moved. */
  readonly online?: boolean
  readonly seed?: number
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number
}

/** One line for each instance: `{id, hosts, ms, assignment}`, or `{id, error}`. Throws {@link BadInput}. */
export const pack = async function* (input: Readable, options: PackOptions): AsyncGenerator<string> {
  const { budgetMs = 200, online = false, seed = 1, now } = options
  warm(now)
  for await (const line of Lines.read(input, refuse)) {
    if (line.trim() === "") continue
    const parsed = parse(line)
    const id = parsed.id ?? null
    const started = now()
    const made = Workload.make(parsed)
    if (Result.isFailure(made)) {
      yield `${JSON.stringify({ id, error: made.failure.message })}\n`
      continue
    }
    const spent = now() - started
    const { hosts, host } = online
      ? Online.pack(made.success)
      : Pack.solve(made.success, { budgetMs: Math.max(0, budgetMs - spent), seed, now })
    yield `${JSON.stringify({ id, hosts, ms: now() - started, assignment: [...host] })}\n`
  }
}

export interface PlaceOptions {
  /** `HOSTSxCPUxMEMORY_GB`; with `unlimited` the first number does not matter. */
  readonly hosts: string
  readonly unlimited?: boolean
  /** The most migrations over the whole trace; none by default. */
  readonly migrations?: number
  readonly now: () => number
}

/** One line, a {@link Replay.Summary}. Throws {@link BadInput}. */
export const place = async (
  input: Readable,
  { hosts, unlimited = false, migrations = 0, now }: PlaceOptions
): Promise<Result.Result<string, Replay.BadCluster | Trace.BadTrace>> => {
  const cluster = Replay.cluster(hosts)
  if (Result.isFailure(cluster)) return Result.fail(cluster.failure)
  const reader = Trace.reader()
  for await (const line of Lines.read(input, refuse)) if (!reader.line(line)) break
  const trace = reader.finish()
  if (Result.isFailure(trace)) return Result.fail(trace.failure)
  warmFleet(cluster.success, now)
  const summary = Replay.replay(trace.success, { cluster: cluster.success, unlimited, migrations, now })
  return Result.succeed(`${JSON.stringify(summary)}\n`)
}

// ---------------------------------------------------------------------------------------------------------------------

const refuse: Lines.Refuse = (problem, cause) => new BadInput({ problem, cause })

/** A line that is no instance becomes one that is refused with a reason. */
const parse = (line: string): Workload.Instance => {
  const nothing: Workload.Instance = { cap: [], items: [] }
  try {
    const value: unknown = JSON.parse(line)
    // What it really holds is checked by Workload.make.
    return typeof value === "object" && value !== null ? (value as Workload.Instance) : nothing
  } catch {
    return nothing
  }
}

/** So that the first instance does not pay for compiling the search out of its few milliseconds. */
const warm = (now: () => number): void => {
  const items = Array.from({ length: 90 }, (_, i) => [7 + ((i * 37) % 53), 5 + ((i * 61) % 47), 3 + ((i * 29) % 59)])
  for (const cap of [100, 101, 103]) {
    Result.map(Workload.make({ cap: [cap, cap, cap], items }), (workload) =>
      Pack.solve(workload, { budgetMs: 12, now })
    )
  }
}

/** The same for decisions: with few rows the slowest hundredth would be the compiler's. */
const warmFleet = (cluster: Replay.Cluster, now: () => number): void => {
  const n = 4_000
  const rows = (value: (i: number) => number) => Float64Array.from({ length: n }, (_, i) => value(i))
  const trace: Trace.Trace = {
    n,
    arrive: rows((i) => i * 10),
    cpu: rows((i) => (cluster.cpu / 64) * 2 ** (i % 4)),
    memory: rows((i) => (cluster.memory / 64) * (1 + (i % 7))),
    lifetime: rows((i) => 50 * (1 + ((i * 37) % 101))),
    request: rows(() => -1)
  }
  Replay.replay(trace, { cluster, unlimited: true, migrations: 0, now })
}
