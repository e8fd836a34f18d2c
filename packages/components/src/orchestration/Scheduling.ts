/**
 * Which task goes to which node: the queue and the cluster go in, decisions come out. Pure; ITP decides, nothing else.
 *
 * **Details**
 *
 * The nodes and what runs on them are told to ITP anew for each round, so that the database alone is the truth. How many
 * tasks a node may run at once is a resource like others: ITP's count of whole units (`gpus`) stands for it, because tasks
 * here ask for no GPUs.
 */
import type { Tasks } from "@novacron/api"
import { Itp } from "@novacron/dwcp"
import { Result } from "effect"
import type { Available } from "./NodeTable.ts"
import type { Candidate, Decided, Resident } from "./TaskTable.ts"

export type Environment = Itp.Objective.Environment

export interface Round {
  readonly placed: ReadonlyArray<Decided>
  /** Those that have no room now; they are looked at again as soon as something ends. */
  readonly crowded: ReadonlyArray<Decided>
  /** Those that no node would take if it were empty. */
  readonly impossible: ReadonlyArray<Decided>
}

/** Places the candidates in their order, beside the residents. */
export const decide = (
  environment: Environment,
  nodes: ReadonlyArray<Available>,
  residents: ReadonlyArray<Resident>,
  candidates: ReadonlyArray<Candidate>
): Round => {
  const cluster = Itp.Placement.make(environment)
  const names = new Set(nodes.map(({ id }) => id))
  for (const { cpu, id, labels, memory, region, slots } of nodes) {
    // A node that announces nonsense is left out, and its tasks with it.
    cluster.join({
      id,
      cpu,
      memory: memory / 1_024,
      gpus: slots,
      labels: { ...labels, [nodeLabel]: id },
      ...(region === null ? {} : { region })
    })
  }
  for (const resident of residents) if (names.has(resident.node)) cluster.adopt(asked(resident), resident.node)

  const round = { placed: new Array<Decided>(), crowded: new Array<Decided>(), impossible: new Array<Decided>() }
  // Ten thousand tasks alike are refused once.
  const refused = new Map<string, Verdict>()
  for (const candidate of candidates) {
    const kind = JSON.stringify([candidate.demand, candidate.constraints, candidate.group])
    const before = refused.get(kind)
    const outcome = before ?? verdict(cluster.place(asked(candidate)), nodes.length)
    if (outcome.isImpossible === undefined) {
      round.placed.push({ id: candidate.id, placement: outcome.placement })
      // Who came may be whom others waited for.
      if (candidate.group !== null) refused.clear()
      continue
    }
    refused.set(kind, outcome)
    const list = outcome.isImpossible ? round.impossible : round.crowded
    list.push({ id: candidate.id, placement: outcome.placement })
  }
  return round
}

// ---------------------------------------------------------------------------------------------------------------------

/** A label that every node has, for tasks that want this one node. */
const nodeLabel = "novacron.node"

const asked = ({ constraints, demand, group, id }: Candidate | Resident): Itp.Inventory.Task => ({
  id,
  cpu: demand?.cpu ?? 0,
  memory: (demand?.memory ?? 0) / 1_024,
  gpus: 1,
  ...(group === null ? {} : { groups: [group] }),
  ...(constraints?.affinity === undefined ? {} : { affinity: constraints.affinity }),
  ...(constraints?.antiAffinity === undefined ? {} : { antiAffinity: constraints.antiAffinity }),
  labels: { ...constraints?.labels, ...(constraints?.node === undefined ? {} : { [nodeLabel]: constraints.node }) },
  ...(constraints?.regions === undefined && constraints?.excludedRegions === undefined
    ? {}
    : {
        regions: {
          ...(constraints.regions === undefined ? {} : { required: constraints.regions }),
          ...(constraints.excludedRegions === undefined ? {} : { excluded: constraints.excludedRegions })
        }
      })
})

/** Without `isImpossible` it is placed. */
interface Verdict {
  readonly placement: Tasks.Placement
  readonly isImpossible?: boolean
}

const verdict = (outcome: ReturnType<Itp.Placement.Cluster["place"]>, nodes: number): Verdict => {
  if (Result.isSuccess(outcome)) {
    const { because, considered, feasible, node, score } = outcome.success
    const terms = because.map(({ term, value, weight }) => `${term} ${value.toFixed(2)} × ${weight}`).join(" + ")
    return { placement: { node, considered, feasible, explanation: `Score ${score.toFixed(3)} = ${terms}.` } }
  }
  const { failure } = outcome
  if (failure instanceof Itp.Inventory.BadTask) {
    return {
      isImpossible: true,
      placement: { node: null, considered: nodes, feasible: 0, explanation: failure.problem }
    }
  }
  const name = (constraint: string) => (constraint === "gpu" ? "slots" : constraint)
  const counts = failure.counts.map((it) => `${name(it.constraint)} fails on ${it.nodes}`).join(", ")
  const explanation =
    nodes === 0
      ? "There is no node that takes tasks."
      : `No node because of ${name(failure.constraint)}: of ${nodes}, ${counts}.`
  // Of no nodes everything could be said.
  const isImpossible = nodes > 0 && failure.impossible
  return { isImpossible, placement: { node: null, considered: nodes, feasible: 0, explanation } }
}
