/**
 * A node of DWCP on one side of a link, with the certificates of a folder: `node modes.ts serve HOST PORT FOLDER` counts what
 * arrives into `FOLDER/received`, `node modes.ts send HOST PORT FOLDER NEAR SECONDS` sends numbers for so long, and prints
 * what mode the link and the node came to, and when that changed.
 */
import { NodeServices } from "@effect/platform-node"
import { Effect, References, Stream } from "effect"
import { randomBytes } from "node:crypto"
import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { node } from "../../../packages/dwcp/test/wan/fixtures/node.ts"

const [command, host = "", port = "0", folder = "", near = host, seconds = "10"] = process.argv.slice(2)

const up = Effect.suspend(() =>
  node({
    host: near,
    port: command === "serve" ? Number(port) : 0,
    folder,
    nodeId: command ?? "",
    directory: mkdtempSync(join(tmpdir(), "novacron-modes-")),
    nodeMode: { cooldownMillis: 1_000 }
  })
)

const serve = Effect.gen(function* () {
  const dwcp = yield* up
  const count = new Map<number, number>()
  yield* Effect.forever(
    Effect.map(dwcp.take("numbers"), ({ bytes }) => {
      const number = Buffer.from(bytes).readUInt32BE(0)
      count.set(number, (count.get(number) ?? 0) + 1)
      const doubled = [...count.values()].filter((times) => times > 1).length
      writeFileSync(join(folder, "received"), JSON.stringify({ numbers: count.size, doubled }))
    })
  )
})

const send = Effect.gen(function* () {
  const dwcp = yield* up
  const changes: Array<{ readonly atMillis: number; readonly what: string; readonly to: string }> = []
  yield* dwcp.events.pipe(
    Stream.runForEach((event) =>
      Effect.sync(() => {
        if (event._tag === "LinkModeChanged" || event._tag === "ModeChanged") {
          changes.push({ atMillis: event.atMillis, what: event._tag, to: event.to })
        }
      })
    ),
    Effect.forkScoped
  )
  const until = performance.now() + Number(seconds) * 1_000
  let number = 0
  const sender = Effect.gen(function* () {
    while (performance.now() < until) {
      const bytes = randomBytes(200_000)
      bytes.writeUInt32BE(number++, 0)
      yield* dwcp.send({ host, port: Number(port) }, bytes, { channel: "numbers" })
    }
  })
  yield* Effect.all([sender, sender, sender], { concurrency: 3 })
  const { links, mode } = yield* dwcp.status
  const [link] = links
  console.log(JSON.stringify({ sent: number, changes, node: mode, link: link?.mode, evidence: link?.evidence }))
})

await Effect.runPromise(
  Effect.scoped(command === "serve" ? serve : send).pipe(
    Effect.provide(NodeServices.layer),
    Effect.provideService(References.MinimumLogLevel, "None")
  )
)
process.exit(0)
