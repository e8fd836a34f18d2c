/** What the half of DWCP achieves that predicts, agrees and decides: `pnpm --silent bench control-plane --json`. */
import * as Groups from "../Groups.ts"

export const run = Groups.of("controlPlane", ["pba", "itp", "ass", "pbft"])
