/**
 * Where secrets come from: files of which each is one secret, or `NOVACRON_SECRET_*` variables. Vault has a module of its
 * own.
 *
 * **Details**
 *
 * A name is the same everywhere: letters, digits, `.`, `_` and `-`, beginning with a letter or digit. `database-password`
 * is the file `database-password`, the variable `NOVACRON_SECRET_DATABASE_PASSWORD`, and in Vault the secret
 * `database-password` in the node's folder.
 */
import { Effect, FileSystem, Option, Redacted } from "effect"
import { readPrivate } from "./PrivateFiles.ts"
import { SecretUnavailable } from "./Security.ts"

export interface Provider {
  readonly read: (name: string) => Effect.Effect<Redacted.Redacted, SecretUnavailable>
  /** Fails when it cannot give any secret. */
  readonly check: Effect.Effect<void, SecretUnavailable>
}

/** One file per secret, of mode 0600; a line break at its end does not count. The folder is made when there is none. */
export const fromFiles = Effect.fn("Secrets.fromFiles")(function* (folder: string) {
  const fileSystem = yield* FileSystem.FileSystem
  const unavailable = (name: string) => (cause: unknown) => new SecretUnavailable({ name, provider: "file", cause })
  const reach = Effect.mapError(fileSystem.stat(folder), unavailable("*"))
  // A folder of somebody else's, such as a mount, may be one that cannot be made.
  yield* Effect.ignore(fileSystem.makeDirectory(folder, { recursive: true, mode: 0o700 }))
  yield* reach
  return {
    read: (name) =>
      withName(name, "file", () =>
        Effect.flatMap(
          readPrivate(`${folder}/${name}`).pipe(
            Effect.provideService(FileSystem.FileSystem, fileSystem),
            Effect.mapError(unavailable(name))
          ),
          (content) =>
            Option.isSome(content)
              ? Effect.succeed(
                  redact(
                    Buffer.from(content.value)
                      .toString()
                      .replace(/\r?\n$/, ""),
                    name
                  )
                )
              : Effect.fail(unavailable(name)(new Error(`There is no file ${folder}/${name}.`)))
        )
      ),
    check: Effect.asVoid(reach)
  } satisfies Provider
})

/** Variables of an environment, which is read once and not kept. */
export const fromEnvironment = (environment: { readonly [name: string]: string | undefined }): Provider => {
  const secrets = new Map(
    Object.entries(environment).flatMap(([variable, value]) =>
      variable.startsWith(prefix) && value !== undefined && value !== "" ? [[variable, redact(value, variable)]] : []
    )
  )
  return {
    read: (name) =>
      withName(name, "env", () => {
        const variable = variableOf(name)
        const secret = secrets.get(variable)
        const cause = new Error(`${variable} is not set.`)
        return secret === undefined
          ? Effect.fail(new SecretUnavailable({ name, provider: "env", cause }))
          : Effect.succeed(secret)
      }),
    check: Effect.void
  }
}

/** The variable of a secret. */
const variableOf = (name: string): string => prefix + name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")

const prefix = "NOVACRON_SECRET_"

/** Goes on if a name is one: it becomes a part of paths. */
export const withName = <A, R>(
  name: string,
  provider: SecretUnavailable["provider"],
  read: () => Effect.Effect<A, SecretUnavailable, R>
): Effect.Effect<A, SecretUnavailable, R> =>
  Effect.suspend(() =>
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name)
      ? read()
      : Effect.fail(new SecretUnavailable({ name, provider, cause: new Error("That is not the name of a secret.") }))
  )

const redact = (value: string, label: string): Redacted.Redacted => Redacted.make(value, { label })
