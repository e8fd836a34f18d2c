/** The front: `POST /` with a URL answers a short one, `GET /SLUG` leads there, `GET /SLUG/clicks` counts. */
import { createServer } from "node:http"
import { NodeHttpServer } from "@effect/platform-node"
import { Component, Policy } from "@novacron/boot"
import { Context, Effect, Option, Random } from "effect"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { Links } from "./Links.ts"
import { Settings } from "./Settings.ts"
import { Statistics } from "./Statistics.ts"

export class Server extends Context.Service<Server, { readonly url: string }>()("shortener/server") {}

export const server = Component.make(Server, {
  phase: "service",
  needs: [Settings, Links, Component.option(Statistics)],
  start: Effect.gen(function* () {
    const { port } = yield* Settings
    const links = yield* Links
    const statistics = yield* Component.option(Statistics)
    const server = yield* NodeHttpServer.make(createServer, { host: "127.0.0.1", port })
    const url = HttpServer.formatAddress(server.address)
    yield* server.serve(yield* HttpRouter.toHttpEffect(routes(url, links, statistics)))
    return { url }
  }),
  health: () => Effect.void
}).pipe(Component.retry(Policy.standard), Component.timeout("2 seconds"))

const routes = (base: string, links: Links["Service"], statistics: Option.Option<Statistics["Service"]>) =>
  HttpRouter.addAll([
    HttpRouter.route(
      "POST",
      "/",
      Effect.gen(function* () {
        const url = yield* Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => request.text)
        if (!URL.canParse(url)) return HttpServerResponse.text("The body must be a URL.\n", { status: 400 })
        const slug = (yield* Random.nextIntBetween(36 ** 5, 36 ** 6)).toString(36)
        yield* links.save(slug, url)
        return HttpServerResponse.text(`${base}/${slug}\n`, { status: 201 })
      })
    ),
    HttpRouter.route(
      "GET",
      "/:slug",
      Effect.gen(function* () {
        const { slug = "" } = yield* HttpRouter.params
        const url = yield* links.find(slug)
        if (Option.isNone(url)) return nobodyKnows
        if (Option.isSome(statistics)) yield* statistics.value.count(slug)
        return HttpServerResponse.redirect(url.value)
      })
    ),
    HttpRouter.route(
      "GET",
      "/:slug/clicks",
      Effect.gen(function* () {
        const { slug = "" } = yield* HttpRouter.params
        if (Option.isNone(statistics)) return nobodyKnows
        return HttpServerResponse.text(`${yield* statistics.value.clicks(slug)}\n`)
      })
    )
  ])

const nobodyKnows = HttpServerResponse.text("Nobody knows.\n", { status: 404 })
