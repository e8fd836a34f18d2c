import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { field, missing, within } from "./fixtures/lab.ts"

const script = join(import.meta.dirname, "fixtures/peers.ts")
const port = 4970

/** Of the node of a test, which all of them use: in their own folder, and for a few minutes. */
const certify = (cwd: string) => {
  const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
  execFileSync("openssl", [...made, "-subj", "/CN=node", "-keyout", "key.pem", "-out", "cert.pem"], {
    cwd,
    stdio: "ignore"
  })
}

describe("a node with peers of several kinds", () => {
  it("takes one for a peer in its datacenter and one for a peer on the internet, at the same time", async (c) => {
    if (missing !== undefined) return c.skip(missing)
    const links = ["a-b delay 0.5 rate 1000", "a-c delay 40 rate 40 loss 1"]
    await within(
      3,
      links.flatMap((link) => ["--link", link]),
      async (lab) => {
        certify(lab.folder)
        const servers = ["b", "c"].map((host) =>
          lab.node(host, script, ["serve", lab.address(host), `${port}`, lab.folder])
        )
        for (const server of servers) await server.said((line) => field(line, "serves"))
        const [near, far] = ["b", "c"].map((host) => `${lab.address(host)}:${port}`)
        if (near === undefined || far === undefined) return assert.fail("there are two")
        const node = lab.node("a", script, ["send", lab.address("a"), lab.folder, near, far])
        const said = await node.said((line) => {
          const modes = field(line, "modes")
          return field(modes, near) === "datacenter" && field(modes, far) === "internet" ? line : undefined
        })
        // It is one node, and one mode is its own: the links do not wait for it.
        assert.include(["datacenter", "internet", "hybrid"], field(said, "node"))

        // The near one moves away, and the other one stays what it is.
        await lab.control("a-b delay 40 rate 40 loss 1")
        const moved = await node.said((line) => {
          const modes = field(line, "modes")
          return field(modes, near) === "internet" ? line : undefined
        })
        assert.strictEqual(field(field(moved, "modes"), far), "internet")
      }
    )
  }, 180_000)
})
