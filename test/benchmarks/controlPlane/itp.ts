/** ITP: what `bench placement` measures, which is where its figures are made. */
import type { Group } from "../Groups.ts"
import { run } from "../src/placement.ts"

export const figures: Group = async () => (await run()).figures
