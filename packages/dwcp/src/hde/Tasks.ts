/** What threads are asked and what they answer: data, because nothing else travels between them. */
import type * as Block from "./Block.ts"
import type * as Chunks from "./Chunks.ts"
import { HdeCorrupt, TooLarge } from "./Failures.ts"
import type * as Locate from "./Locate.ts"
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
  /** One of our failures: classes do not travel between threads, their fields do. */
  | { readonly _tag: "Refused"; readonly failure: "HdeCorrupt" | "TooLarge"; readonly fields: object }
  | { readonly _tag: "Broken"; readonly cause: unknown }

/** A failure that came from a thread, in its class again. */
export const revive = ({ failure, fields }: Extract<Answered, { _tag: "Refused" }>) => {
  switch (failure) {
    case "HdeCorrupt":
      return new HdeCorrupt(fields as ConstructorParameters<typeof HdeCorrupt>[0])
    case "TooLarge":
      return new TooLarge(fields as ConstructorParameters<typeof TooLarge>[0])
  }
}
