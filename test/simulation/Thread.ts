/**
 * Runs a script of this folder in a thread of plain Node, and hands back what it answers. The suites themselves run
 * through Vitest's module loader, in which a tight loop over many modules takes twice the time.
 */
import { Worker } from "node:worker_threads"

/** Starts the script with a task as its `workerData`; its first message is the answer, and an uncaught error the failure. */
export const run = <Answer>(script: URL, task: unknown): Promise<Answer> =>
  new Promise((resolve, reject) => {
    // Without the arguments of this process: they belong to Vitest.
    const thread = new Worker(script, { workerData: task, execArgv: [] })
    thread.once("message", (answer: Answer) => resolve(answer))
    thread.once("error", reject)
    thread.once("exit", (code) => reject(new Error(`${script.pathname} ended with ${code} and no answer`)))
  })

/** Seconds of CPU that a thread has used since a former reading of `process.threadCpuUsage()`. */
export const cpuSeconds = (since: NodeJS.CpuUsage): number => {
  const { system, user } = process.threadCpuUsage(since)
  return (system + user) / 1e6
}
