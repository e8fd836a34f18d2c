/** Judges the kernel that lies beside it: answers with the first law that it breaks, or null. */
import { parentPort } from "node:worker_threads"
import * as Laws from "./Laws.ts"

/** A law that is broken, and how. */
export type Judgement = { readonly law: string; readonly how: string } | null

parentPort?.postMessage(Laws.firstBroken() ?? null)
