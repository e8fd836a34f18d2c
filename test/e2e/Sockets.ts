/**
 * Loaded into a node before its own code (`NODE_OPTIONS=--import`): writes down every connection that is dialled, every
 * name that is looked up, and every address that is listened at, with the time, into the file that `SOCKETS` names.
 */
import { appendFileSync } from "node:fs"
import dgram from "node:dgram"
import dns from "node:dns"
import net from "node:net"

const file = process.env["SOCKETS"] ?? ""

/** What was done with a socket, and when. */
export interface Deed {
  readonly at: string
  readonly pid: number
  readonly did: string
  readonly what: string
}

/** Calls are handed on as they came; only that they came is noted. */
const note = (target: object, name: string): void => {
  const original: unknown = Reflect.get(target, name)
  if (typeof original !== "function") throw new Error(`There is no ${name} to watch.`)
  const watched = function (this: unknown, ...args: ReadonlyArray<unknown>): unknown {
    const deed: Deed = {
      at: new Date().toISOString(),
      pid: process.pid,
      did: name,
      what: JSON.stringify(args.flat().slice(0, 2), (key, value: unknown) =>
        key === "" || Array.isArray(value) || ["host", "port", "path", "address"].includes(key) || /^\d+$/.test(key)
          ? value
          : undefined
      )
    }
    appendFileSync(file, `${JSON.stringify(deed)}\n`)
    return Reflect.apply(original, this, args)
  }
  Reflect.set(target, name, watched)
}

if (file !== "") {
  note(net.Socket.prototype, "connect")
  note(net.Server.prototype, "listen")
  note(dgram.Socket.prototype, "bind")
  note(dgram.Socket.prototype, "send")
  note(dns, "lookup")
}
