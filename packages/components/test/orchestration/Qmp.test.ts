import { mkdtempSync, rmSync } from "node:fs"
import { createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Qmp from "../../src/orchestration/Qmp.ts"

/** Somebody at a socket. */
const somebody = (answer: (socket: Socket, line: string) => void, greeting = '{"QMP": {"version": {}}}\r\n') =>
  Effect.acquireRelease(
    Effect.callback<{ readonly path: string; readonly close: () => void }>((resume) => {
      const folder = mkdtempSync(join(tmpdir(), "novacron-qmp-"))
      const path = join(folder, "monitor")
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => undefined)
        socket.write(greeting)
        socket.on("data", (data) =>
          String(data)
            .split("\n")
            .filter(Boolean)
            .forEach((line) => answer(socket, line))
        )
      })
      const close = () => {
        for (const socket of sockets) socket.destroy()
        server.close()
        rmSync(folder, { recursive: true })
      }
      server.listen(path, () => resume(Effect.succeed({ path, close })))
    }),
    ({ close }) => Effect.sync(close)
  )

const problemOf = (path: string) =>
  Effect.map(Effect.flip(Qmp.tell(path, "system_powerdown")), ({ message }) => message)

describe("Qmp", () => {
  it.live(
    "waits for the greeting, says that it can speak, then the command; events in between are not the answer",
    () =>
      Effect.gen(function* () {
        const heard: Array<string> = []
        const { path } = yield* somebody((socket, line) => {
          const { execute, id } = JSON.parse(line)
          heard.push(execute)
          socket.write('{"event": "RTC_CHANGE", "data": {}}\r\n')
          // In two pieces, as it may come.
          const answer = `${JSON.stringify({ return: {}, id })}\r\n`
          socket.write(answer.slice(0, 9))
          setTimeout(() => socket.write(answer.slice(9)), 20)
        })
        yield* Qmp.tell(path, "system_powerdown")
        assert.deepStrictEqual(heard, ["qmp_capabilities", "system_powerdown"])
      })
  )

  it.live("fails where nobody listens, where nobody answers, and where somebody hangs up", () =>
    Effect.gen(function* () {
      assert.match(yield* problemOf("/no/such/socket"), /ENOENT/)
      const silent = yield* somebody(() => undefined)
      assert.strictEqual(yield* problemOf(silent.path), "QEMU was told system_powerdown: it does not answer.")
      const rude = yield* somebody((socket) => socket.destroy())
      assert.match(yield* problemOf(rude.path), /hung up/)
    })
  )

  it.live("fails when the command is refused, when it is not QEMU, and when there is no end to what it says", () =>
    Effect.gen(function* () {
      const refusing = yield* somebody((socket) => socket.write('{"error": {"class": "X", "desc": "not now"}}\n'))
      assert.match(yield* problemOf(refusing.path), /not now/)
      const other = yield* somebody(() => undefined, "220 smtp\r\n")
      assert.match(yield* problemOf(other.path), /does not speak QMP/)
      const endless = yield* somebody(() => undefined, "x".repeat(100_000))
      assert.match(yield* problemOf(endless.path), /more than it has to/)
    })
  )
})
