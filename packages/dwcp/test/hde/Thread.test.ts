import { createHash } from "node:crypto"
import { once } from "node:events"
import { readFileSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { varints } from "../../src/hde/Bytes.ts"
import * as Source from "../../src/hde/Source.ts"
import type { Answered, Asked } from "../../src/hde/Thread.ts"
import { noise } from "./fixtures/contents.ts"

const folder = join(import.meta.dirname, "../../src/hde")
const worker = new Worker(join(folder, "Thread.ts"))
afterAll(() => worker.terminate())

const ask = async (asked: Asked): Promise<Answered> => {
  const answer = once(worker, "message")
  worker.postMessage(asked)
  return ((await answer) as [Answered])[0]
}

describe("a thread", () => {
  it("answers, says what it refuses and why, says what broke, and goes on", async () => {
    const bytes = noise(100_000, 1)
    const hash = { name: "hash", task: Source.memory(bytes) } as const
    const sha = createHash("sha256").update(bytes).digest("hex")
    assert.deepStrictEqual(await ask(hash), { _tag: "Done", answer: sha })
    const stored = {
      kind: "delta",
      size: 5,
      stored: varints([0]),
      base: undefined,
      baseLimit: 0,
      into: undefined
    } as const
    const refused = await ask({ name: "decode", task: stored })
    assert(refused._tag === "Refused")
    assert.deepStrictEqual(refused.is, ["HdeCorrupt", { reason: "a difference names no baseline" }])
    const broken = await ask({ name: "hash", task: Source.file("/nothing/there", 1) })
    assert(broken._tag === "Broken")
    assert.match(String(broken.cause), /ENOENT/)
    assert.deepStrictEqual(await ask(hash), { _tag: "Done", answer: sha })
  })

  it("loads nothing of Effect: it starts at once, and in little memory", () => {
    const seen = new Set<string>()
    const load = (file: string): void => {
      if (seen.has(file)) return
      seen.add(file)
      for (const line of readFileSync(join(folder, file), "utf8").matchAll(/^import (?!type ).*from "(.*)"$/gm)) {
        assert.notMatch(line[1]!, /^(?:effect|@effect|@novacron)/, file)
        if (line[1]!.startsWith("./")) load(line[1]!.slice(2))
      }
    }
    load("Thread.ts")
    assert.isTrue(["Block.ts", "Match.ts", "Codec.ts"].every((file) => seen.has(file)))
    assert.isAbove(readdirSync(folder).length, seen.size)
  })
})
