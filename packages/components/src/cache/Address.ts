/** Where a Redis is, as a person writes it and as it may be shown. */
import { Redacted, Result } from "effect"
import { CacheMisconfigured } from "./Cache.ts"

/** Where a Redis is and who asks. */
export interface Address {
  readonly host: string
  readonly port: number
  readonly username: string | undefined
  readonly password: Redacted.Redacted | undefined
  readonly database: number
  readonly isEncrypted: boolean
}

/** An address from what a person wrote. The answer never repeats it: there may be a password in it. */
export const parse = (url: Redacted.Redacted): Result.Result<Address, CacheMisconfigured> => {
  const wrong = (reason: string) => Result.fail(new CacheMisconfigured({ reason }))
  const text = Redacted.value(url)
  if (!URL.canParse(text)) return wrong("it is no URL")
  const { hash, hostname, password, pathname, port, protocol, search, username } = new URL(text)
  if (protocol !== "redis:" && protocol !== "rediss:") return wrong("it begins with neither redis:// nor rediss://")
  if (hostname === "") return wrong("it names no host")
  if (port === "0") return wrong("its port is 0")
  if (search !== "" || hash !== "") return wrong("there is something behind ? or #")
  const database = /^\/?(\d{0,9})$/.exec(pathname)?.[1]
  if (database === undefined) return wrong("behind its slash there is no number of a database")
  const user = decoded(username)
  const secret = decoded(password)
  if (user === undefined || secret === undefined) return wrong("a % in it is not followed by two hexadecimal digits")
  return Result.succeed({
    host: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? 6379 : Number(port),
    username: user === "" ? undefined : user,
    password: secret === "" ? undefined : Redacted.make(secret),
    database: Number(database),
    isEncrypted: protocol === "rediss:"
  })
}

const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** An address as it may be shown. */
export const show = ({ database, host, port }: Address): string =>
  `${host.includes(":") ? `[${host}]` : host}:${port}/${database}`
