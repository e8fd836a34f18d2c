/**
 * Runs a script in a thread of plain Node, and hands back what it answers. The suites themselves run through Vitest's
 * module loader, in which a tight loop over many modules takes twice the time.
 */
import { Worker } from "node:worker_threads"

/** A script has not answered in time. */
export class OutOfTime extends Error {
  override readonly name = "OutOfTime"
}

/**
 * Starts the script with a task as its `workerData`. Its first message is the answer; an uncaught error, or silence
 * for `limitMs`, the failure.
 */
export const run = <Answer>(script: URL, task: unknown, limitMs = Infinity): Promise<Answer> =>
  new Promise((resolve, reject) => {
    // Without the arguments of this process: they belong to Vitest.
    const thread = new Worker(script, { workerData: task, execArgv: [] })
    const end = () => {
      clearTimeout(timer)
      void thread.terminate()
    }
    const late = () => {
      reject(new OutOfTime(`no answer within ${limitMs} ms`))
      end()
    }
    const timer = Number.isFinite(limitMs) ? setTimeout(late, limitMs) : undefined
    thread.once("message", (answer: Answer) => {
      resolve(answer)
      end()
    })
    thread.once("error", (error) => {
      reject(error)
      end()
    })
    thread.once("exit", (code) => reject(new Error(`${script.pathname} ended with ${code} and no answer`)))
  })

/** Seconds of CPU that this thread has used since a former reading of `process.threadCpuUsage()`. */
export const cpuSeconds = (since: NodeJS.CpuUsage): number => {
  const { system, user } = process.threadCpuUsage(since)
  return (system + user) / 1e6
}
