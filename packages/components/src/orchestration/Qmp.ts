/**
 * What is said to a running QEMU: the QEMU Machine Protocol, JSON over a socket.
 * Source: https://qemu-project.gitlab.io/qemu/interop/qmp-spec.html.
 *
 * **Example**
 *
 * ```ts
 * yield* Qmp.tell("/run/vm.sock", "system_powerdown")
 * ```
 */
import { connect, type Socket } from "node:net"
import { Data, Effect } from "effect"

/** QEMU is not there, or does not want to. */
export class QmpError extends Data.TaggedError("QmpError")<{ readonly command: string; readonly problem: string }> {
  override get message(): string {
    return `QEMU was told ${this.command}: ${this.problem}.`
  }
}

/** Tells it one command without arguments, and returns when it has been taken, within a second. */
export const tell = (path: string, command: string): Effect.Effect<void, QmpError> =>
  Effect.callback<void, string>((resume) => {
    const socket = connect(path)
    const end = (problem?: string) => {
      socket.destroy()
      resume(problem === undefined ? Effect.void : Effect.fail(problem))
    }
    socket.setEncoding("utf8")
    socket.once("error", ({ message }) => end(message))
    socket.once("close", () => end("it has hung up"))
    socket.on("data", conversation(socket, command, end))
    return Effect.sync(() => socket.destroy())
  }).pipe(
    Effect.timeoutOrElse({ duration: "1 second", orElse: () => Effect.fail("it does not answer") }),
    Effect.mapError((problem) => new QmpError({ command, problem }))
  )

/** More than it has to say to two commands: events that it tells in between are of a few hundred bytes each. */
const most = 65_536

/** It greets, it is told that we know how to speak, then the command. Events come at any time. */
const conversation = (socket: Socket, command: string, end: (problem?: string) => void) => {
  const say = (execute: string) => socket.write(`${JSON.stringify({ execute, id: execute })}\n`)
  let rest = ""
  return (text: string): void => {
    const lines = (rest + text).split("\n")
    rest = lines.pop() ?? ""
    if (rest.length > most) return end("it says more than it has to")
    for (const line of lines) {
      const { QMP, error, id } = parsed(line)
      if (QMP !== undefined) say("qmp_capabilities")
      else if (error !== undefined) return end(error.desc ?? "it refuses")
      else if (id === "qmp_capabilities") say(command)
      else if (id === command) return end()
    }
  }
}

interface Said {
  readonly QMP?: unknown
  readonly id?: unknown
  readonly error?: { readonly desc?: string }
}

const parsed = (line: string): Said => {
  try {
    return JSON.parse(line) ?? {}
  } catch {
    return { error: { desc: "it does not speak QMP" } }
  }
}
