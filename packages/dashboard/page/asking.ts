/** Asking the node, and the shapes of what it answers. `Wire.ts` of its server has the schemas of them. */
import type { BootEvent, Rehearsal, Report } from "@novacron/boot/model"

export interface NodeFacts {
  readonly program: string
  readonly version: string
  readonly pid: number
  readonly mode: "live" | "journals"
  readonly health: string
  readonly nowMs: number
  readonly isStopping: boolean
  readonly who: { readonly name: string; readonly roles: ReadonlyArray<string>; readonly may: ReadonlyArray<string> }
}

export interface Part {
  readonly name: string
  readonly critical: boolean
  readonly status: string
  readonly message: string
  readonly latencyMs: number | null
  readonly throughput: number | null
  readonly errorRate: number | null
}

export interface HealthNow {
  readonly status: string
  readonly parts: ReadonlyArray<Part>
}

export interface HealthPast {
  readonly times: ReadonlyArray<number>
  readonly parts: ReadonlyArray<{
    readonly name: string
    readonly statuses: string
    readonly latenciesMs: ReadonlyArray<number | null>
  }>
}

export interface BootHead {
  readonly file: string
  readonly kind: "boot" | "empty" | "cut" | "foreign" | "future" | "unreadable"
  readonly bootId: string
  readonly nodeId: string
  readonly environment: string
  readonly startedAt: number
  readonly outcome?: Report.Report["outcome"]
}

export interface OpenedBoot {
  readonly file: string
  readonly events: ReadonlyArray<BootEvent.BootEvent>
  readonly warnings: ReadonlyArray<string>
}

export interface Setting {
  readonly key: string
  readonly description?: string
  readonly allowed: string
  readonly environment?: string
  readonly isSecret: boolean
  readonly isHot: boolean
  readonly value: string
  readonly sources: ReadonlyArray<{ readonly place: string; readonly value: string; readonly wins: boolean }>
}

export interface Restoring {
  readonly component: string
  readonly state: string
  readonly concerned: ReadonlyArray<{ readonly component: string; readonly effect: string }>
  readonly isBegun: boolean
}

export type TaskState = "queued" | "placed" | "running" | "waiting" | "succeeded" | "failed" | "cancelled"

export interface Demand {
  readonly cpu: number
  /** MiB. */
  readonly memory: number
}

export interface Attempt {
  readonly number: number
  readonly node: string
  readonly startedAt: string
  readonly endedAt: string | null
  readonly exitCode: number | null
  readonly signal: string | null
  readonly error: string | null
}

/** `Tasks.Run` of the contract. */
export type Run =
  | {
      readonly driver: "process"
      readonly command: ReadonlyArray<string>
      readonly env?: { readonly [name: string]: string }
      readonly directory?: string
    }
  | {
      readonly driver: "vm"
      readonly kernel?: string
      readonly initrd?: string
      readonly commandLine?: string
      readonly disks?: ReadonlyArray<{ readonly path: string; readonly format: string; readonly readOnly?: boolean }>
      readonly network?: string
    }

/** `Tasks.Task` of the contract. */
export interface Task {
  readonly id: string
  readonly name: string
  readonly group: string | null
  readonly state: TaskState
  readonly version: number
  readonly submission: {
    readonly run: Run
    readonly demand?: Demand
    readonly constraints?: {
      readonly labels?: { readonly [name: string]: string }
      readonly regions?: ReadonlyArray<string>
      readonly excludedRegions?: ReadonlyArray<string>
      readonly affinity?: ReadonlyArray<string>
      readonly antiAffinity?: ReadonlyArray<string>
      readonly node?: string
    }
    readonly attempts?: number
    readonly timeoutMs?: number
    readonly graceMs?: number
    readonly idempotencyKey?: string
  }
  readonly submittedBy: string
  readonly createdAt: string
  readonly updatedAt: string
  readonly placement: {
    readonly node: string | null
    readonly explanation: string
    readonly considered: number
    readonly feasible: number
  } | null
  readonly attempts: ReadonlyArray<Attempt>
}

/** `Tasks.Node` of the contract. */
export interface ClusterNode {
  readonly id: string
  readonly address: string
  readonly state: "up" | "draining" | "down"
  readonly isCoordinator: boolean
  readonly region: string | null
  readonly labels: { readonly [name: string]: string }
  readonly capacity: Demand
  readonly used: Demand
  readonly tasks: number
  readonly version: string
  readonly seenAt: string
}

export interface Tasks {
  readonly tasks: ReadonlyArray<Task>
  readonly next: string | null
  readonly looked: number
}

export interface Fit {
  readonly node: string
  readonly verdict: "chosen" | "fits" | "refuses" | "away"
  readonly why: string
  readonly score: number | null
}

/** The node said no, or nothing. Status 0: nobody answered. */
export class NotAnswered extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const asked = async (path: string, init: RequestInit = {}): Promise<unknown> => {
  const response = await fetch(path, { credentials: "same-origin", ...init }).catch(() => {
    throw new NotAnswered(0, "The node does not answer.")
  })
  if (response.status === 204) return undefined
  const value: unknown = await response.json().catch(() => undefined)
  if (response.ok) return value
  const said: unknown = typeof value === "object" && value !== null && "error" in value ? value.error : undefined
  throw new NotAnswered(response.status, typeof said === "string" ? said : response.statusText)
}

// The node and its pages are of one version: what it answers is what `Wire.ts` says.
const get = async <A>(path: string, query: { readonly [name: string]: string } = {}): Promise<A> => {
  const text = new URLSearchParams(query).toString()
  return (await asked(text === "" ? path : `${path}?${text}`)) as A
}

const post = (path: string, body: unknown): Promise<unknown> =>
  asked(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })

export const node = () => get<NodeFacts>("/api/node")
export const health = () => get<{ readonly now: HealthNow | null; readonly history: HealthPast }>("/api/health")
export const boots = (limit: number) =>
  get<{ readonly boots: ReadonlyArray<BootHead>; readonly total: number }>("/api/boots", { limit: `${limit}` })
export const boot = (id: string) => get<OpenedBoot>("/api/boot", { id })
export const difference = (a: string, b: string) => get<Rehearsal.Difference>("/api/difference", { a, b })
export const settings = () => get<ReadonlyArray<Setting>>("/api/settings")
export const impact = (component: string) => get<Restoring>("/api/restore", { component })
export const restore = async (component: string): Promise<Restoring> =>
  (await post("/api/restore", { component, confirmed: true })) as Restoring
export const nodes = () => get<{ readonly nodes: ReadonlyArray<ClusterNode> }>("/api/nodes")
export const tasks = (query: { readonly [name: string]: string }) => get<Tasks>("/api/tasks", query)
export const task = (id: string) => get<Task>("/api/task", { id })
export const fit = (id: string) => get<ReadonlyArray<Fit>>("/api/fit", { id })
export const cancel = (task: string): Promise<unknown> => post("/api/cancel", { task, confirmed: true })
export const begin = (token: string) => post("/api/session", { token })
export const leave = () => asked("/api/session", { method: "DELETE" })

/** What went wrong, in words. */
export const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
