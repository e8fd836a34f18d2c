/**
 * Which task goes to which node: the queue and the cluster go in, decisions come out. Pure; ITP decides, nothing else.
 *
 * **Details**
 *
 * The nodes and what runs on them are told to ITP anew for each round, so that the database alone is the truth. How many
 * tasks a node may run at once is a resource like others: ITP's count of whole units (`gpus`) stands for it, because tasks
 * here ask for no GPUs.
 */
import { Count } from "@novacron/boot/model"
import type { Tasks } from "@novacron/api"
import { Itp } from "@novacron/dwcp"
import { Result } from "effect"
import { vmLabel } from "./Driver.ts"
import type { Available } from "./NodeTable.ts"
import type { Candidate, Decided, Resident } from "./TaskTable.ts"

export type Environment = Itp.Objective.Environment

export interface Round {
  readonly placed: ReadonlyArray<Decided>
  /** Those that have no room now; they are looked at again as soon as something ends. */
  readonly crowded: ReadonlyArray<Turned>
  /** Those that no node would take if it were empty. */
  readonly impossible: ReadonlyArray<Turned>
}

/** Turned away, with the constraints that some node fails. */
export interface Turned extends Decided {
  readonly failing: ReadonlyArray<string>
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

  const round = { placed: new Array<Decided>(), crowded: new Array<Turned>(), impossible: new Array<Turned>() }
  // Ten thousand tasks alike are refused once.
  const refused = new Map<string, Verdict>()
  for (const candidate of candidates) {
    const kind = JSON.stringify([candidate.driver, candidate.demand, candidate.constraints, candidate.group])
    const before = refused.get(kind)
    const outcome = before ?? verdict(cluster.place(asked(candidate)), candidate, nodes)
    if (outcome.isImpossible === undefined) {
      round.placed.push({ id: candidate.id, placement: outcome.placement })
      // Who came may be whom others waited for.
      if (candidate.group !== null) refused.clear()
      continue
    }
    refused.set(kind, outcome)
    const list = outcome.isImpossible ? round.impossible : round.crowded
    list.push({ id: candidate.id, placement: outcome.placement, failing: outcome.failing })
  }
  return round
}

// ---------------------------------------------------------------------------------------------------------------------

/** A label that every node has, for tasks that want this one node. */
const nodeLabel = "novacron.node"

const asked = ({ constraints, demand, driver, group, id }: Candidate | Resident): Itp.Inventory.Task => ({
  id,
  cpu: demand?.cpu ?? 0,
  memory: (demand?.memory ?? 0) / 1_024,
  gpus: 1,
  ...(group === null ? {} : { groups: [group] }),
  ...(constraints?.affinity === undefined ? {} : { affinity: constraints.affinity }),
  ...(constraints?.antiAffinity === undefined ? {} : { antiAffinity: constraints.antiAffinity }),
  labels: {
    ...constraints?.labels,
    ...(driver === "vm" ? { [vmLabel.name]: vmLabel.value } : {}),
    ...(constraints?.node === undefined ? {} : { [nodeLabel]: constraints.node })
  },
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
  readonly failing: ReadonlyArray<string>
}

const verdict = (
  outcome: ReturnType<Itp.Placement.Cluster["place"]>,
  candidate: Candidate,
  nodes: ReadonlyArray<Available>
): Verdict => {
  if (Result.isSuccess(outcome)) {
    const { because, considered, feasible, node, score } = outcome.success
    const terms = because.map(({ term, value, weight }) => `${term} ${value.toFixed(2)} × ${weight}`).join(" + ")
    const explanation = `Score ${score.toFixed(3)} = ${terms}.`
    return { placement: { node, considered, feasible, explanation }, failing: [] }
  }
  const { failure } = outcome
  const nowhere = (isImpossible: boolean, explanation: string, failing: ReadonlyArray<string> = []): Verdict => ({
    isImpossible,
    placement: { node: null, considered: nodes.length, feasible: 0, explanation },
    failing
  })
  if (failure instanceof Itp.Inventory.BadTask) return nowhere(true, failure.problem)
  // Of no nodes everything could be said.
  if (nodes.length === 0) return nowhere(false, "There is no node that takes tasks.")
  const { constraint, counts, impossible } = failure
  const decisiveFirst = counts.toSorted(
    (a, b) => Number(b.constraint === constraint) - Number(a.constraint === constraint)
  )
  const failing = decisiveFirst.map((it) => nameOf(it.constraint))
  const tally = decisiveFirst.map((it) => `${nameOf(it.constraint)} on ${it.nodes}`).join(", ")
  const outlook = impossible ? never(candidate, nodes) : "It is tried again whenever there is more room."
  const why = `No node because of ${nameOf(constraint)}: of ${nodes.length}, it fails by ${tally}. ${outlook}`
  return nowhere(impossible, why, failing)
}

const nameOf = (constraint: string): string => (constraint === "gpu" ? "slots" : constraint)

/** Why no node would take it if it were empty, in the words in which it was asked for. */
const never = ({ constraints, demand, driver }: Candidate, nodes: ReadonlyArray<Available>): string => {
  const todo = "cancel it, or add such a node."
  const wanted = constraints?.node
  if (wanted !== undefined && nodes.every(({ id }) => id !== wanted)) {
    return `It asks for the node ${wanted}, which is not there or takes nothing: cancel it, or bring that node back.`
  }
  const cores = Math.max(...nodes.map(({ cpu }) => cpu))
  if ((demand?.cpu ?? 0) > cores)
    return `It asks for ${Count.of(demand?.cpu ?? 0, "core")}, no node has more than ${cores}: ${todo}`
  const mib = Math.max(...nodes.map(({ memory }) => memory))
  if ((demand?.memory ?? 0) > mib) return `It asks for ${demand?.memory} MiB, no node has more than ${mib}: ${todo}`
  if (driver === "vm" && nodes.every(({ labels }) => labels[vmLabel.name] !== vmLabel.value)) {
    return "No node can run virtual machines: install QEMU on one and start that node again, or cancel it."
  }
  const missing = Object.entries(constraints?.labels ?? {}).filter(([key, value]) =>
    nodes.every(({ labels }) => labels[key] !== value)
  )
  if (missing.length > 0) return `No node has ${missing.map(([key, value]) => `${key}=${value}`).join(", ")}: ${todo}`
  return `None would take it if it were empty: ${todo}`
}
