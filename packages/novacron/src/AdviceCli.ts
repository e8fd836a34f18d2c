/** The command line of `novacron recommend`. */
import * as Command from "effect/cli/Command"
import { asked, lazily, source } from "./CommandFlags.ts"

/** `novacron recommend` */
export const recommend = Command.make("recommend", source, (input) =>
  lazily(
    () => import("./Commands/Recommend.ts"),
    (it) => it.recommend,
    asked(input)
  )
).pipe(
  Command.withDescription("Say what earlier boots and the nodes as they are advise to do differently; changes nothing"),
  Command.withExamples([{ command: "novacron recommend" }, { command: "novacron recommend --json | jq .nodes.change" }])
)
