/**
 * What arrives on a socket, read into one piece of memory that is used again for each read of each socket.
 *
 * **Details**
 *
 * By itself Node takes fresh memory for every read, over TLS for every 16 KiB, and what a gigabyte leaves behind keeps the
 * garbage collector busy for as long as its decryption takes. For connections that one opens there is the option `onread`;
 * for those that one accepts there is none, so what that option sets is set here.
 *
 * **Gotchas**
 *
 * The names are not public. Where one is missing, or means something else, the socket is read as every other one.
 */
import type { Socket } from "node:net"

/** Calls back with what arrives, in order; the bytes are only good for the call. */
export const hear = (socket: Socket, memory: Buffer, onData: (data: Buffer) => void): void => {
  const early: unknown = socket.read() // what came before anybody listened
  if (Buffer.isBuffer(early)) onData(early)
  if (socket.destroyed) return
  if (into(socket, memory, onData)) socket.resume()
  else socket.on("data", onData)
}

/** Whether the socket is read into `memory` from now on. */
const into = (socket: Socket, memory: Buffer, onData: (data: Buffer) => void): boolean => {
  const named = (name: string) => Object.getOwnPropertySymbols(socket).find(({ description }) => description === name)
  const [buffer, callback, next] = [named("kBuffer"), named("kBufferCb"), named("kBufferGen")]
  const handle: unknown = Reflect.get(socket, "_handle")
  if (buffer === undefined || callback === undefined || next === undefined) return false
  if (typeof handle !== "object" || handle === null || socket.readableLength > 0) return false
  if ([buffer, callback, next].some((symbol) => Reflect.get(socket, symbol) !== null)) return false
  const use: unknown = Reflect.get(handle, "useUserBuffer")
  if (typeof use !== "function") return false
  Reflect.set(socket, buffer, memory)
  Reflect.set(socket, callback, (length: number) => {
    onData(memory.subarray(0, length))
    return true
  })
  Reflect.apply(use, handle, [memory])
  return true
}
