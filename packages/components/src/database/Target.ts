/**
 * Which database, as data: what a URL says, read once, with the password kept apart so that everything else can be shown.
 */
import { isIP } from "node:net"
import { Option, Redacted, Result } from "effect"
import { BadDatabaseUrl } from "./DatabaseError.ts"
import type { Settings, SslMode } from "./Settings.ts"

/** Where a server listens, and as whom we come. */
export interface Target {
  readonly at: Address
  readonly database: string
  readonly user: string
  readonly password: Option.Option<Redacted.Redacted>
  readonly sslmode: SslMode
}

export type Address =
  | { readonly _tag: "Tcp"; readonly host: string; readonly port: number }
  | { readonly _tag: "Unix"; readonly directory: string; readonly port: number }

/** Reads `database.url`. What it cannot read it names without repeating it: it may hold a password. */
export const fromUrl = (
  raw: Redacted.Redacted,
  settings: Pick<Settings, "sslmode">
): Result.Result<Target, BadDatabaseUrl> => {
  const bad = (problem: string) => Result.fail(new BadDatabaseUrl({ problem }))
  // libpq's way to name a socket directory without a host does not parse as a URL of the web.
  const text = Redacted.value(raw).replace(/^(postgres(?:ql)?:\/\/(?:[^@/?#]*@)?)(?=\/|\?|$)/, "$1localhost")
  if (!URL.canParse(text)) return bad("it is not a URL")
  const url = new URL(text)
  if (url.protocol !== "postgres:" && url.protocol !== "postgresql:") {
    return bad(`it begins with ${url.protocol}// and not with postgres://`)
  }
  const parts = [url.username, url.password, url.hostname, url.pathname].map(decoded)
  if (!parts.every(Option.isSome)) return bad("a % in it is not followed by two hexadecimal digits (% itself is %25)")
  const [username = "", password = "", hostname = "", path = ""] = parts.map((part) => part.value)
  const said = (name: string): string | undefined => url.searchParams.get(name) ?? undefined

  const host = said("host") ?? unbracketed(hostname)
  const portText = said("port") ?? url.port
  const port = portText === "" ? 5432 : Number(portText)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return bad("its port is not a number from 1 to 65535")
  const user = said("user") ?? username
  if (user === "") return bad("it names no user")
  const database = said("dbname") ?? (path.slice(1) || user)
  const secret = said("password") ?? password
  const sslmode = modeOf(said("sslmode"), settings.sslmode)
  if (sslmode === undefined) return bad("its sslmode is not one of disable, require, verify-ca and verify-full")

  const isSocket = host.startsWith("/")
  return Result.succeed({
    at: isSocket ? { _tag: "Unix", directory: host, port } : { _tag: "Tcp", host, port },
    database,
    user,
    password: secret === "" ? Option.none() : Option.some(Redacted.make(secret)),
    sslmode: isSocket ? "disable" : sslmode
  })
}

/** For people: everything but the password. */
export const describe = ({ at, database, user }: Target): string =>
  at._tag === "Unix"
    ? `postgres://${user}@/${database}?host=${at.directory}`
    : `postgres://${user}@${bracketed(at.host)}:${at.port}/${database}`

/** `HOST:PORT`, or the path of the socket. */
export const endpoint = ({ at }: Target): string =>
  at._tag === "Unix" ? socketOf(at) : `${bracketed(at.host)}:${at.port}`

/** What an operator types to see whether the server answers. */
export const isReady = ({ at }: Target): string =>
  `pg_isready -h ${at._tag === "Unix" ? at.directory : at.host} -p ${at.port}`

/** The file that PostgreSQL listens on in a socket directory. */
export const socketOf = ({ directory, port }: { readonly directory: string; readonly port: number }): string =>
  `${directory}/.s.PGSQL.${port}`

const decoded = (text: string): Option.Option<string> => {
  try {
    return Option.some(decodeURIComponent(text))
  } catch {
    return Option.none() // a malformed escape, which is all that can be wrong here
  }
}

/** `prefer` and `allow` would go on in the clear when somebody in between says that there is no TLS: they are `require`. */
const modeOf = (said: string | undefined, otherwise: SslMode): SslMode | undefined => {
  switch (said) {
    case undefined:
      return otherwise
    case "disable":
    case "require":
    case "verify-ca":
    case "verify-full":
      return said
    case "prefer":
    case "allow":
      return "require"
    default:
      return undefined
  }
}

const unbracketed = (host: string): string => host.replace(/^\[(.*)\]$/, "$1")
const bracketed = (host: string): string => (isIP(host) === 6 ? `[${host}]` : host)
