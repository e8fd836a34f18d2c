/** What threads are asked and what they answer: data, because nothing else travels between them. */
import type * as Block from "./Block.ts"
import type * as Chunks from "./Chunks.ts"
import type * as Locate from "./Locate.ts"
import type { Refused } from "./Refused.ts"
import type * as Source from "./Source.ts"

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
