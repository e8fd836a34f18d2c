/**
 * Packs every package that can be published, as a registry would receive it, and holds it against what users need:
 * publint finds nothing, every door opens, nothing points back into the workspace.
 *
 * **Details**
 *
 * `dist` is built anew first, so that a file which lost its source cannot be shipped. The doors are opened by Node from
 * the unpacked archives, beside `effect` and each other, with the sources out of reach.
 */
import { execFileSync, spawnSync } from "node:child_process"
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import { bundle } from "./bundle.ts"

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly exports?: { readonly [door: string]: unknown }
  readonly dependencies?: { readonly [name: string]: string }
  readonly peerDependencies?: { readonly [name: string]: string }
}

interface Packed {
  readonly manifest: Manifest
  /** The unpacked archive. */
  readonly directory: string
}

const root = join(import.meta.dirname, "..")
const room = mkdtempSync(join(tmpdir(), "novacron-pack-"))
const pnpm = process.env["npm_execpath"] ?? "pnpm"

const readManifest = (directory: string): Manifest => JSON.parse(readFileSync(join(directory, "package.json"), "utf8"))

const main = async (): Promise<ReadonlyArray<string>> => {
  const sources = globSync("packages/*/package.json", { cwd: root }).map((file) => join(root, dirname(file)))
  const publishable = sources.toSorted().filter((directory) => readManifest(directory).private !== true)
  for (const directory of publishable) rmSync(join(directory, "dist"), { recursive: true, force: true })
  execFileSync(pnpm, ["--silent", "build"], { cwd: root, stdio: "inherit" })
  await bundle()
  const packed = publishable.map(pack)
  for (const source of publishable) linkDependencies(source)
  link(join(root, "node_modules/@types/node"), "@types/node")
  const complaints = [...typesOf(packed)]
  for (const one of packed) complaints.push(...(await publintOf(one)), ...leftoversOf(one), ...doorsOf(one))
  if (complaints.length === 0) process.stdout.write(`packed and opened: ${packed.flatMap(specifiers).join(", ")}\n`)
  return complaints
}

/** Packs one package and unpacks it to where a project of its users would have it. */
const pack = (source: string): Packed => {
  const tarball = join(room, "package.tgz")
  execFileSync(pnpm, ["pack", "--out", tarball], { cwd: source, stdio: ["ignore", "ignore", "inherit"] })
  const directory = join(room, "node_modules", readManifest(source).name)
  mkdirSync(directory, { recursive: true })
  execFileSync("tar", ["-xzf", tarball, "-C", directory, "--strip-components=1"])
  rmSync(tarball)
  return { manifest: readManifest(directory), directory }
}

/** What a package manager would install with it; what is packed here is there already. */
const linkDependencies = (source: string): void => {
  const { dependencies, peerDependencies } = readManifest(source)
  for (const name of Object.keys({ ...dependencies, ...peerDependencies }))
    link(join(source, "node_modules", name), name)
}

const link = (from: string, name: string): void => {
  const to = join(room, "node_modules", name)
  if (existsSync(to)) return
  mkdirSync(dirname(to), { recursive: true })
  symlinkSync(realpathSync(from), to)
}

/** What a user writes to import: one specifier for each entry of `exports`. */
const specifiers = ({ manifest }: Packed): ReadonlyArray<string> =>
  Object.keys(manifest.exports ?? {}).map((door) => manifest.name + door.slice(1))

const publintOf = async ({ manifest, directory }: Packed): Promise<ReadonlyArray<string>> => {
  const { messages, pkg } = await publint({ pkgDir: directory, pack: false })
  return messages.map((message) => `${manifest.name}: ${formatMessage(message, pkg, { color: false }) ?? message.code}`)
}

const leftoversOf = ({ manifest, directory }: Packed): ReadonlyArray<string> => {
  const text = readFileSync(join(directory, "package.json"), "utf8")
  const protocols = ["workspace:", "catalog:", "link:", "file:"].filter((protocol) => text.includes(`"${protocol}`))
  const files = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".tsbuildinfo")
  )
  return [...protocols, ...files].map((thing) => `${manifest.name}: ${thing} does not belong into the archive`)
}

const doorsOf = (packed: Packed): ReadonlyArray<string> =>
  specifiers(packed).flatMap((specifier) => {
    const names = `Object.keys(await import(${JSON.stringify(specifier)}))`
    const program = `if (${names}.length === 0) throw new Error("nothing behind it")`
    return attempt(`${specifier} does not open`, process.execPath, ["--input-type=module", "--eval", program])
  })

/**
 * Compiles the imports of all doors as a strict user would, without the sources; what runs anywhere without the types of
 * Node, and what is made for Node with them.
 */
const typesOf = (packed: ReadonlyArray<Packed>): ReadonlyArray<string> => {
  for (const { directory } of packed) rmSync(join(directory, "src"), { recursive: true, force: true })
  const isForNode = ({ manifest }: Packed) =>
    "@effect/platform-node" in { ...manifest.dependencies, ...manifest.peerDependencies }
  return [
    ...compiled(
      packed.filter((one) => !isForNode(one)),
      []
    ),
    ...compiled(packed.filter(isForNode), ["--types", "node", "--skipLibCheck"])
  ]
}

const compiled = (packed: ReadonlyArray<Packed>, types: ReadonlyArray<string>): ReadonlyArray<string> => {
  const lines = packed
    .flatMap(specifiers)
    .map((specifier, i) => `export * as door${i} from ${JSON.stringify(specifier)}\n`)
  writeFileSync(join(room, "user.mts"), lines.join(""))
  const strict = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2024", ...types]
  return attempt("the types do not compile", join(root, "node_modules/.bin/tsc"), [...strict, "user.mts"])
}

const attempt = (complaint: string, command: string, args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: room, encoding: "utf8" })
  return status === 0 ? [] : [`${complaint}:\n${stdout}${stderr}`]
}

const complaints = await main().finally(() => rmSync(room, { recursive: true, force: true }))
for (const complaint of complaints) process.stderr.write(`${complaint}\n`)
process.exitCode = complaints.length === 0 ? 0 : 1
