/**
 * Who may look at the dashboard: whoever the node has given a link, for as long as a session lasts.
 *
 * **Details**
 *
 * - A link carries a ticket: 256 bits, good once and for two minutes. The node makes one for whoever may talk to its
 *   control socket, so the right to look is the right to open a file of mode 0600.
 * - A ticket is for somebody with roles, which are those of the API; what they allow is looked up with each request.
 * - A ticket is exchanged for a session, a cookie that no script can read and no other site can send. It says until when
 *   it is good and for whom, and is signed (HMAC-SHA256) with a key that is kept in the data directory: a page that is open
 *   while the node restarts goes on afterwards. Removing the key ends all sessions.
 * - Nothing of a ticket is kept but its hash.
 * - Another site cannot reach the node by a name of its own that resolves to it: a request must name a host of ours. One
 *   that changes something must come from a page of ours.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import { isIP } from "node:net"
import type { Principal } from "../security/Security.ts"

/** What a door needs to know. */
export interface Options {
  /** 32 bytes that nobody else has. */
  readonly key: Uint8Array
  readonly nowMs: () => number
  readonly sessionMs: number
}

/** Gives tickets, takes them for sessions, and knows sessions again. */
export interface Door {
  readonly ticket: (guest: Guest) => { readonly token: string; readonly forMs: number }
  /** The session for a ticket, and whose it is; nothing when it is not one of ours, was used, or is too old. */
  readonly exchange: (token: string) => { readonly session: string; readonly guest: Guest } | undefined
  /** Whose session it is; nothing when it is none of ours, or is over. */
  readonly guestOf: (session: string | undefined) => Guest | undefined
}

/** Somebody who was let in, as security knows people. */
export type Guest = Principal

const ticketMs = 120_000

/** Tickets that nobody has taken yet. More at a time nobody needs: the oldest makes room. */
const maxTickets = 64

export const make = ({ key, nowMs, sessionMs }: Options): Door => {
  const tickets = new Map<string, { readonly untilMs: number; readonly guest: Guest }>()
  const sign = (text: string): string => createHmac("sha256", key).update(text).digest("base64url")
  return {
    ticket: (guest) => {
      const token = randomBytes(32).toString("base64url")
      for (const oldest of [...tickets.keys()].slice(0, Math.max(0, tickets.size + 1 - maxTickets))) {
        tickets.delete(oldest)
      }
      tickets.set(hashOf(token), { untilMs: nowMs() + ticketMs, guest })
      return { token, forMs: ticketMs }
    },
    exchange: (token) => {
      const hash = hashOf(token)
      const ticket = tickets.get(hash)
      tickets.delete(hash)
      if (ticket === undefined || ticket.untilMs < nowMs()) return undefined
      const { guest } = ticket
      const said = `${nowMs() + sessionMs}.${randomBytes(16).toString("base64url")}.${written(guest)}`
      return { session: `${said}.${sign(said)}`, guest }
    },
    guestOf: (session) => {
      const [, said = "", until = "", guest = "", signature = ""] =
        /^((\d{1,15})\.[\w-]{22}\.([\w-]{1,2048}))\.([\w-]{43})$/.exec(session ?? "") ?? []
      if (said === "" || !isSame(sign(said), signature) || Number(until) < nowMs()) return undefined
      return read(guest)
    }
  }
}

const written = ({ name, roles }: Guest): string => Buffer.from(JSON.stringify([name, ...roles])).toString("base64url")

/** Only what we have signed comes here, and that is a name and roles. */
const read = (text: string): Guest => {
  const [name = "", ...roles]: ReadonlyArray<string> = JSON.parse(Buffer.from(text, "base64url").toString())
  return { name, by: "token", roles }
}

const hashOf = (token: string): string => createHash("sha256").update(token).digest("hex")

const isSame = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))

/** The value of a cookie. */
export const cookieOf = (header: string | undefined, name: string): string | undefined =>
  header
    ?.split(";", 32)
    .map((pair) => pair.trim())
    .find((pair) => pair.startsWith(`${name}=`))
    ?.slice(name.length + 1)

/** Whether an address is this machine's own: nobody else hears what is said there. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."))

/** Whether a `Host` header names one of these hosts, with any port. */
export const isFor = (header: string | undefined, hosts: ReadonlySet<string>): boolean => {
  const [, bracketed, plain] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/.exec(header ?? "") ?? []
  return hosts.has((bracketed ?? plain ?? "").toLowerCase())
}

/** Whether a request that changes something comes from a page of ours, and not from another site. */
export const isFromOurselves = (headers: {
  readonly host?: string | undefined
  readonly origin?: string | undefined
  readonly "sec-fetch-site"?: string | Array<string> | undefined
}): boolean => {
  const { host, origin = "" } = headers
  const site = headers["sec-fetch-site"]
  if (!URL.canParse(origin) || (site !== undefined && site !== "same-origin")) return false
  return host !== undefined && new URL(origin).host === host.toLowerCase()
}
