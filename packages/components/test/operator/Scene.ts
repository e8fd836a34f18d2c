/** A dashboard that listens, with sources that say what a test wants, and a browser's way of asking it. */
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { request, type IncomingHttpHeaders } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { type BootEvent, Rehearsal, Report, Timeline } from "@novacron/boot/model"
import { DateTime, Effect, type FileSystem, Schema, type Scope } from "effect"
import * as Dashboard from "../../src/operator/Dashboard.ts"
import type * as Questions from "../../src/operator/Questions.ts"
import { Settings } from "../../src/operator/Settings.ts"
import { Settings as SecuritySettings } from "../../src/security/Settings.ts"

export interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export interface Asking {
  readonly method?: string
  readonly headers?: { readonly [name: string]: string }
  readonly body?: string
}

/** Asks as no browser would dare to: any header, any method. */
export const ask = (url: string, path: string, { body, headers = {}, method = "GET" }: Asking = {}): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url)
    const sent = request({ hostname, port, path, method, headers, agent: false }, (response) => {
      let text = ""
      response.on("data", (chunk: Buffer) => void (text += chunk.toString()))
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
      response.on("error", reject)
    })
    sent.on("error", reject)
    sent.end(body)
  })

/** A browser that has used a link: what it sends with each request. */
export const enter = (dashboard: Dashboard.Dashboard, whom?: Partial<Dashboard.Whom>) =>
  Effect.gen(function* () {
    const link = new URL((yield* dashboard.link(whom)).url)
    const reply = yield* Effect.promise(() =>
      post(dashboard.url, "/api/session", { token: link.hash.replace("#token=", "") })
    )
    const cookie = `${reply.headers["set-cookie"]?.[0]}`.split(";")[0] ?? ""
    return { reply, cookie, headers: { cookie } }
  })

export const post = (url: string, path: string, body: unknown, headers: { readonly [name: string]: string } = {}) =>
  ask(url, path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { origin: url, "content-type": "application/json", ...headers }
  })

const member = (name: string, needs: ReadonlyArray<string>) =>
  ({ name, phase: "core", severity: "degraded", needs, fallbacks: ["memory"] }) as const

export const story: ReadonlyArray<BootEvent.BootEvent> = [
  {
    _tag: "BootStarted",
    atMs: 0,
    version: 1,
    bootId: "boot-1",
    nodeId: "node-1",
    environment: "datacenter",
    configVersion: "c",
    startedAt: 1_000,
    concurrency: 4,
    worstCaseMs: 1_000,
    components: [member("cache", []), member("api", ["cache"])]
  },
  { _tag: "ComponentStarted", atMs: 1, component: "cache", variant: 0, attempt: 1 },
  { _tag: "ComponentReady", atMs: 5, component: "cache" },
  { _tag: "ComponentStarted", atMs: 6, component: "api", variant: 0, attempt: 1 }
]

/** What a test may decide. */
export interface Cast {
  readonly settings?: (typeof Settings)["Encoded"]
  readonly options?: Partial<Dashboard.Options>
  readonly sources?: Partial<Questions.Sources>
}

/** A dashboard in a directory of its own, until the scope closes. */
export const scene = ({ options, settings, sources }: Cast = {}): Effect.Effect<
  { readonly dashboard: Dashboard.Dashboard; readonly dataDir: string; readonly restored: ReadonlyArray<string> },
  Dashboard.DashboardUnavailable,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const dataDir = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-dashboard-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    const site = join(dataDir, "site")
    mkdirSync(site)
    writeFileSync(join(site, "index.html"), "<!doctype html><title>NovaCron</title>")
    const restored: Array<string> = []
    const report = Report.fromEvents(story)
    const no = Effect.fail({ message: "There is no such boot." })
    const impact = (component: string) => ({
      component,
      state: "degraded",
      concerned: [{ component: "api", effect: "skipped" }],
      isBegun: false
    })
    const dashboard = yield* Dashboard.make({
      settings: Schema.decodeUnknownSync(Settings)({ port: 0, ...settings }),
      roles: Schema.decodeUnknownSync(SecuritySettings)({}).roles,
      dataDir,
      site,
      sources: {
        orchestration: Effect.succeedNone,
        security: Effect.succeedNone,
        node: Effect.succeed({
          program: "novacron",
          version: "1",
          pid: 7,
          mode: "live",
          health: "",
          isStopping: false
        }),
        report: () => report,
        health: Effect.map(DateTime.now, (at) => ({ status: "healthy", at, components: [] })),
        impact: (component) => Effect.succeed(impact(component)),
        restore: (component) =>
          Effect.sync(() => {
            restored.push(component)
            return { ...impact(component), isBegun: true }
          }),
        boots: () => Effect.succeed({ boots: [], total: 0 }),
        boot: (id) => (id === "last" ? Effect.succeed({ file: "last", events: story, warnings: [] }) : no),
        difference: () =>
          Effect.sync(() => Rehearsal.difference(Timeline.fromEvents(story), Timeline.fromEvents(story))),
        settings: Effect.succeed([]),
        ...sources
      },
      ...options
    })
    return { dashboard, dataDir, restored }
  }).pipe(Effect.provide(NodeFileSystem.layer)) satisfies Effect.Effect<
    unknown,
    unknown,
    Scope.Scope | FileSystem.FileSystem
  >
