/** Real contents, where they are at hand, and a way to make others. None of them is in the project. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"

/** Numbers of 32 bits without a pattern, always the same ones for a seed. */
export const chance = (seed: number) => {
  let state = seed | 0
  return (): number => {
    state = (state + 0x9e3779b9) | 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) >>> 0
  }
}

const data = join(import.meta.dirname, "../../../../shared/data")

export const haveData = existsSync(`${data}/hde-mem/v1.bin.gz`)

const unpacked = (file: string): Buffer => gunzipSync(readFileSync(`${data}/${file}`))

const changed = (base: Buffer, file: string): Buffer => {
  const difference = unpacked(file)
  return Buffer.from(base.map((byte, i) => byte ^ difference[i]!))
}

export interface Pair {
  readonly name: string
  readonly base: Buffer
  readonly target: Buffer
}

/** Guest memory, a disk and a package, each with what became of it. */
export const realPairs = (): ReadonlyArray<Pair> => {
  const mem = unpacked("hde-mem/v1.bin.gz")
  const disk = unpacked("hde-disk/v1.bin.gz")
  const run = changed(disk, "hde-disk/v1run.xor1.gz")
  const upgraded = changed(disk, "hde-disk/v2.xor1.gz")
  const [older, newer] = ["old", "new"].map((version) => unpacked(`hde-deb/libssl3.${version}.tar.gz`))
  return [
    ...["v2", "v3", "v4"].map((version) => ({
      name: `mem ${version}`,
      base: mem,
      target: changed(mem, `hde-mem/${version}.xor1.gz`)
    })),
    { name: "disk v1run", base: disk, target: run },
    { name: "disk v2", base: disk, target: upgraded },
    { name: "disk v1run to v2", base: run, target: upgraded },
    { name: "deb libssl3", base: older!, target: newer! }
  ]
}

/** What people have written here, one after the other: documents, and the sources of all packages. */
export const texts = (): Buffer => {
  const root = join(import.meta.dirname, "../../..")
  const below = (folder: string) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) => join(root, folder, name))
  const sources = readdirSync(join(root, "packages")).flatMap((name) => {
    const folder = `packages/${name}/src`
    return existsSync(join(root, folder)) ? below(folder) : []
  })
  const written = [...below("docs"), ...sources].filter((path) => /\.(?:md|ts|tsx)$/u.test(path))
  return Buffer.concat(written.toSorted().map((path) => readFileSync(path)))
}
