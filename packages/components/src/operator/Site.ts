/**
 * The files of the pages, as they were built: found by name, packed once when they were built and not when they are asked
 * for. A name that holds a hash never changes what it stands for, so a browser may keep it.
 *
 * **Gotchas**
 *
 * Only what is in the folder when it is read can be asked for; a path is never put together from what a request says.
 */
import { createHash } from "node:crypto"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"

/** A file, ready to be sent. */
export interface File {
  readonly type: string
  readonly isImmutable: boolean
  readonly etag: string
  readonly plain: Buffer
  readonly gzip: Buffer | undefined
  readonly brotli: Buffer | undefined
}

/** The files by path, `/index.html`; undefined as long as nothing has been built. */
export interface Site {
  readonly files: () => ReadonlyMap<string, File> | undefined
}

/** The files of a folder, read when they are asked for first, and again when they have been built anew. */
export const make = (folder: string): Site => {
  let builtAtMs = NaN
  let files: ReadonlyMap<string, File> | undefined
  return {
    files: () => {
      const atMs = mtimeOf(join(folder, "index.html"))
      if (atMs === undefined) return (files = undefined)
      if (files === undefined || atMs !== builtAtMs) files = read(folder)
      builtAtMs = atMs
      return files
    }
  }
}

const mtimeOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.mtimeMs

const types: { readonly [ending: string]: string | undefined } = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml"
}

const read = (folder: string): ReadonlyMap<string, File> => {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" })
  const all = new Set(names)
  const packed = (name: string) => (all.has(name) ? readFileSync(join(folder, name)) : undefined)
  return new Map(
    names.flatMap((name) => {
      const type = types[name.split(".").at(-1) ?? ""]
      if (type === undefined) return []
      const plain = readFileSync(join(folder, name))
      const file: File = {
        type,
        isImmutable: /-[\w-]{8}\.\w+$/.test(name),
        etag: `"${createHash("sha256").update(plain).digest("base64url").slice(0, 22)}"`,
        plain,
        gzip: packed(`${name}.gz`),
        brotli: packed(`${name}.br`)
      }
      return [[`/${name.replaceAll("\\", "/")}`, file] as const]
    })
  )
}

/** The bytes that a browser wants, by its `Accept-Encoding`, and how they are packed. */
export const bytesFor = (file: File, accepted: string) => {
  const accepts = (coding: string) =>
    accepted
      .split(",", 16)
      .map((one) => one.split(";").map((part) => part.trim().toLowerCase()))
      .some(([name, ...more]) => name === coding && !more.some((parameter) => /^q=0(\.0*)?$/.test(parameter)))
  if (file.brotli !== undefined && accepts("br")) return { bytes: file.brotli, encoding: "br" }
  if (file.gzip !== undefined && accepts("gzip")) return { bytes: file.gzip, encoding: "gzip" }
  return { bytes: file.plain, encoding: undefined }
}
