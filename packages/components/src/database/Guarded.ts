/**
 * Programs that do not outlive this process, not even when it is killed.
 *
 * **Details**
 *
 * Beside the program waits a shell that reads from a pipe which only this process holds. A line says that the program is
 * known to have ended. When the pipe closes without one, this process is gone, and the shell sends its signal; a program
 * that has not ended ten seconds after an `INT`, because it hangs or was stopped, is killed with its children. The program
 * runs in a session of its own, so that Ctrl-C on the terminal reaches this process first.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { Readable } from "node:stream"

/** Whom a program runs as: empty for whoever we are. */
export type RunAs = { readonly uid: number; readonly gid: number } | { readonly uid?: never; readonly gid?: never }

/** Its `close` comes when the guard is gone as well, and whoever inherited what it writes errors to. */
export type Child = ChildProcessByStdio<null, null, Readable>

export interface Options {
  readonly as: RunAs
  readonly cwd: string
  /** What the program gets when this process is gone: `INT` to end cleanly, `KILL` for one that has nothing to lose. */
  readonly signal: "INT" | "KILL"
}

/** Starts a program. That it cannot be started is told by its `error` event. */
export const start = (program: string, args: ReadonlyArray<string>, { as, cwd, signal }: Options): Child => {
  const child = spawn("/bin/sh", ["-c", beside(signal), "sh", program, ...args], {
    ...as,
    cwd,
    detached: true,
    env: environment,
    stdio: ["ignore", "ignore", "pipe", "pipe"]
  })
  // Where this process may open nothing more, it gets no pipes either.
  if (child.stderr === undefined) child.stderr = Readable.from([])
  const pipe = child.stdio?.[3]
  pipe?.on("error", () => undefined) // the guard was killed: nothing is left to tell it
  const ended = () => {
    if (pipe !== null && pipe !== undefined && "end" in pipe) pipe.end("ended\n")
  }
  child.once("error", ended)
  child.once("exit", ended)
  // The pipe that the types do not know of is in use here alone.
  return child as unknown as Child
}

/**
 * `$$` is the number of the shell, and of the program that takes its place. The guard is a grandchild, so that the
 * program never waits for it.
 */
const beside = (signal: Options["signal"]): string => {
  const end = signal === "KILL" ? "kill -KILL $$" : `kill -INT $$; ${firmly}`
  return `( ( read -r _ <&3 || { ${end}; } ) >/dev/null 2>&1 & ); exec 3<&-; exec "$@"`
}

/** As long as whoever has that number works where the guard does, it is the program and not a stranger. */
const firmly = [
  "n=0; while [ $n -lt 100 ]; do [ /proc/$$/cwd -ef . ] || exit 0; sleep 0.1 || sleep 1; n=$((n + 1)); done",
  "[ /proc/$$/cwd -ef . ] || exit 0",
  "read -r children </proc/$$/task/$$/children",
  "kill -KILL $$ $children"
].join("; ")

/** Of ours nothing is handed down: the locale would change messages, and `PG…` the rest. */
const environment = { LC_ALL: "C", PATH: "/usr/bin:/bin" }
