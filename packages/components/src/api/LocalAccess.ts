/**
 * How programs of this machine find the API and get in: a file in the data directory with its address, its CA and a token
 * of the role `admin`. Whoever may read it is the user of the node, who may do everything with it anyway.
 *
 * **Details**
 *
 * The file `api/local.json` has mode 0600, the folder 0700. The token is another one with each start, is kept nowhere
 * else, and the file is gone when the node has stopped.
 */
import { Effect, Option, Schema } from "effect"
import * as PrivateFiles from "../security/PrivateFiles.ts"

/** What the file says. */
export const LocalAccess = Schema.Struct({
  url: Schema.String,
  /** `host:port`, unless gRPC is off. */
  grpc: Schema.NullOr(Schema.String),
  /** A name in the certificate of the node: that is whom to ask for. */
  serverName: Schema.String,
  /** PEM. */
  ca: Schema.String,
  token: Schema.String
})
export type LocalAccess = typeof LocalAccess.Type

const fileName = "local.json"
const File = Schema.fromJsonString(LocalAccess)

/** The folder of the API in a data directory. */
export const folderOf = (dataDir: string): string => `${dataDir}/api`

/** Writes it; it is gone with the scope. */
export const publish = Effect.fn("LocalAccess.publish")(function* (dataDir: string, access: LocalAccess) {
  const files = yield* PrivateFiles.open(folderOf(dataDir))
  yield* Effect.acquireRelease(files.write(fileName, Buffer.from(Schema.encodeSync(File)(access))), () =>
    Effect.ignore(files.remove(fileName))
  )
})

/** Reads it; nothing when no node has its API up there. */
export const find = Effect.fn("LocalAccess.find")(function* (dataDir: string) {
  const content = yield* PrivateFiles.readPrivate(`${folderOf(dataDir)}/${fileName}`)
  if (Option.isNone(content)) return Option.none<LocalAccess>()
  return Schema.decodeOption(File)(Buffer.from(content.value).toString())
})
