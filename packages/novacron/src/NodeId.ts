/** Who this node is: what the settings say, else what it was called before, else the name of the host. */
import { Effect, FileSystem, Random } from "effect"

/** The id of this node. One that nobody has set is kept in the data directory, so that a renamed host is the same node. */
export const keep = Effect.fn("NodeId.keep")(function* (dataDir: string, set: string | undefined, hostname: string) {
  if (set !== undefined) return set
  const fileSystem = yield* FileSystem.FileSystem
  const file = `${dataDir}/node-id`
  const kept = yield* Effect.orElseSucceed(fileSystem.readFileString(file), () => "")
  if (isId(kept.trim())) return kept.trim()
  const id = fromHostname(hostname) ?? `node-${(yield* Random.nextIntBetween(36 ** 5, 36 ** 6)).toString(36)}`
  yield* Effect.catch(fileSystem.writeFileString(file, `${id}\n`, { mode: 0o600 }), (error) =>
    Effect.logWarning(`The id of this node cannot be kept in ${file}: ${error.message}`)
  )
  return id
})

/** The same without keeping it: undefined when only chance would say. */
export const find = Effect.fn("NodeId.find")(function* (dataDir: string, set: string | undefined, hostname: string) {
  if (set !== undefined) return set
  const fileSystem = yield* FileSystem.FileSystem
  const kept = yield* Effect.orElseSucceed(fileSystem.readFileString(`${dataDir}/node-id`), () => "")
  return isId(kept.trim()) ? kept.trim() : fromHostname(hostname)
})

/** A name that a certificate can bear. */
const isId = (text: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text)

/** A host's name as an id; undefined when it says nothing, as `localhost` does. */
export const fromHostname = (hostname: string): string | undefined => {
  const id = hostname
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 64)
  return isId(id) && !/^localhost(?:\.|$)/.test(id) ? id : undefined
}
