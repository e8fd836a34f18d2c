import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createServer, request, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { Answer } from "../../src/api/Answer.ts"

interface Heard {
  readonly headers: IncomingMessage["headers"]
  readonly body: string
  /** How often the server wrote to the socket. */
  readonly writes: number
  readonly threw: unknown
}

/** What somebody hears whom `say` answers. */
const heard = (say: (answer: Answer) => void) =>
  Effect.scoped(
    Effect.gen(function* () {
      let [writes, threw]: [number, unknown] = [0, undefined]
      const server = createServer({ ServerResponse: Answer }, (_, answer) => {
        const socket = answer.socket!
        const write = socket.write.bind(socket)
        Object.assign(socket, { write: (...args: Parameters<typeof write>) => (writes++, write(...args)) })
        answer.strictContentLength = true
        try {
          say(answer)
        } catch (cause) {
          threw = cause
          answer.destroy()
        }
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
      yield* Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void)))
      // The address of a listening TCP server is never a path.
      const { port } = server.address() as AddressInfo
      return yield* Effect.callback<Heard>((resume) => {
        const asking = request({ port, host: "127.0.0.1", agent: false }, (response) => {
          let body = ""
          response.setEncoding("utf8").on("data", (text: string) => (body += text))
          response.on("close", () => resume(Effect.succeed({ headers: response.headers, body, writes, threw })))
        })
        asking.on("error", () => resume(Effect.succeed({ headers: {}, body: "", writes, threw })))
        asking.end()
      })
    })
  )

const text = JSON.stringify({ said: "größer" })
const length = { "content-length": String(Buffer.byteLength(text)) }

describe("an answer", () => {
  it.live("bears what all answers bear, and what is said of it alone is said last", () =>
    Effect.gen(function* () {
      const { body, headers } = yield* heard((answer) => {
        answer.bears = { "cache-control": "no-store", "x-request-id": "a1" }
        answer.writeHead(200, { "cache-control": "max-age=1", ...length })
        answer.end(text)
      })
      assert.strictEqual(body, text)
      assert.strictEqual(headers["x-request-id"], "a1")
      assert.strictEqual(headers["cache-control"], "max-age=1")
    })
  )

  it.live("bears it without any headers of its own too", () =>
    Effect.gen(function* () {
      const { headers } = yield* heard((answer) => {
        answer.bears = { "x-request-id": "a1" }
        answer.strictContentLength = false
        answer.writeHead(204).end()
      })
      assert.strictEqual(headers["x-request-id"], "a1")
    })
  )

  it.live("of one text leaves in one write, and in more when it comes in parts", () =>
    Effect.gen(function* () {
      const whole = yield* heard((answer) => answer.writeHead(200, length).end(text))
      assert.deepStrictEqual([whole.body, whole.writes], [text, 1])
      const parts = yield* heard((answer) => {
        answer.writeHead(200, length).write(text.slice(0, 5))
        answer.end(text.slice(5))
      })
      assert.strictEqual(parts.body, text)
      assert.isAbove(parts.writes, 1)
    })
  )

  it.live("is not shorter or longer than its head says, whether it comes in one piece or in two", () =>
    Effect.gen(function* () {
      const short = yield* heard((answer) => answer.writeHead(200, length).end(text.slice(1)))
      const long = yield* heard((answer) => answer.writeHead(200, length).end(`${text} `))
      const parts = yield* heard((answer) => {
        answer.writeHead(200, length).write("x")
        answer.end(text)
      })
      for (const { threw } of [short, long, parts]) assert.instanceOf(threw, Error)
    })
  )
})
