/**
 * What DWCP moves over a WAN, beside what a simple sender moves there in the same run.
 *
 * **Details**
 *
 * The links are those of `wan-lab`, which the variable WAN_LAB names; without it, or without root, their figures are
 * skipped. A share is the goodput of 100 MB of random bytes, start-up and the verified hash included, over the rate of the
 * link. What bytes wait is measured with one stream over 20 Mbit/s, 40 ms and a queue of eight times what is on its way, as
 * routers have them, by what `ss` says of the kernel. Every sample has a lab and a seed of its own; `SAMPLES=1` is a quick
 * look. Values are medians.
 */
import { execFile, execFileSync } from "node:child_process"
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { promisify } from "node:util"
import { gunzipSync } from "node:zlib"
import { type Figure, figure } from "../Figure.ts"
import * as Wan from "../dwcp/Wan.ts"

const samples = Number(process.env["SAMPLES"] ?? 3)

export const run = async (): Promise<{ readonly figures: ReadonlyArray<Figure> }> => {
  const figures: Array<Figure> = []
  const add = async (name: string, measure: () => Promise<ReadonlyArray<Figure>>) => {
    console.error(`… ${name}`)
    figures.push(...(await measure()))
  }
  await add("loopback", loopback)
  await add("a thousand faults", faults)
  for (const link of links) await add(link.id, () => share(link))
  await add("queue", queue)
  await add("partition", partition)
  await add("beside rsync", beside)
  await add("modes", modes)
  return { figures }
}

// ------------------------------------------------------------------------------------------------------------ figures

interface Share {
  readonly id: string
  readonly rttMillis: number
  readonly lossPercent: number
  readonly congestion: string
  readonly bar: number
  /** What the simple sender gets to do: its megabytes and streams. */
  readonly simple: readonly [megabytes: number, streams: number]
}

const links: ReadonlyArray<Share> = [
  { id: "80ms_1pct", rttMillis: 80, lossPercent: 1, congestion: "auto", bar: 0.88, simple: [50, 4] },
  { id: "80ms_1pct_cubic", rttMillis: 80, lossPercent: 1, congestion: "cubic", bar: 0.75, simple: [50, 4] },
  { id: "150ms_2pct", rttMillis: 150, lossPercent: 2, congestion: "auto", bar: 0.85, simple: [50, 4] },
  { id: "80ms_0pct", rttMillis: 80, lossPercent: 0, congestion: "auto", bar: 0.9, simple: [50, 4] }
]

const share = async ({
  bar,
  congestion,
  id,
  lossPercent,
  rttMillis,
  simple
}: Share): Promise<ReadonlyArray<Figure>> => {
  const skipped = Wan.missing()
  if (skipped !== undefined) return [none(`share_${id}`, "ratio", bar, "higher", skipped)]
  const [shares, streams, simply, iperf3]: [Array<number>, Array<number>, Array<number>, Array<number>] = [
    [],
    [],
    [],
    []
  ]
  for (let seed = 1; seed <= samples; seed++) {
    await Wan.within({ rttMillis, lossPercent, seed }, async (lab) => {
      const sent = await Wan.send(lab, 100, congestion)
      shares.push(sent.mbitPerSecond / Wan.rate)
      streams.push(sent.streams)
      // With the congestion control that the machine has by itself.
      if (congestion === "auto" && seed === 1) simply.push((await Wan.baseline(lab, ...simple)) / Wan.rate)
      // As many streams as ours had, with the same control.
      const beside =
        seed === 1 ? await Wan.iperf(lab, sent.streams, congestion === "auto" ? "bbr" : congestion) : undefined
      if (beside !== undefined) iperf3.push(beside / Wan.rate)
    })
  }
  const most = id === "80ms_0pct" ? 4 : null
  return [
    figure(`share_${id}`, "ratio", bar, "higher", shares),
    figure(`streams_${id}`, "streams", most, "lower", streams),
    ...(simply.length === 0 ? [] : [figure(`share_${id}_simple_sender`, "ratio", null, "higher", simply)]),
    ...(iperf3.length === 0 ? [] : [figure(`share_${id}_iperf3`, "ratio", null, "higher", iperf3)])
  ]
}

/** Pairs of fresh processes on one core, TLS on both; to one who keeps what comes, and without TLS, for the record. */
const loopback = async (): Promise<ReadonlyArray<Figure>> => {
  const folder = mkdtempSync(join(tmpdir(), "novacron-bench-"))
  try {
    const env = certificate(folder)
    const pairs = async (given: NodeJS.ProcessEnv, how: "amst" | "taken" = "amst") => {
      const ratios: Array<number> = []
      const speeds: Array<number> = []
      for (let pair = 0; pair < Math.max(3, samples); pair++) {
        const first = pair % 2 === 0 ? await speed("node", given) : undefined
        const ours = await speed(how, given)
        ratios.push(ours / (first ?? (await speed("node", given))))
        speeds.push(ours)
      }
      return { ratios, speeds }
    }
    const tls = await pairs(env)
    const taken = await pairs(env, "taken")
    const clear = await pairs({})
    return [
      figure("loopback_vs_node", "ratio", 0.6, "higher", tls.ratios),
      figure("loopback_mb_s", "MB/s", null, "higher", tls.speeds),
      figure("loopback_taken_vs_node", "ratio", null, "higher", taken.ratios),
      figure("loopback_clear_vs_node", "ratio", null, "higher", clear.ratios),
      figure("loopback_clear_mb_s", "MB/s", null, "higher", clear.speeds)
    ]
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const faults = async (): Promise<ReadonlyArray<Figure>> => {
  const { bytes, faults, lostOrDoubled } = await child<{
    readonly bytes: number
    readonly faults: number
    readonly lostOrDoubled: number
  }>("faults.ts", ["1000", "1"])
  return [
    figure("faults_lost_bytes", "bytes", 0, "lower", [lostOrDoubled]),
    figure("faults", "streams killed", null, "higher", [faults]),
    figure("faults_sent_mb", "MB", null, "higher", [bytes / 1e6])
  ]
}

/** How long bytes wait where a queue may stand, by bbr and by cubic over the same links in turn; without the first second. */
const queue = async (): Promise<ReadonlyArray<Figure>> => {
  const skipped = Wan.missing()
  const waits = { id: "bbr_rtt_vs_cubic", bar: 0.7, better: "lower" } as const
  const moves = { id: "bbr_goodput_vs_cubic", bar: 0.95, better: "higher" } as const
  if (skipped !== undefined) return [waits, moves].map(({ bar, better, id }) => none(id, "ratio", bar, better, skipped))
  const [rtts, goodputs]: [Array<number>, Array<number>] = [[], []]
  for (let seed = 1; seed <= samples; seed++) {
    const under = async (congestion: string) =>
      await Wan.within({ rttMillis: 40, lossPercent: 0, mbit: 20, queue: "8bdp", seed }, async (lab) => {
        const all = await Wan.looks(lab, Wan.send(lab, 25, congestion, undefined, 1))
        const steady = all.filter(({ atMillis }) => atMillis >= all[0]!.atMillis + 1_000)
        const [first, last] = [steady[0]!, steady.at(-1)!]
        const rttMillis = steady.reduce((sum, each) => sum + each.rttMillis, 0) / steady.length
        const goodput = (last.ackedBytes - first.ackedBytes) / (last.atMillis - first.atMillis)
        console.error(`  ${congestion}: ${rttMillis} ms, ${(goodput * 8) / 1_000} Mbit/s`)
        return { rttMillis, goodput }
      })
    const bbr = await under("bbr")
    const cubic = await under("cubic")
    rtts.push(bbr.rttMillis / cubic.rttMillis)
    goodputs.push(bbr.goodput / cubic.goodput)
  }
  return [
    figure(waits.id, "ratio", waits.bar, waits.better, rtts),
    figure(moves.id, "ratio", moves.bar, moves.better, goodputs)
  ]
}

/** Ten seconds without a link in the middle of a transfer: how long after them it is back at 80 % of its rate. */
const partition = async (): Promise<ReadonlyArray<Figure>> => {
  const skipped = Wan.missing()
  if (skipped !== undefined) return [none("recover_s", "s", 3, "lower", skipped)]
  const seconds = await Wan.within({ rttMillis: 80, lossPercent: 0, seed: 1 }, async (lab) => {
    const arrivals: Array<readonly [atMillis: number, bytes: number]> = []
    const sending = Wan.send(lab, 200, "auto", (bytes, at) => void arrivals.push([at, bytes]))
    while ((arrivals.at(-1)?.[1] ?? 0) < 60e6) await sleep(50)
    const before = rateOver(arrivals, performance.now() - 2_000, performance.now())
    await lab.control("partition a b")
    await sleep(10_000)
    await lab.control("heal")
    const healed = performance.now()
    await sending
    const step = 100
    for (let at = healed; at < healed + 30_000; at += step) {
      if (rateOver(arrivals, at, at + 500) >= 0.8 * before) return (at - healed) / 1_000
    }
    return 30
  })
  return [figure("recover_s", "s", 3, "lower", [seconds])]
}

interface Watched {
  readonly sent: number
  readonly changes: ReadonlyArray<{ readonly atMillis: number; readonly what: string; readonly to: string }>
  readonly node: string
}

/** Links of three kinds, and one that changes its kind every two seconds: what nodes take them for, and what arrives. */
const modes = async (): Promise<ReadonlyArray<Figure>> => {
  const skipped = Wan.missing()
  if (skipped !== undefined)
    return ["mode_errors", "mode_flaps", "mode_lost"].map((id) => none(id, "count", 0, "lower", skipped))
  const watch = async (link: Wan.Link, seconds: number, meanwhile: (lab: Wan.Lab) => Promise<void> = async () => {}) =>
    await Wan.within({ ...link, seed: 1 }, async (lab) => {
      certificate(lab.folder)
      const script = join(import.meta.dirname, "../dwcp/modes.ts")
      await lab.spawn("b", process.execPath, [script, "serve", lab.address, "4970", lab.folder])
      await sleep(4_000)
      const sending = lab.node("a", script, ["send", lab.address, "4970", lab.folder, lab.near, String(seconds)])
      await meanwhile(lab)
      const watched: Watched = JSON.parse(await sending)
      await sleep(1_000)
      const received: { numbers: number; doubled: number } = JSON.parse(
        readFileSync(join(lab.folder, "received"), "utf8")
      )
      return { ...watched, lost: watched.sent - received.numbers + received.doubled }
    })
  let [wrong, lost] = [0, 0]
  for (const [kind, rttMillis, mbit, lossPercent] of [
    ["datacenter", 1, 1_000, 0],
    ["hybrid", 40, 300, 0],
    ["internet", 80, 100, 1]
  ] as const) {
    const watched = await watch({ rttMillis, mbit, lossPercent, seed: 1 }, 12)
    if (watched.node !== kind) wrong++
    lost += watched.lost
  }
  const cooldown = 30_000
  const swung = await watch({ rttMillis: 1, mbit: 300, lossPercent: 0, seed: 1 }, 70, async (lab) => {
    for (let k = 0; k < 33; k++) {
      await sleep(2_000)
      await lab.control(`a-b delay ${k % 2 === 0 ? 80 : 0.5}`)
    }
  })
  lost += swung.lost
  const at = swung.changes.filter(({ what }) => what === "LinkModeChanged").map(({ atMillis }) => atMillis)
  const most = Math.max(0, ...at.map((from) => at.filter((each) => each >= from && each < from + cooldown).length))
  return [
    figure("mode_errors", "links", 0, "lower", [wrong]),
    figure("mode_flaps", "switches per cooldown", 1, "lower", [most]),
    figure("mode_lost", "messages lost or doubled", 0, "lower", [lost])
  ]
}

/** Two versions of a package to somebody who has the first: `rsync -z` to its daemon, and HDE over AMST. */
const beside = async (): Promise<ReadonlyArray<Figure>> => {
  const pair = join(import.meta.dirname, "../../../../shared/data/hde-deb")
  const skipped =
    Wan.missing() ??
    (existsSync("/usr/bin/rsync") ? undefined : "rsync is not installed") ??
    (existsSync(pair) ? undefined : "the packages are not there")
  if (skipped !== undefined) return [none("vs_rsync", "ratio", 2, "higher", skipped)]
  return await Wan.within({ rttMillis: 80, lossPercent: 0, seed: 1, mbit: 20 }, async (lab) => {
    const [before, after, there] = ["old", "new", "m/there"].map((name) => join(lab.folder, `${name}.tar`))
    mkdirSync(join(lab.folder, "m"))
    for (const [path, version] of [
      [before, "old"],
      [after, "new"]
    ] as const) {
      writeFileSync(path!, gunzipSync(readFileSync(join(pair, `libssl3.${version}.tar.gz`))))
    }
    const conf = join(lab.folder, "rsyncd.conf")
    writeFileSync(
      conf,
      `use chroot = no\nuid = root\ngid = root\n[m]\npath = ${join(lab.folder, "m")}\nread only = no\n`
    )
    const daemon = ["--daemon", "--no-detach", `--config=${conf}`, "--port=4950"]
    await lab.spawn("b", "rsync", daemon)
    const script = join(import.meta.dirname, "../dwcp/base.ts")
    await lab.spawn("b", process.execPath, [script, "serve", lab.address, "4960", join(lab.folder, "inbox"), before!])
    await sleep(3_000)
    const rsync: Array<number> = []
    for (let k = 0; k < Math.max(3, samples); k++) {
      copyFileSync(before!, there!)
      utimesSync(there!, 1, 1)
      const began = performance.now()
      await lab.program("a", "rsync", ["-z", after!, `rsync://${lab.address}:4950/m/there.tar`])
      rsync.push((performance.now() - began) / 1_000)
      if (!readFileSync(there!).equals(readFileSync(after!))) throw new Error("rsync made something else of it")
    }
    const args = ["send", after!, before!, lab.address, "4960", lab.near, String(Math.max(3, samples))]
    const { seconds }: { seconds: ReadonlyArray<number> } = JSON.parse(await lab.node("a", script, args))
    const middle = figure("rsync_s", "s", null, "lower", rsync).value ?? 0
    return [
      figure(
        "vs_rsync",
        "ratio",
        2,
        "higher",
        seconds.map((each) => middle / each)
      ),
      figure("rsync_s", "s", null, "lower", rsync),
      figure("base_s", "s", null, "lower", seconds)
    ]
  })
}

/** Bytes per millisecond between two times. */
const rateOver = (arrivals: ReadonlyArray<readonly [number, number]>, from: number, to: number): number => {
  const until = (at: number) => arrivals.findLast(([time]) => time <= at)?.[1] ?? 0
  return (until(to) - until(from)) / (to - from)
}

// ----------------------------------------------------------------------------------------------------------- processes

const speed = async (which: "amst" | "taken" | "node", env: NodeJS.ProcessEnv): Promise<number> =>
  (await child<{ readonly speed: number }>("loopback.ts", [which, "400"], env)).speed

const child = async <A>(script: string, args: ReadonlyArray<string>, env: NodeJS.ProcessEnv = {}): Promise<A> => {
  const command = [process.execPath, join(import.meta.dirname, "../dwcp", script), ...args]
  // One core, where the machine has the means to say so.
  const pinned = script === "loopback.ts" && existsSync("/usr/bin/taskset") ? ["/usr/bin/taskset", "-c", "0"] : []
  const [file, ...rest] = [...pinned, ...command]
  const { stdout } = await promisify(execFile)(file!, rest, { env: { ...process.env, ...env } })
  return JSON.parse(stdout) as A
}

const certificate = (folder: string): NodeJS.ProcessEnv => {
  const [KEY, CERT] = [join(folder, "key.pem"), join(folder, "cert.pem")]
  const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
  const named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
  execFileSync("openssl", [...made, ...named, "-keyout", KEY, "-out", CERT], { stdio: "ignore" })
  return { KEY, CERT }
}

const none = (id: string, unit: string, bar: number, better: Figure["better"], skipped: string): Figure => ({
  id,
  value: null,
  unit,
  bar,
  better,
  ok: null,
  samples: [],
  skipped
})
