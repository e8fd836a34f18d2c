import { spawn } from "node:child_process"
import { once } from "node:events"
import { realpathSync } from "node:fs"
import { createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import * as PortHolder from "../src/PortHolder.ts"

describe.skipIf(process.platform !== "linux")("who has a port", () => {
  let server: Server
  let port: number
  const listen = async (host: string) => {
    server.listen(0, host)
    await once(server, "listening")
    const address = server.address()
    port = typeof address === "object" && address !== null ? address.port : 0
  }
  beforeEach(() => {
    server = createServer()
  })
  afterEach(() => void server.close())

  for (const host of ["127.0.0.1", "0.0.0.0", "::1"]) {
    it(`is found by its number, program and directory, on ${host}`, async () => {
      await listen(host)
      assert.strictEqual(PortHolder.of(port), `process ${process.pid} (node in ${process.cwd()})`)
    })
  }

  it("is another process, not this one", async () => {
    const program = `require("node:net").createServer().listen(0, function () { console.log(this.address().port) })`
    const child = spawn(process.execPath, ["-e", program], { cwd: tmpdir(), stdio: ["ignore", "pipe", "inherit"] })
    const [line] = await once(child.stdout, "data")
    const inThere = `process ${child.pid} (node in ${realpathSync(tmpdir())})`
    assert.strictEqual(PortHolder.of(Number(line)), inThere)
    child.kill("SIGKILL")
    await once(child, "exit")
    assert.strictEqual(PortHolder.of(Number(line)), "another process")
  })

  it.skipIf(process.getuid?.() !== 0)("is known to another user by its user alone", async () => {
    await listen("127.0.0.1")
    const script = `import(process.argv[1]).then((it) => console.log(it.of(${port})))`
    const module = new URL("../src/PortHolder.ts", import.meta.url).pathname
    const child = spawn(process.execPath, ["-e", script, module], {
      cwd: "/",
      stdio: ["ignore", "pipe", "inherit"],
      uid: 65_534,
      gid: 65_534
    })
    const [line] = await once(child.stdout, "data")
    assert.strictEqual(String(line).trim(), "a process of user 0")
  })
})
