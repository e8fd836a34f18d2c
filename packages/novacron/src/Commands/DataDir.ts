/**
 * The data directory for commands that ask a node: by the flag alone when it is given, so that a node can be asked whose
 * settings cannot be read at the moment.
 */
import { resolve } from "node:path"
import { Effect } from "effect"
import type { Asked } from "../Configuration.ts"
import { Surroundings } from "../Surroundings.ts"

/** Where the node that is asked keeps its things. */
export const dataDirFor = Effect.fnUntraced(function* (asked: Asked) {
  const surroundings = yield* Surroundings
  if (asked.dataDir !== undefined) return resolve(surroundings.cwd, asked.dataDir)
  const said = surroundings.env["NOVACRON_SYSTEM_DATA_DIR"]
  if (said !== undefined && said !== "") return resolve(surroundings.cwd, said)
  const Configuration = yield* Effect.promise(() => import("../Configuration.ts"))
  const { loaded } = yield* Configuration.load(asked, { resources: "skip" })
  return Configuration.dataDirOf(loaded.settings, surroundings)
})
