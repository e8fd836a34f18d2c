/** The life of this node: its parts, its surroundings and its settings, given to `Life`. It brings the code of all parts. */
import { Effect } from "effect"
import * as CompiledCode from "./CompiledCode.ts"
import * as Configuration from "./Configuration.ts"
import * as Life from "./Life.ts"
import type { ExitCode } from "./Meanings.ts"
import * as Node from "./Node.ts"
import * as Reloading from "./Reloading.ts"
import { Surroundings } from "./Surroundings.ts"

/** What the command line decides about it. */
export type Asked = Pick<Life.Options, "exitWhenReady" | "reportFile" | "strict" | "style">

/** Boots, and ends with what the process should exit with when everything is down again. */
export const live = (
  { detection, lastGood, loaded, parsing, sources }: Effect.Success<ReturnType<typeof Configuration.load>>,
  asked: Asked
): Effect.Effect<ExitCode, never, Life.Platform> =>
  Effect.gen(function* () {
    const surroundings = yield* Surroundings
    const dataDir = Configuration.dataDirOf(loaded.settings, surroundings)
    return yield* Life.live({
      ...asked,
      dataDir,
      ...Node.around(loaded, dataDir),
      boot: (given) =>
        Effect.tap(Node.boot(loaded, detection, dataDir, { ...given, parsing }), () =>
          Effect.forkScoped(CompiledCode.keepSoon)
        ),
      reloading: (ready) =>
        Reloading.make({
          loaded,
          lastGood,
          sources,
          dataDir,
          user: surroundings.user,
          ready,
          follow: (settings) => Effect.flatMap(ready, (running) => Node.follow(running, settings))
        }),
      explain: (setting) => Configuration.explain(loaded, setting)
    })
  })
