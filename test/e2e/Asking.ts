/** Somebody who asks the API of a node all the time and counts the answers: who must not notice a change of nodes. */
import { request } from "node:https"
import { setTimeout as sleep } from "node:timers/promises"

export interface Asking {
  /** How many answers there were so far. */
  readonly count: () => number
  /** No more questions; how often each answer came: `200`, or a status with its body, or why there was none. */
  readonly stop: () => Promise<ReadonlyMap<string, number>>
}

/** Asks over and over, a connection for each request, until it is told to stop. `pauseMs` is between two; default: none. */
export const asking = (port: number, ca: Buffer, token: () => string, pauseMs = 0): Asking => {
  const answers = new Map<string, number>()
  let isOver = false
  const one = (): Promise<string> =>
    new Promise((resume) => {
      const headers = { authorization: `Bearer ${token()}` }
      // By the address that each of the certificates bears.
      const it = request({ host: "127.0.0.1", port, ca, path: "/v1/tasks?limit=1", headers, agent: false })
      it.on("response", (response) => {
        let body = ""
        response.on("data", (chunk: Buffer) => (body += chunk.toString()))
        response.on("end", () => resume(response.statusCode === 200 ? "200" : `${response.statusCode} ${body}`))
      })
      it.on("error", ({ message }) => resume(message))
      it.end()
    })
  const ended = (async () => {
    while (!isOver) {
      const answer = await one()
      answers.set(answer, (answers.get(answer) ?? 0) + 1)
      if (pauseMs > 0) await sleep(pauseMs)
    }
  })()
  return {
    count: () => [...answers.values()].reduce((sum, n) => sum + n, 0),
    stop: async () => {
      isOver = true
      await ended
      return answers
    }
  }
}
