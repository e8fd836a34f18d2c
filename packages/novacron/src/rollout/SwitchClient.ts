/** Asks the switch of a directory how it is, and tells it what to do. */
import { request } from "node:http"
import { Data, Effect, Schema } from "effect"
import * as ControlSocket from "../ControlSocket.ts"
import { isDenied } from "../Errors.ts"
import * as Switch from "./Switch.ts"

/** No switch runs here, or it says no. */
export class SwitchSilent extends Data.TaggedError("SwitchSilent")<{
  readonly path: string
  readonly reason: string
  readonly exitCode: 69 | 77
}> {
  readonly code = "NVC-3015"
  override get message() {
    return `The switch at ${this.path} did not do that: ${this.reason}. Its weights are as they were.`
  }
}

/** How the switch is. */
export const look = (directory: string): Effect.Effect<Switch.View, SwitchSilent> => asked(directory, "GET", "")

/** Gives it nodes and weights. */
export const change = (directory: string, change: Switch.Change): Effect.Effect<Switch.View, SwitchSilent> =>
  asked(directory, "PUT", JSON.stringify(change))

const patienceMs = 5_000

const asked = (directory: string, method: string, body: string): Effect.Effect<Switch.View, SwitchSilent> => {
  const path = Switch.socketOf(directory)
  const failed = (reason: string) => new SwitchSilent({ path, reason, exitCode: 69 })
  const gone = (error: unknown) => {
    if (isDenied(error)) return new SwitchSilent({ path, reason: "it is the switch of another user", exitCode: 77 })
    const reason = error instanceof Error ? error.message : String(error)
    return failed(/\b(?:ENOENT|ECONNREFUSED)\b/.test(reason) ? "none runs with this directory" : reason)
  }
  const talk = (socketPath: string) =>
    Effect.callback<string, SwitchSilent>((resume) => {
      const asking = request({ socketPath, method, path: "/", timeout: patienceMs }, (answer) => {
        let text = ""
        answer.setEncoding("utf8")
        answer.on("data", (chunk: string) => (text += chunk))
        answer.on("end", () =>
          resume(answer.statusCode === 200 ? Effect.succeed(text) : Effect.fail(failed(text.trim())))
        )
      })
      asking.once("timeout", () => asking.destroy(new Error("no answer within 5 seconds")))
      asking.once("error", (error) => resume(Effect.fail(gone(error))))
      asking.end(body)
      return Effect.sync(() => asking.destroy())
    })
  return Effect.mapError(ControlSocket.addressOf(path), gone).pipe(
    Effect.flatMap(talk),
    Effect.scoped,
    Effect.flatMap((text) =>
      Effect.mapError(Schema.decodeEffect(Schema.fromJsonString(Switch.View))(text), ({ message }) => failed(message))
    )
  )
}
