/**
 * Loaded into a node before its own code (`NODE_OPTIONS=--import`): whoever listens at the port that `DEAF` names is deaf
 * a moment later, as when its descriptor is closed under it. Nothing in the program is replaced.
 */
import net from "node:net"

const port = Number(process.env["DEAF"] ?? "")

if (port > 0) {
  const listen: unknown = Reflect.get(net.Server.prototype, "listen")
  if (typeof listen !== "function") throw new Error("There is no listen to watch.")
  Reflect.set(net.Server.prototype, "listen", function (this: net.Server, ...args: ReadonlyArray<unknown>): unknown {
    this.once("listening", () => {
      const address = this.address()
      if (typeof address === "object" && address?.port === port) this.close()
    })
    return Reflect.apply(listen, this, args)
  })
}
