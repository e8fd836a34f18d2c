/**
 * Loaded into a node before its own code (`NODE_OPTIONS=--import`): whoever listens at the port that `DEAF` names is deaf
 * a moment later, as when its descriptor is closed under it; whoever wants to listen at the port that `STUCK` names waits
 * for that without an end. Nothing in the program is replaced.
 */
import net from "node:net"

const portIn = (name: string): number => Number(process.env[name] ?? "")
const [deaf, stuck] = [portIn("DEAF"), portIn("STUCK")]

/** The port that `listen` was told, in either of its forms. */
const wanted = ([first]: ReadonlyArray<unknown>): unknown =>
  typeof first === "object" && first !== null && "port" in first ? first.port : first

if (deaf > 0 || stuck > 0) {
  const listen: unknown = Reflect.get(net.Server.prototype, "listen")
  if (typeof listen !== "function") throw new Error("There is no listen to watch.")
  Reflect.set(net.Server.prototype, "listen", function (this: net.Server, ...args: ReadonlyArray<unknown>): unknown {
    if (stuck > 0 && Number(wanted(args)) === stuck) return this
    this.once("listening", () => {
      const address = this.address()
      if (typeof address === "object" && address?.port === deaf) this.close()
    })
    return Reflect.apply(listen, this, args)
  })
}
