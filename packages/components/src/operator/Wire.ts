/**
 * What the pages and the node say to each other, as data with schemas. Reports, events and timelines are those of the
 * kernel; here is what is said besides.
 */
import { Report } from "@novacron/boot/model"
import { Schema } from "effect"

/** Which node it is, and how it is reached. */
export const Node = Schema.Struct({
  program: Schema.String,
  version: Schema.String,
  pid: Schema.Int,
  /** `live`: the node itself answers. `journals`: there is no node, and its journals are shown. */
  mode: Schema.Literals(["live", "journals"]),
  /** Where the health endpoints are; empty when there are none. */
  health: Schema.String,
  /** Milliseconds since 1970, by the clock of the node. */
  nowMs: Schema.Finite,
  isStopping: Schema.Boolean,
  /** Who looks, and which actions their roles allow. */
  who: Schema.Struct({ name: Schema.String, roles: Schema.Array(Schema.String), may: Schema.Array(Schema.String) })
})
export type Node = typeof Node.Type

/** What a restoration would concern, and whether it has begun. */
export const Restore = Schema.Struct({
  component: Schema.String,
  state: Schema.String,
  /** Whoever would feel its absence, with what would become of them. */
  concerned: Schema.Array(Schema.Struct({ component: Schema.String, effect: Schema.String })),
  isBegun: Schema.Boolean
})
export type Restore = typeof Restore.Type

/** A boot of which there is a journal. */
export const Boot = Schema.Struct({
  file: Schema.String,
  kind: Schema.Literals(["boot", "empty", "cut", "foreign", "future", "unreadable"]),
  bootId: Schema.String,
  nodeId: Schema.String,
  environment: Schema.String,
  /** Milliseconds since 1970; 0 when nobody knows. */
  startedAt: Schema.Finite,
  /** What became of it by its journal; absent where that was not opened for the list. */
  outcome: Schema.optionalKey(Report.Report.fields.outcome)
})
export type Boot = typeof Boot.Type

/** The journals, the latest first: some of them, and how many there are. */
export const Boots = Schema.Struct({ boots: Schema.Array(Boot), total: Schema.Int })
export type Boots = typeof Boots.Type

/** A boot that was opened. Its events are those of the kernel. */
export const Opened = Schema.Struct({
  file: Schema.String,
  events: Schema.Array(Schema.Unknown),
  /** What is missing of it, as sentences. */
  warnings: Schema.Array(Schema.String)
})
export type Opened = typeof Opened.Type

/** A setting, with every source that says something about it, the winner first. Secrets are masked. */
export const Setting = Schema.Struct({
  key: Schema.String,
  description: Schema.UndefinedOr(Schema.String),
  allowed: Schema.String,
  environment: Schema.UndefinedOr(Schema.String),
  isSecret: Schema.Boolean,
  isHot: Schema.Boolean,
  value: Schema.String,
  sources: Schema.Array(Schema.Struct({ place: Schema.String, value: Schema.String, wins: Schema.Boolean }))
})
export type Setting = typeof Setting.Type

/** What a browser asks for a session with. */
export const Ticket = Schema.Struct({ token: Schema.String.check(Schema.isMaxLength(128)) })

/** What a browser asks a restoration with. */
export const Wanted = Schema.Struct({
  component: Schema.String.check(Schema.isMaxLength(512)),
  confirmed: Schema.Literal(true)
})

/** Which task a browser asks to cancel. */
export const Unwanted = Schema.Struct({
  task: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(128)),
  confirmed: Schema.Literal(true)
})

/** What a node is to a task, as the placement would judge now. */
export const Fit = Schema.Struct({
  node: Schema.String,
  /** `chosen`: the task is there. `fits`: it could be. `refuses`: a constraint or the room speaks against it. `away`. */
  verdict: Schema.Literals(["chosen", "fits", "refuses", "away"]),
  /** A sentence. */
  why: Schema.String,
  /** How good it would be, from 0 to 1, where the task could be. */
  score: Schema.NullOr(Schema.Finite)
})
export type Fit = typeof Fit.Type

/** Tasks have changed: which, or too many to say. */
export const News = Schema.Struct({ tasks: Schema.Array(Schema.String), isMore: Schema.Boolean })
export type News = typeof News.Type

/** Something that was asked for cannot be done. */
export const Refusal = Schema.Struct({ error: Schema.String })
