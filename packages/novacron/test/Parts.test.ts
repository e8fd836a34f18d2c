import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { execFileSync } from "node:child_process"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { crc32 } from "node:zlib"
import { afterAll, assert, describe, it } from "vitest"
import * as Parts from "../src/Parts.ts"

const root = mkdtempSync(join(tmpdir(), "novacron-parts-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** A folder with these parts, each the body of a function as the bundle writes it, and a place for compiled code. */
const program = (bodies: { readonly [name: string]: string }) => {
  const folder = mkdtempSync(join(root, "program-"))
  for (const [name, body] of Object.entries(bodies)) put(folder, name, body)
  const cache = join(folder, "cache")
  const start = () => Parts.make(folder, process.pid, cache)
  return { folder, cache, start, kept: () => readdirSync(cache).map((name) => join(cache, name)) }
}

const put = (folder: string, name: string, body: string): void => {
  mkdirSync(dirname(join(folder, name)), { recursive: true })
  writeFileSync(join(folder, name), `(function($part,$later,require,$meta){"use strict";${body}})\n`)
}

const keepAll = (parts: Parts.Parts): number => {
  let turns = 1
  while (parts.keepNext()) turns++
  return turns
}

/**
 * A start in a process of its own: within one, V8 knows a source that it has seen, whatever is kept. Calls what the part
 * exports, if told so, and answers with that.
 */
const startAfresh = (folder: string, cache: string, isCalled: boolean): number => {
  const file = JSON.stringify(join(import.meta.dirname, "../src/Parts.ts"))
  const [where, place] = [JSON.stringify(folder), JSON.stringify(cache)]
  const code = `import { make } from ${file}; const parts = make(${where}, process.pid, ${place});
    const { call } = parts.load("a.js"); console.log(${isCalled} ? call() : 0); while (parts.keepNext());`
  return Number(execFileSync(process.execPath, ["--input-type=module", "-e", code], { encoding: "utf8" }))
}

const exported = (parts: Parts.Parts, name: string) => parts.load(name) as { readonly [name: string]: unknown }

describe("parts", () => {
  it("get what those export that they name, each of which is run once, before them", () => {
    const { start } = program({
      "main.js":
        'const{one,log}=$part("parts/a.js");const{two}=$part("parts/b.js");log.push("main");return{one,two,log}',
      "parts/a.js": 'const log=["a"];return{one:1,log}',
      "parts/b.js": 'const{one,log}=$part("parts/a.js");log.push("b");return{two:one+1}'
    })
    const parts = start()
    assert.deepInclude(exported(parts, "main.js"), { one: 1, two: 2, log: ["a", "b", "main"] })
    assert.strictEqual(parts.load("main.js"), parts.load("main.js"))
  })

  it("know where they are, and reach packages, libraries and what is loaded later", async () => {
    const { folder, start } = program({
      "parts/a.js":
        'const late=()=>$later("parts/late.js"),fs=()=>import("node:fs"),path=require("node:path");' +
        "return{meta:$meta,late,fs,path}",
      "parts/late.js": "return{is:true}"
    })
    const { fs, late, meta, path } = exported(start(), "parts/a.js") as {
      readonly fs: () => Promise<object>
      readonly late: () => Promise<object>
      readonly meta: object
      readonly path: object
    }
    const filename = join(folder, "parts/a.js")
    assert.deepStrictEqual(meta, { url: `file://${filename}`, dirname: join(folder, "parts"), filename })
    assert.deepInclude(await late(), { is: true })
    assert.property(await fs(), "readFileSync")
    assert.property(path, "join")
  })

  it("that cannot be loaded later reject, and can be asked for again", async () => {
    const { folder, start } = program({ "a.js": 'return{late:()=>$later("b.js")}' })
    const { late } = exported(start(), "a.js") as { readonly late: () => Promise<object> }
    const outcome = await late().then(
      () => "loaded",
      (error: unknown) => String(error)
    )
    assert.include(outcome, "b.js")
    put(folder, "b.js", "return{is:true}")
    assert.deepInclude(await late(), { is: true })
  })
})

describe("compiled code", () => {
  const functions = Array.from(
    { length: 200 },
    (_, n) => `const f${n}=(x)=>{let y=x;for(let i=0;i<${n};i++)y+=i*x;return y}`
  )
  const called = Array.from({ length: 200 }, (_, n) => `f${n}(${n})`).join("+")
  const body = `${functions.join(";")};return{call:()=>${called}}`

  const answer = Array.from({ length: 200 }, (_, n) => n + (n * n * (n - 1)) / 2).reduce((all, one) => all + one)

  it("is kept with the functions that were called, and renewed in the first runs only", () => {
    const { cache, folder, kept } = program({ "a.js": body })
    const run = (isCalled: boolean) => {
      assert.strictEqual(startAfresh(folder, cache, isCalled), isCalled ? answer : 0)
      const [path = ""] = kept()
      return statSync(path)
    }
    const first = run(false)
    for (let more = 1; more <= Parts.renewed; more++) assert.isAbove(run(true).size, 2 * first.size)
    const { mtimeMs } = run(true)
    assert.strictEqual(run(true).mtimeMs, mtimeMs)
    for (const path of [cache, ...kept()]) assert.strictEqual(statSync(path).mode & 0o077, 0, path)
  })

  it("of another source is not taken, though it is as long", () => {
    const { folder, start } = program({ "a.js": "const f=()=>1;return{f}" })
    const run = () => {
      const parts = start()
      const { f } = exported(parts, "a.js") as { readonly f: () => number }
      const answer = f()
      keepAll(parts)
      return answer
    }
    assert.strictEqual(run(), 1)
    put(folder, "a.js", "const f=()=>2;return{f}")
    assert.strictEqual(run(), 2)
    assert.strictEqual(run(), 2)
  })

  it("that is torn, changed, of another V8 or nothing at all is as good as none, and is made again", () => {
    const { cache, folder, kept } = program({ "a.js": body })
    const run = () => assert.strictEqual(startAfresh(folder, cache, true), answer)
    run()
    const [path = ""] = kept()
    const whole = readFileSync(path)
    const runs = () => readFileSync(path).readUInt32LE(8)
    const changed = Buffer.from(whole)
    changed[whole.length >> 1]! ^= 1
    // Behind our own header V8 has a number for itself, and then one for its version. The sum is right.
    const foreign = Buffer.from(whole)
    foreign.writeUInt32LE(1, 16 + 4)
    foreign.writeUInt32LE(crc32(foreign.subarray(16)), 4)
    run()
    assert.strictEqual(runs(), 2)
    for (const bytes of [whole.subarray(0, 7), whole.subarray(0, 16), whole.subarray(0, -1), changed, foreign]) {
      writeFileSync(path, bytes)
      run()
      assert.strictEqual(runs(), 1)
      assert.isAbove(statSync(path).size, whole.length / 2)
    }
  })

  it("is kept nowhere without a place, or where nothing can be written", () => {
    const { folder } = program({ "a.js": "return{}" })
    for (const cache of [undefined, join(folder, "a.js/below")]) {
      const parts = Parts.make(folder, process.pid, cache)
      parts.load("a.js")
      assert.isFalse(parts.keepNext())
    }
    assert.deepStrictEqual(readdirSync(folder), ["a.js"])
  })

  it("that cannot be put in its place leaves nothing of itself", () => {
    const { cache, folder, kept, start } = program({ "a.js": "return{}", "b.js": "return{}" })
    const parts = start()
    for (const name of ["a.js", "b.js"]) {
      parts.load(name)
      const source = crc32(readFileSync(join(folder, name))).toString(16)
      // What is in its place cannot be replaced by a file.
      mkdirSync(join(cache, `${name}.${source}`), { recursive: true })
    }
    assert.isFalse(parts.keepNext())
    assert.lengthOf(kept(), 2)
    for (const path of kept()) assert.isTrue(statSync(path).isDirectory())
  })

  it("that no run has written for long is removed when there is something new", () => {
    const { cache, kept, start } = program({ "a.js": "return{}" })
    mkdirSync(cache)
    const [old, young] = [join(cache, "old"), join(cache, "young")]
    for (const path of [old, young]) writeFileSync(path, "")
    const day = 24 * 60 * 60
    utimesSync(old, Date.now() / 1_000 - 61 * day, Date.now() / 1_000 - 61 * day)
    utimesSync(young, Date.now() / 1_000 - 59 * day, Date.now() / 1_000 - 59 * day)
    chmodSync(cache, 0o700)
    const parts = start()
    parts.load("a.js")
    keepAll(parts)
    assert.notInclude(kept(), old)
    assert.include(kept(), young)
    assert.lengthOf(kept(), 2)
  })
})
