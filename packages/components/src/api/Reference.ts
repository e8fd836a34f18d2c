/**
 * The reference of the API as a page: every place, what it takes and gives, made of the OpenAPI document. It asks nobody
 * else for anything, has no script, and its policy allows none.
 */
import { createHash } from "node:crypto"
import { Contract } from "@novacron/api"

/** Something that is served as it is. */
export interface Leaflet {
  readonly type: string
  readonly bytes: Buffer
  readonly etag: string
  readonly headers: { readonly [name: string]: string }
}

/** What is served without asking who it is: the page and the document. Made when it is first asked for. */
export const leaflets = (): { readonly at: (path: string) => Leaflet | undefined } => {
  let made: { readonly [path: string]: Leaflet } | undefined
  return {
    at: (path) => {
      if (path !== "/" && path !== "/openapi.json" && path !== "/reference") return undefined
      made ??= make()
      return made[path]
    }
  }
}

const make = (): { readonly [path: string]: Leaflet } => {
  const document = Contract.openApi()
  const reference = leaflet("text/html; charset=utf-8", page(document), {
    "content-security-policy": [`style-src 'sha256-${sha256(style)}'`, ...policy].join("; "),
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY"
  })
  return {
    "/": reference,
    "/reference": reference,
    "/openapi.json": leaflet("application/json", JSON.stringify(document), {})
  }
}

const policy = ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]

const leaflet = (type: string, text: string, headers: Leaflet["headers"]): Leaflet => {
  const bytes = Buffer.from(text)
  return { type, bytes, etag: `"${sha256(text).slice(0, 22)}"`, headers }
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("base64")

// -------------------------------------------------------------------------------------------------------------- page

type Document = ReturnType<typeof Contract.openApi>

const style = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:64rem;margin:0 auto;padding:1rem}
code,pre{font:.875rem/1.5 ui-monospace,monospace}
pre{overflow:auto;padding:.75rem;border:1px solid #8884;border-radius:.25rem;max-height:24rem}
summary{cursor:pointer;padding:.25rem 0}
table{border-collapse:collapse}
td,th{text-align:left;padding:.125rem .75rem .125rem 0;vertical-align:top}
b.m{display:inline-block;min-width:4.5rem}
nav a{margin-right:1rem}`

const page = (document: Document): string => {
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    methods.flatMap((method) => {
      const operation = item[method]
      return operation === undefined ? [] : [{ path, method: method.toUpperCase(), operation }]
    })
  )
  const { description = "", title, version } = document.info
  const groups = document.tags.map(({ name, description = "" }) => {
    const places = operations.filter(({ operation }) => operation.tags.includes(name)).map(place)
    return `<section id="${escape(name)}"><h2>${escape(name)}</h2><p>${escape(description)}</p>${places.join("")}</section>`
  })
  const links = document.tags.map(({ name }) => `<a href="#${escape(name)}">${escape(name)}</a>`)
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escape(title)} API</title>\
<meta name="viewport" content="width=device-width,initial-scale=1"><style>${style}</style></head><body>\
<header><h1>${escape(title)} API <small>${escape(version)}</small></h1><p>${escape(description)}</p>\
<nav>${links.join("")}<a href="/openapi.json">openapi.json</a></nav></header><main>${groups.join("")}</main></body></html>`
}

const methods = ["get", "post", "put", "patch", "delete"] as const

type Operation = NonNullable<Document["paths"][string]["get"]>

const place = ({ method, operation, path }: { path: string; method: string; operation: Operation }): string => {
  const { parameters, requestBody, responses, summary = "" } = operation
  const rows = parameters.map(
    (one) =>
      `<tr><td><code>${escape(one.name)}</code></td><td>${escape(one.in)}</td><td>${one.required ? "required" : ""}</td></tr>`
  )
  const given = rows.length === 0 ? "" : `<table><tbody>${rows.join("")}</tbody></table>`
  const body = requestBody === undefined ? "" : `<h4>Body</h4>${pre(requestBody.content)}`
  const answers = Object.entries(responses).map(
    ([status, { content, description }]) =>
      `<details><summary>${escape(status)} ${escape(description)}</summary>${pre(content)}</details>`
  )
  return `<details><summary><b class="m">${method}</b> <code>${escape(path)}</code> ${escape(summary)}</summary>\
${given}${body}<h4>Answers</h4>${answers.join("")}</details>`
}

const pre = (value: object | undefined): string =>
  value === undefined ? "" : `<pre>${escape(JSON.stringify(value, undefined, 2))}</pre>`

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")
