/** What settings say about the world, and whether it is so: files, directories, ports. */
import { createServer } from "node:net"
import { Effect, FileSystem } from "effect"
import type { Resource } from "./Config.ts"
import * as PortHolder from "./PortHolder.ts"

/** A file that can be read. `path` answers `undefined` when there is none to look at. */
export const readableFile = <A>(key: string, path: (settings: A) => string | undefined): Resource<A> => ({
  keys: [key],
  check: Effect.fnUntraced(function* (settings) {
    const file = path(settings)
    if (file === undefined) return undefined
    const files = yield* FileSystem.FileSystem
    const info = yield* Effect.option(files.stat(file))
    if (info._tag === "None") return `The file ${file} does not exist.`
    if (info.value.type !== "File") return `${file} is not a file.`
    const isReadable = yield* Effect.isSuccess(files.access(file, { readable: true }))
    return isReadable ? undefined : `The file ${file} cannot be read by this user.`
  })
})

/** A directory that can be written, or can be made: the nearest one above it that exists can be written. */
export const writableDirectory = <A>(key: string, path: (settings: A) => string | undefined): Resource<A> => ({
  keys: [key],
  check: Effect.fnUntraced(function* (settings) {
    const directory = path(settings)
    if (directory === undefined) return undefined
    const files = yield* FileSystem.FileSystem
    let nearest = directory.replace(/\/+$/, "")
    while (nearest !== "" && nearest !== "." && !(yield* Effect.orElseSucceed(files.exists(nearest), () => false))) {
      nearest = nearest.includes("/") ? nearest.slice(0, nearest.lastIndexOf("/")) : "."
    }
    const there = nearest === "" ? "/" : nearest
    const info = yield* Effect.option(files.stat(there))
    if (info._tag === "Some" && info.value.type !== "Directory") return `${there} is not a directory.`
    const isWritable = yield* Effect.isSuccess(files.access(there, { writable: true }))
    return isWritable ? undefined : `The directory ${directory} cannot be written by this user.`
  })
})

/** A port that is free on that address. Port 0 always is. */
export const freePort = <A>(
  key: string,
  address: (settings: A) => { readonly host: string; readonly port: number } | undefined
): Resource<A> => ({
  keys: [key],
  check: (settings) => {
    const at = address(settings)
    return at === undefined || at.port === 0 ? Effect.undefined : listen(at.host, at.port)
  }
})

/** Listens for a moment. */
const listen = (host: string, port: number) =>
  Effect.callback<string | undefined>((resume) => {
    const server = createServer()
    server.once("error", (error: NodeJS.ErrnoException) => {
      const why =
        error.code === "EADDRINUSE"
          ? `is taken by ${PortHolder.of(port)}`
          : (whys[error.code ?? ""] ?? `cannot be listened on (${error.code ?? "unknown"})`)
      resume(Effect.succeed(`Port ${port} of ${host} ${why}.`))
    })
    server.listen({ host, port, exclusive: true }, () => server.close(() => resume(Effect.undefined)))
    return Effect.sync(() => void server.close())
  })

const whys: { readonly [code: string]: string | undefined } = {
  EADDRNOTAVAIL: "cannot be had: the address is not one of this machine",
  EACCES: "may not be taken by this user"
}
