/**
 * What a node says by itself, over WebSocket: `/v1/events` for changes of tasks and of the boot, `/v1/tasks/:id/output`
 * for what a task prints. Each message is one of these, as JSON.
 *
 * **Details**
 *
 * An event has an `id`; who asks with the last one it saw (`?after=ID`, or the header `Last-Event-ID`) gets what came
 * since. When that is too long ago, or the node is another one now, it gets a `gap` first: it should ask again for what
 * it shows. A reader that is slow loses older versions of a task, and never its last.
 *
 * Output is resumed with `?offset=`, the bytes that are there already; the offset of a message plus the bytes of its text.
 */
import { BootEvent } from "@novacron/boot/model"
import { Schema } from "effect"
import * as Tasks from "./Tasks.ts"

/** A message of `/v1/events`. */
export const Event = Schema.Union([
  Schema.Struct({ type: Schema.tag("task"), id: Schema.String, task: Tasks.Task }),
  Schema.Struct({ type: Schema.tag("boot"), id: Schema.String, event: BootEvent.BootEvent }),
  Schema.Struct({ type: Schema.tag("gap"), id: Schema.String })
])
export type Event = typeof Event.Type

/** A message of `/v1/tasks/:id/output`: the task has ended and everything was sent with `end`, which is the last one. */
export const OutputMessage = Schema.Union([
  Schema.Struct({ type: Schema.tag("output"), output: Tasks.Output }),
  Schema.Struct({ type: Schema.tag("end"), state: Tasks.State })
])
export type OutputMessage = typeof OutputMessage.Type

/** Why a WebSocket was closed, beyond the codes of RFC 6455. `policy`: whoever listens may do so no longer. */
export const closing = { goingAway: 1001, policy: 1008, failed: 1011, tryAgain: 1013 } as const

/** For browsers, which can send no header: the subprotocol that is spoken, and the prefix of one that carries the token. */
export const subprotocol = "novacron.v1"
export const tokenProtocol = "novacron.token."
