import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Silence from "../../../test/fixtures/Silence.ts"
import { thisProcess } from "../src/Surroundings.ts"

describe("this process", () => {
  it("is as the system says", () => {
    const it = thisProcess()
    assert.strictEqual(it.pid, process.pid)
    assert.strictEqual(it.cwd, process.cwd())
    assert.strictEqual(it.env["PATH"], process.env["PATH"])
    assert.isAbove(it.memory().rssBytes, it.memory().heapBytes)
    assert.isNotEmpty(it.user)
  })

  it.live("hears signals instead of dying by them", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const before = process.listeners("SIGUSR2")
      yield* thisProcess().onSignal((signal) => void heard.push(signal))
      process.kill(process.pid, "SIGUSR2")
      yield* Effect.repeat(Effect.sleep("20 millis"), { until: () => heard.length > 0, times: 100 })
      assert.deepStrictEqual(heard, ["SIGUSR2"])
      for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2"] as const) {
        for (const listener of process.listeners(signal)) if (!before.includes(listener)) process.off(signal, listener)
      }
    })
  )

  it("has said everything before it leaves, to one who reads slowly", () => {
    const door = join(import.meta.dirname, "../src/Surroundings.ts")
    const script = [
      `const { thisProcess } = await import(${JSON.stringify(door)})`,
      `const { flushed, leave, stdout } = thisProcess()`,
      `for (let i = 0; i < 1000; i++) stdout.write("x".repeat(1000))`,
      `await flushed()`,
      `leave(3)`
    ].join("\n")
    const command = `"${process.execPath}" --input-type=module -e '${script}' | (sleep 0.5; wc -c)`
    const { stdout } = spawnSync("sh", ["-c", command], { encoding: "utf8" })
    assert.strictEqual(stdout.trim(), "1000000")
  })

  it("leaves as well when nobody reads any more", () => {
    const door = join(import.meta.dirname, "../src/Surroundings.ts")
    const script = [
      `const { thisProcess } = await import(${JSON.stringify(door)})`,
      `const { flushed, leave, stderr, stdout } = thisProcess()`,
      `for (let i = 0; i < 1000; i++) stdout.write("x".repeat(1000))`,
      `await flushed()`,
      `stderr.write("gone")`,
      `await flushed()`,
      `leave(0)`
    ].join("\n")
    const command = `"${process.execPath}" --input-type=module -e '${script}' | head -c 1`
    const { stderr } = spawnSync("sh", ["-c", command], { encoding: "utf8", timeout: 30_000 })
    assert.strictEqual(stderr, "gone")
  })

  it("goes on when whoever read its output is gone", () => {
    const door = join(import.meta.dirname, "../src/Surroundings.ts")
    const script = [
      `const { thisProcess } = await import(${JSON.stringify(door)})`,
      `const { stdout, stderr } = thisProcess()`,
      `for (let i = 0; i < 1000; i++) stdout.write("x".repeat(1000))`,
      `setTimeout(() => stderr.write("still here"), 50)`
    ].join("\n")
    const command = `"${process.execPath}" --input-type=module -e '${script}' | head -c 1`
    const { stderr } = spawnSync("sh", ["-c", command], { encoding: "utf8" })
    assert.include(stderr, "still here")
  })

  it.skipIf(!Silence.isThere)(
    "leaves at once while it waits for the address of a name",
    () => {
      const door = join(import.meta.dirname, "../src/Surroundings.ts")
      const script = [
        `const { lookup } = await import("node:dns")`,
        `const { thisProcess } = await import(${JSON.stringify(door)})`,
        `const { flushed, leave, stdout } = thisProcess()`,
        `for (const name of ["a", "b", "c"]) lookup(name + ".example", () => stdout.write("answered"))`,
        `await new Promise((resume) => setTimeout(resume, 500))`,
        `stdout.write("leaves")`,
        `await flushed()`,
        `leave(73)`
      ].join("\n")
      const { status, stderr, stdout } = Silence.run(process.execPath, "--input-type=module", "-e", script)
      assert.deepStrictEqual({ status, stdout, stderr }, { status: 73, stdout: "leaves", stderr: "" })
    },
    90_000
  )
})
