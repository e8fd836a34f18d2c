/** Runs until Ctrl-C. `node src/main.ts [DATA_DIRECTORY]` */
import { NodeRuntime } from "@effect/platform-node"
import { Layer } from "effect"
import * as App from "./App.ts"
import * as Embedded from "./Embedded.ts"

const [, , dataDir = `${import.meta.dirname}/../.novacron`] = process.argv
NodeRuntime.runMain(Layer.launch(App.layer(8080).pipe(Layer.provide(Embedded.layer(dataDir)))))
