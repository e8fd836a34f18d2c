/** `novacron explain CODE`: the runbook of an error code, and the list of all codes. */
import { readFileSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { Data, Effect } from "effect"
import * as Program from "../Program.ts"
import { Surroundings } from "../Surroundings.ts"
import { visible } from "../Terminal.ts"

/** There is no such code. */
export class UnknownCode extends Data.TaggedError("UnknownCode")<{
  readonly asked: string
  /** Those of the same hundred: the other errors of that part. */
  readonly near: ReadonlyArray<string>
}> {
  readonly exitCode = 64
  override get message() {
    const near = this.near.length === 0 ? "" : ` Near it: ${this.near.join(", ")}.`
    return `There is no error code "${visible(this.asked, 40)}".${near} novacron explain lists all of them.`
  }
}

/** Beside the bundle, or in the repository that the sources are in. */
const folders = [
  join(import.meta.dirname, "runbooks"),
  join(import.meta.dirname, "../runbooks"),
  join(import.meta.dirname, "../../runbooks"),
  join(import.meta.dirname, "../../../../docs/runbooks")
]

/** The runbooks, by code. */
export const runbooks = (): ReadonlyMap<string, string> => {
  for (const folder of folders) {
    const files = filesIn(folder)
    if (files.length > 0) {
      return new Map(files.map((file) => [file.replace(/\.md$/, ""), readFileSync(join(folder, file), "utf8")]))
    }
  }
  return new Map()
}

const filesIn = (folder: string): ReadonlyArray<string> => {
  try {
    return readdirSync(folder)
      .filter((file) => /^NVC-\d{4}\.md$/.test(file))
      .toSorted()
  } catch {
    // The folder is elsewhere: in a bundle, or in a checkout.
    return []
  }
}

/** The first line of a runbook, without its code. */
const titleOf = (text: string): string => (text.split("\n")[0] ?? "").replace(/^#+\s*(?:NVC-\d{4}:?\s*)?/, "")

/** Prints the runbook of a code; without one, all codes and what they mean. */
export const explain = Program.make(
  Effect.fnUntraced(function* ({ code, json }: { readonly code: string | undefined; readonly json: boolean }) {
    const { stdout } = yield* Surroundings
    const all = runbooks()
    if (code === undefined) {
      const list = [...all].map(([code, text]) => ({ code, title: titleOf(text) }))
      stdout.write(json ? `${JSON.stringify(list)}\n` : list.map((one) => `${one.code}  ${one.title}\n`).join(""))
      return
    }
    const wanted = code.toUpperCase().replace(/^(?:NVC)?-?(?=\d{4}$)/, "NVC-")
    const text = all.get(wanted)
    if (text === undefined) {
      const near = [...all.keys()].filter((one) => one.slice(0, 6) === wanted.slice(0, 6))
      return yield* new UnknownCode({ asked: code, near })
    }
    stdout.write(json ? `${JSON.stringify({ code: wanted, title: titleOf(text), text })}\n` : text)
  })
)
