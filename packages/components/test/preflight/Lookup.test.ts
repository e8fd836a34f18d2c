import { createServer, connect } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import * as Silence from "../../../../test/fixtures/Silence.ts"
import * as Lookup from "../../src/preflight/Lookup.ts"

const source = (name: string): string => JSON.stringify(join(import.meta.dirname, "../../src", name))

describe("Lookup", () => {
  it("finds what the system finds", async () => {
    const server = createServer((socket) => void socket.end("found"))
    await new Promise<void>((resume) => server.listen(0, "127.0.0.1", resume))
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const socket = connect({ host: "localhost", port, lookup: Lookup.within(Duration.seconds(30)) })
    assert.strictEqual(String((await socket.toArray())[0]), "found")
    server.close()
  })

  it("says of a name that is not there what the system says", async () => {
    const socket = connect({ host: "no-such-host.invalid", port: 1, lookup: Lookup.within(Duration.seconds(30)) })
    const error = await new Promise<Error>((resume) => socket.once("error", resume))
    assert.match(error.message, /^getaddrinfo (ENOTFOUND|EAI_AGAIN) no-such-host\.invalid$/)
  })

  it.skipIf(!Silence.isThere)(
    "says of a name that nobody knows in time that it is the name, to each who asks",
    () => {
      const script = [
        `import { Duration, Effect, Redacted } from "effect"`,
        `import { connect } from "node:net"`,
        `import * as Pool from ${source("database/Pool.ts")}`,
        `import * as Redis from ${source("cache/Redis.ts")}`,
        `import * as Dial from ${source("preflight/Dial.ts")}`,
        `import * as Lookup from ${source("preflight/Lookup.ts")}`,
        `const socket = connect({ host: "a.example", port: 1, lookup: Lookup.within(Duration.millis(100)) })`,
        `const said = [await new Promise((resume) => socket.once("error", ({ message }) => resume(message)))]`,
        `const at = { _tag: "Tcp", host: "b.example", port: 1 }`,
        `const dialled = await Effect.runPromise(Effect.flip(Dial.dial(at, Duration.millis(100))))`,
        `const to = { host: "c.example", port: 1, database: 0 }`,
        `const options = { name: "test", commandTimeoutMs: 100 }`,
        `const refused = await Effect.runPromise(Effect.flip(Effect.scoped(Redis.connect(to, options))))`,
        `const target = { at: { ...at, host: "d.example" }, database: "d", user: "u", sslmode: "disable" }`,
        `const settings = { connectTimeout: Duration.seconds(1) }`,
        `const single = Pool.alone({ target, settings }, ({ reason }) => reason.cause, () => Effect.void)`,
        `const unreached = await Effect.runPromise(Effect.flip(single))`,
        `process.stdout.write(JSON.stringify([...said, dialled.reason, refused.cause.message, unreached.message]))`,
        `process.kill(process.pid, "SIGKILL")`
      ].join("\n")
      const { stderr, stdout } = Silence.run(process.execPath, "--input-type=module", "-e", script)
      assert.strictEqual(stderr, "")
      assert.deepStrictEqual(JSON.parse(stdout), [
        "no name server has said within 100ms where a.example is (getent hosts a.example)",
        "no name server answers",
        "no name server has said within 1s 600ms where c.example is (getent hosts c.example)",
        "no name server has said within 800ms where d.example is (getent hosts d.example)"
      ])
    },
    90_000
  )
})
