/**
 * What runs in a thread: takes one task at a time, and answers it.
 *
 * **Gotchas**
 *
 * Others take types from here and nothing else: to load it is to listen to whoever started the thread.
 */
import { closeSync, openSync, writeSync } from "node:fs"
import { parentPort } from "node:worker_threads"
import * as Block from "./Block.ts"
import * as Chunks from "./Chunks.ts"
import * as Locate from "./Locate.ts"
import { Refused } from "./Refused.ts"
import * as Source from "./Source.ts"

/** What can be asked of a thread, by name: what it takes and what it gives. */
export interface Tasks {
  readonly encode: readonly [task: Block.Task, answer: Block.Answer]
  readonly decode: readonly [task: Decode, answer: Uint8Array<ArrayBuffer> | undefined]
  readonly hash: readonly [task: Source.Source, answer: string]
  readonly scan: readonly [task: Source.Source, answer: Locate.Coarse]
  readonly cut: readonly [task: Source.Source, answer: ReadonlyArray<Chunks.Chunk>]
}

export interface Decode extends Block.Stored {
  /** Written there, and not sent back, when it is said. */
  readonly into: { readonly path: string; readonly at: number } | undefined
}

export interface Asked {
  readonly name: keyof Tasks
  readonly task: Tasks[keyof Tasks][0]
}

export type Answered =
  | { readonly _tag: "Done"; readonly answer: unknown }
  /** Classes do not travel between threads; their fields do. */
  | { readonly _tag: "Refused"; readonly is: Refused["is"] }
  | { readonly _tag: "Broken"; readonly cause: unknown }

const work: { readonly [Name in keyof Tasks]: (task: Tasks[Name][0]) => Tasks[Name][1] } = {
  encode: Block.encode,
  decode: ({ into, ...stored }) => {
    const bytes = Block.decode(stored)
    if (into === undefined) return Block.owned(bytes)
    const descriptor = openSync(into.path, "r+")
    try {
      for (let done = 0; done < bytes.length;) {
        done += writeSync(descriptor, bytes, done, bytes.length - done, into.at + done)
      }
    } finally {
      closeSync(descriptor)
    }
    return undefined
  },
  hash: Source.hash,
  scan: Locate.scan,
  cut: Chunks.cutSource
}

const answer = ({ name, task }: Asked): Answered => {
  try {
    // The name says of which type the task is; the compiler does not see the two together.
    return { _tag: "Done", answer: (work[name] as (task: unknown) => unknown)(task) }
  } catch (error) {
    if (error instanceof Refused) return { _tag: "Refused", is: error.is }
    return { _tag: "Broken", cause: error }
  }
}

parentPort?.on("message", (asked: Asked) => {
  const answered = answer(asked)
  parentPort?.postMessage(answered, handedOver(answered))
})

/** Memory that goes to the other side, and is not copied. */
const handedOver = (answered: Answered): Array<ArrayBuffer> => {
  if (answered._tag !== "Done") return []
  const { answer } = answered
  if (answer instanceof Uint8Array && answer.buffer instanceof ArrayBuffer) return [answer.buffer]
  return isObject(answer) && answer["stored"] instanceof Uint8Array && answer["stored"].buffer instanceof ArrayBuffer
    ? [answer["stored"].buffer]
    : []
}

const isObject = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null
