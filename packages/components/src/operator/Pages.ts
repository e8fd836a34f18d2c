/**
 * The pages of the dashboard, as a browser gets them: what it has already is not sent again. In a checkout, whoever wants to
 * see them first waits until they are built.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { Cause, type Effect, Exit, Option } from "effect"
import { type Place, refuse, type Refused, type Run, send } from "./Reply.ts"
import * as Site from "./Site.ts"

export interface Options extends Place {
  /** Where the built pages are. */
  readonly site: string
  /** Builds the pages, where they have not been built: in a checkout. Fails with a sentence. */
  readonly build?: Effect.Effect<void, Refused> | undefined
  readonly run: Run
}

export interface Pages {
  /** Answers with the file of that path. */
  readonly answer: (request: IncomingMessage, response: ServerResponse, path: string) => void
}

/** The pages are being built, as long as somebody waits for that; how it ended. */
interface Building {
  failure: string | undefined
  waiting: Array<() => void> | undefined
}

const notBuilt =
  "The pages of the dashboard have not been built. In a checkout: pnpm --filter @novacron/dashboard build"

export const make = (options: Options): Pages => {
  const site = Site.make(options.site)
  let building: Building | undefined

  const answer: Pages["answer"] = (request, response, path) => {
    const { headers, method } = request
    if (method !== "GET" && method !== "HEAD") return refuse(options, response, 405, "Only GET and HEAD.")
    if (options.build !== undefined && (building === undefined || building.waiting !== undefined)) {
      return prepare(options.build, () => answer(request, response, path))
    }
    const files = site.files()
    if (files === undefined) return refuse(options, response, 503, building?.failure ?? notBuilt)
    const file = files.get(path === "/" ? "/index.html" : path)
    if (file === undefined) return refuse(options, response, 404, "There is nothing here.")
    const caching = {
      etag: file.etag,
      "cache-control": file.isImmutable ? "public, max-age=31536000, immutable" : "no-cache"
    }
    if (headers["if-none-match"] === file.etag) return send(options, response, 304, "", caching)
    const { bytes, encoding } = Site.bytesFor(file, headers["accept-encoding"]?.toString() ?? "")
    send(options, response, 200, bytes, {
      ...caching,
      "content-type": file.type,
      vary: "accept-encoding",
      ...(encoding === undefined ? {} : { "content-encoding": encoding })
    })
  }

  /** Whoever comes first has them built, and all who come meanwhile wait with it. What has changed is built anew. */
  const prepare = (build: Effect.Effect<void, Refused>, then: () => void): void => {
    const waiting = building?.waiting
    if (waiting !== undefined) return void waiting.push(then)
    const begun: Building = (building = { failure: undefined, waiting: [then] })
    options.run(build, (exit) => {
      if (Exit.isFailure(exit)) {
        const error = Cause.findErrorOption(exit.cause)
        begun.failure = Option.match(error, { onNone: () => notBuilt, onSome: ({ message }) => message })
      }
      const all = begun.waiting ?? []
      begun.waiting = undefined
      for (const one of all) one()
    })
  }

  return { answer }
}
