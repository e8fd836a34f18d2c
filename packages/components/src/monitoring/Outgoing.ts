/**
 * A POST to somebody outside, and the beginning of the answer.
 *
 * **Details**
 *
 * By `node:http`, asked for in the old way, for what it costs a process that has made no request yet: 12 ms of CPU. An
 * import of it reads everything that it exports, which loads what `fetch` is made of: 55 ms, as with `fetch` itself. An
 * answer is read up to 64 KiB; redirects are not followed.
 */
import type * as Http from "node:http"
import type * as Https from "node:https"
import { createRequire } from "node:module"
import { readFile } from "node:fs/promises"
import { Data, Effect } from "effect"

/** What was said. */
export interface Reply {
  readonly status: number
  readonly headers: { readonly [name: string]: string | undefined }
  readonly body: Buffer
}

const load: (name: string) => unknown = createRequire(import.meta.url)

/** Nobody has more to say about what was posted. */
const mostBytes = 64 * 1024

/** Posts once. Fails with what went wrong on the way; whatever is answered is a reply. Interrupted, it is given up. */
export const post = (
  url: string,
  headers: { readonly [name: string]: string },
  body: Uint8Array,
  /** Who says who the other one is (PEM); default: those that Node knows. */
  ca?: Buffer
): Effect.Effect<Reply, Error> =>
  Effect.callback((resume) => {
    const to = new URL(url)
    const isSecure = to.protocol === "https:"
    // What `require` gives for these names.
    const { request: ask } = load(isSecure ? "node:https" : "node:http") as typeof Http | typeof Https
    const fail = (error: Error): void => resume(Effect.fail(error))
    const options = {
      method: "POST",
      headers: { ...headers, "content-length": body.length },
      ...(ca === undefined ? {} : { ca })
    }
    const request = ask(to, options, (response) => {
      const chunks: Array<Buffer> = []
      let size = 0
      const done = (): void =>
        resume(
          Effect.succeed({
            status: response.statusCode ?? 0,
            headers: { ...response.headers, "set-cookie": undefined },
            body: Buffer.concat(chunks)
          })
        )
      response.on("data", (chunk: Buffer) => {
        size += chunk.length
        if (size <= mostBytes) return void chunks.push(chunk)
        done()
        request.destroy()
      })
      response.on("end", done)
      response.on("error", fail)
      // Cut off in the middle: no answer at all.
      response.on("aborted", () => fail(new Error("the answer was cut off")))
    })
    request.on("error", fail)
    request.end(body)
    return Effect.sync(() => request.destroy())
  })

/** The file of the authorities is named and cannot be read: nobody is trusted, and nothing is sent. */
export class AuthoritiesUnreadable extends Data.TaggedError("AuthoritiesUnreadable")<{
  readonly file: string
  readonly cause: unknown
}> {
  override get message() {
    return `The authorities in ${this.file} cannot be read, so nothing is sent. Correct the setting ca, and start again.`
  }
}

/** The authorities of a file, if one is named. */
export const authorities = (file: string | undefined): Effect.Effect<Buffer | undefined, AuthoritiesUnreadable> =>
  file === undefined
    ? Effect.succeed(undefined)
    : Effect.tryPromise({
        try: () => readFile(file),
        catch: (cause) => new AuthoritiesUnreadable({ file, cause })
      })
