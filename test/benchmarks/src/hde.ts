/**
 * What HDE makes of real contents, beside the zstd command line and Node's own zstd.
 *
 * **Details**
 *
 * Ours works in a process that serves one request after the other; the command line is started anew each time, as whoever
 * uses it does. Both read files and write files, in turn, and who begins alternates. Ratios are of whole frames, with our
 * head and both hashes in them. The goals of the environments are those of the specification: in a datacenter all of the
 * recorded contents, for a link of 10 Gbit/s; over the internet the texts of this repository, for one of 10 Mbit/s. The
 * process that encodes 2 GB is a fresh one, and its peak is what the system says.
 */
import { type ChildProcess, execFileSync, fork } from "node:child_process"
import { createHash } from "node:crypto"
import {
  closeSync,
  createReadStream,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { constants, zstdCompress } from "node:zlib"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Hde } from "@novacron/dwcp"
import { Effect, Schema } from "effect"
import type { Figure } from "../Figure.ts"
import { chance, haveData, realPairs, texts } from "../hde/contents.ts"

const rounds = 7
const zstd = "/usr/bin/zstd"

export const run = async (): Promise<{ readonly figures: ReadonlyArray<Figure> }> => {
  const folder = mkdtempSync(join(tmpdir(), "bench-hde-"))
  try {
    console.error("… differences, beside zstd --patch-from")
    const differences = await besidePatchFrom(folder)
    console.error("… zstd-3, beside Node's own")
    const bare = await besideBare(folder)
    console.error("… the goals of a datacenter and of the internet")
    const goals = [...(await quick(folder)), ...(await small(folder))]
    console.error("… 2 GB against 2 GB")
    return { figures: [...differences, ...bare, ...goals, ...(await large(folder))] }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

// ------------------------------------------------------------------------------------------------------------ figures

const besidePatchFrom = async (folder: string): Promise<ReadonlyArray<Figure>> => {
  const why = !haveData
    ? "the recorded data is not beside the repository"
    : !existsSync(zstd)
      ? "no zstd command line here"
      : undefined
  const ratio = { id: "delta_vs_patch_from", unit: "ratio", bar: 1, better: "higher" } as const
  const speed = { id: "delta_speed_vs_cli", unit: "ratio", bar: 0.8, better: "higher" } as const
  if (why !== undefined) return [skipped(ratio, why), skipped(speed, why)]

  const [base, target, frame, patch] = ["base", "target", "frame", "patch"].map((name) => join(folder, name))
  const child = start(folder)
  const ratios: Array<number> = []
  const speeds: Array<number> = []
  for (const { base: before, name, target: after } of realPairs()) {
    writeFileSync(base!, before)
    writeFileSync(target!, after)
    const ours = async (): Promise<number> =>
      (await ask(child, { _tag: "Encode", input: target!, output: frame!, base })).ms
    const theirs = async (): Promise<number> => {
      const began = performance.now()
      execFileSync(zstd, ["-1", "--long=27", `--patch-from=${base}`, target!, "-o", patch!, "-f", "-q"])
      return performance.now() - began
    }
    for (let k = 0; k < 3; k++) await ours()
    const times: Array<number> = []
    for (let k = 0; k < rounds; k++) {
      if (k % 2 === 0) {
        const mine = await ours()
        times.push((await theirs()) / mine)
      } else {
        const cli = await theirs()
        times.push(cli / (await ours()))
      }
    }
    await check(child, frame!, base, after)
    ratios.push(statSync(patch!).size / statSync(frame!).size)
    speeds.push(median(times))
    console.error(`  ${name}: ${statSync(frame!).size} bytes, ratio × ${ratios.at(-1)}, speed × ${speeds.at(-1)}`)
  }
  child.kill()
  return [figure(ratio, Math.min(...ratios), ratios), figure(speed, median(speeds), speeds)]
}

const besideBare = async (folder: string): Promise<ReadonlyArray<Figure>> => {
  const shape = { id: "zstd_vs_bare", unit: "ratio", bar: 0.9, better: "higher" } as const
  const same = { id: "zstd_ratio_vs_bare", unit: "ratio", bar: 0.999, better: "higher" } as const
  if (!haveData)
    return [
      skipped(shape, "the recorded data is not beside the repository"),
      skipped(same, "the recorded data is not beside the repository")
    ]
  const child = start(folder)
  const speeds: Array<number> = []
  const ratios: Array<number> = []
  const input = join(folder, "content")
  for (const { target } of realPairs().slice(2)) {
    writeFileSync(input, target)
    const { bare, mine, ratio } = await ask(child, { _tag: "Bare", input, rounds })
    speeds.push(bare / mine)
    ratios.push(ratio)
  }
  child.kill()
  return [figure(shape, median(speeds), speeds), figure(same, Math.min(...ratios), ratios)]
}

/** Per second of CPU time of the process, all of its threads together: others may be busy here as well. */
const quick = async (folder: string): Promise<ReadonlyArray<Figure>> => {
  const links = [
    [{ id: "goal_datacenter_mb_s", unit: "MB/s", bar: 200, better: "higher" }, 1.25e9],
    [{ id: "goal_datacenter_1g_mb_s", unit: "MB/s", bar: null, better: "higher" }, 1.25e8]
  ] as const
  if (!haveData) return links.map(([shape]) => skipped(shape, "the recorded data is not beside the repository"))
  const child = start(folder)
  const input = join(folder, "content")
  const figures: Array<Figure> = []
  for (const [shape, bandwidth] of links) {
    let bytes = 0
    let ms = 0
    const speeds: Array<number> = []
    for (const { name, target } of realPairs()) {
      writeFileSync(input, target)
      const answer = await ask(child, { _tag: "Goal", input, goal: "datacenter", bandwidth, rounds })
      bytes += target.length
      ms += answer.ms
      speeds.push(target.length / 1000 / answer.ms)
      console.error(`  ${name}: ${speeds.at(-1)} MB/s, ratio ${answer.ratio}`)
    }
    figures.push(figure(shape, bytes / 1000 / ms, speeds))
  }
  child.kill()
  return figures
}

const small = async (folder: string): Promise<ReadonlyArray<Figure>> => {
  const shape = { id: "goal_internet_saves", unit: "share", bar: 0.7, better: "higher" } as const
  const input = join(folder, "texts")
  writeFileSync(input, texts())
  const child = start(folder)
  const { ratio } = await ask(child, { _tag: "Goal", input, goal: "internet", bandwidth: 1.25e6, rounds: 1 })
  child.kill()
  return [figure(shape, 1 - 1 / ratio, [1 - 1 / ratio])]
}

const large = async (folder: string): Promise<ReadonlyArray<Figure>> => {
  const rss = { id: "big_delta_rss_mb", unit: "MB", bar: 600, better: "lower" } as const
  const ratio = { id: "big_delta_ratio", unit: "ratio", bar: 50, better: "higher" } as const
  const speed = { id: "big_delta_mb_per_s", unit: "MB/s", bar: null, better: "higher" } as const
  const { bavail, bsize } = statfsSync(folder)
  if (bavail * bsize < 8e9) return [rss, ratio, speed].map((shape) => skipped(shape, "less than 8 GB of disk here"))
  const [base, target, frame, output] = ["base", "target", "frame", "output"].map((name) => join(folder, name))
  const hash = images(base!, target!)
  const size = statSync(target!).size
  const encoder = start(folder)
  const { ms, rssMb } = await ask(encoder, { _tag: "Encode", input: target!, output: frame!, base })
  encoder.kill()
  const decoder = start(folder)
  await ask(decoder, { _tag: "Decode", input: frame!, output: output!, base })
  decoder.kill()
  if ((await hashOf(output!)) !== hash) throw new Error("2 GB did not come back as they were")
  const shrunk = size / statSync(frame!).size
  return [
    figure(rss, rssMb, [rssMb]),
    figure(ratio, shrunk, [shrunk]),
    figure(speed, size / 1000 / ms, [size / 1000 / ms])
  ]
}

type Shape = Pick<Figure, "id" | "unit" | "bar" | "better">

const figure = (shape: Shape, value: number, samples: ReadonlyArray<number>): Figure => ({
  ...shape,
  value,
  samples,
  ok: shape.bar === null ? null : shape.better === "lower" ? value <= shape.bar : value >= shape.bar
})

const skipped = (shape: Shape, why: string): Figure => ({ ...shape, value: null, ok: null, samples: 0, skipped: why })

const median = (samples: ReadonlyArray<number>): number => {
  const sorted = samples.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

// ------------------------------------------------------------------------------------------------------------- images

/** A disk of 2 GB, and the same with 1 % of its pages changed and 1 MB inserted at an odd place. Yields its hash. */
const images = (base: string, target: string): string => {
  const piece = 2 ** 23
  const next = chance(5)
  const sha = createHash("sha256")
  const [before, after] = [openSync(base, "w"), openSync(target, "w")]
  const write = (bytes: Buffer): void => {
    sha.update(bytes)
    writeSync(after, bytes)
  }
  const words = new Uint32Array(piece / 4)
  const bytes = Buffer.from(words.buffer)
  for (let at = 0; at < 2 ** 31; at += piece) {
    for (let i = 0; i < words.length; i++) words[i] = next()
    writeSync(before, bytes)
    for (let page = 0; page < piece; page += 4096) {
      if (next() % 100 === 0) for (let i = page / 4; i < page / 4 + 1024; i++) words[i] = next()
    }
    if (at === 83 * piece) {
      write(bytes.subarray(0, 1_234_567))
      write(Buffer.from(Uint32Array.from({ length: 2 ** 18 }, next).buffer))
      write(bytes.subarray(1_234_567))
    } else write(bytes)
  }
  closeSync(before)
  closeSync(after)
  return sha.digest("hex")
}

const hashOf = async (path: string): Promise<string> => {
  const sha = createHash("sha256")
  for await (const piece of createReadStream(path, { highWaterMark: 2 ** 20 })) sha.update(piece as Buffer)
  return sha.digest("hex")
}

// ------------------------------------------------------------------------------------------------------------ the child

type Request =
  | { readonly _tag: "Encode"; readonly input: string; readonly output: string; readonly base: string | undefined }
  | { readonly _tag: "Decode"; readonly input: string; readonly output: string; readonly base: string | undefined }
  | { readonly _tag: "Bare"; readonly input: string; readonly rounds: number }
  | {
      readonly _tag: "Goal"
      readonly input: string
      readonly goal: "datacenter" | "internet"
      /** Bytes per second. */
      readonly bandwidth: number
      readonly rounds: number
    }

/** Milliseconds, the peak of memory so far, and of `Bare` both sides and their ratio of ratios. */
interface Answer {
  readonly ms: number
  readonly rssMb: number
  readonly bare: number
  readonly mine: number
  readonly ratio: number
  readonly failure?: string
}

const start = (folder: string): ChildProcess =>
  fork(import.meta.filename, ["hde-child", join(folder, "state")], { stdio: ["ignore", "ignore", "inherit", "ipc"] })

const ask = async (child: ChildProcess, request: Request): Promise<Answer> =>
  await new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`the child ended with ${code}`))
    child.once("exit", ended)
    child.once("message", (answer: Answer) => {
      child.off("exit", ended)
      if (answer.failure === undefined) resolve(answer)
      else reject(new Error(answer.failure))
    })
    child.send(request)
  })

const check = async (child: ChildProcess, frame: string, base: string | undefined, content: Buffer): Promise<void> => {
  await ask(child, { _tag: "Decode", input: frame, output: `${frame}.out`, base })
  if (!readFileSync(`${frame}.out`).equals(content)) throw new Error("a difference did not come back as it was")
}

const serve = (directory: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const hde = yield* Hde.make(yield* Schema.decodeUnknownEffect(Hde.Settings)({}), directory)
      const answer = async (request: Request): Promise<Partial<Answer>> => {
        const began = performance.now()
        if (request._tag === "Bare") return await beside(hde, request)
        if (request._tag === "Goal") return await byGoal(hde, request)
        const base = request.base === undefined ? undefined : ({ _tag: "File", path: request.base } as const)
        await Effect.runPromise(
          request._tag === "Encode"
            ? Effect.asVoid(hde.encodeFile(request.input, request.output, base === undefined ? {} : { base }))
            : Effect.asVoid(hde.decodeFile(request.input, request.output, base))
        )
        return { ms: performance.now() - began, rssMb: process.resourceUsage().maxRSS / 1000 }
      }
      process.on("message", (request: Request) => {
        void answer(request)
          .catch((error: unknown) => ({ failure: String(error) }))
          .then((answer) => process.send?.(answer))
      })
      yield* Effect.never
    })
  )

/** What the service chooses by itself: milliseconds of CPU, and how many times smaller it is. */
const byGoal = async (
  hde: Hde.Hde["Service"],
  { bandwidth, goal, input, rounds }: Extract<Request, { _tag: "Goal" }>
) => {
  const content = readFileSync(input)
  const took: Array<number> = []
  let frame: Uint8Array = content
  // The first two are for the compiler, and for what is learned about contents of this kind.
  for (let k = 0; k < rounds + 2; k++) {
    const began = process.cpuUsage()
    const encoded = await Effect.runPromise(hde.encode(content, { goal, bandwidth }))
    const { system, user } = process.cpuUsage(began)
    took.push((system + user) / 1000)
    frame = encoded.frame
  }
  const back = await Effect.runPromise(hde.decode(frame))
  if (!content.equals(back.content)) throw new Error("it did not come back as it was")
  return { ms: median(took.slice(2)), ratio: content.length / frame.length }
}

/** Both in memory and off the main thread, in turn; medians. */
const beside = async (hde: Hde.Hde["Service"], { input, rounds }: Extract<Request, { _tag: "Bare" }>) => {
  const content = readFileSync(input)
  const timed = async (work: () => Promise<number>): Promise<readonly [ms: number, bytes: number]> => {
    const began = performance.now()
    const bytes = await work()
    return [performance.now() - began, bytes]
  }
  const params = { [constants.ZSTD_c_compressionLevel]: 3 }
  const bare = () =>
    timed(
      () =>
        new Promise<number>((resolve, reject) => {
          zstdCompress(content, { params }, (error, out) => (error ? reject(error) : resolve(out.length)))
        })
    )
  const mine = () =>
    timed(() =>
      Effect.runPromise(
        Effect.map(hde.encode(content, { choice: { algorithm: "zstd", level: 3 } }), ({ frame }) => frame.length)
      )
    )
  const pairs: Array<readonly [readonly [number, number], readonly [number, number]]> = []
  for (let k = 0; k < rounds + 2; k++) {
    if (k % 2 === 0) {
      const first = await bare()
      pairs.push([first, await mine()])
    } else {
      const first = await mine()
      pairs.push([await bare(), first])
    }
  }
  const warm = pairs.slice(2)
  return {
    bare: median(warm.map(([[ms]]) => ms)),
    mine: median(warm.map(([, [ms]]) => ms)),
    ratio: median(warm.map(([[, theirs], [, ours]]) => theirs / ours))
  }
}

const [, , role, directory] = process.argv
if (role === "hde-child" && directory !== undefined) {
  await Effect.runPromise(Effect.provide(serve(directory), NodeServices.layer))
}
