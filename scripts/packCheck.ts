/**
 * Packs every package that can be published, as a registry would receive it, installs the archives into an empty project,
 * and holds them against what users need: publint finds nothing, the types compile, every door opens, every program
 * starts, nothing points back into the workspace.
 *
 * **Details**
 *
 * `dist` is built anew first, so that a file which lost its source cannot be shipped. The project is outside of the
 * workspace, and pnpm gives each package its own dependencies and nothing else: what a package imports and does not name
 * is not there. Dependencies have the versions of the lockfile, so a run today and one tomorrow say the same.
 */
import { execFileSync, spawnSync } from "node:child_process"
import {
  copyFileSync,
  existsSync,
  globSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
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
  readonly version: string
  readonly exports?: { readonly [door: string]: unknown }
  readonly bin?: { readonly [program: string]: string }
  readonly dependencies?: { readonly [name: string]: string }
  readonly peerDependencies?: { readonly [name: string]: string }
}

interface Packed {
  readonly manifest: Manifest
  /** The archive as it was installed. */
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
  const packed = install(publishable)
  const complaints = [...typesOf(packed)]
  for (const one of packed)
    complaints.push(...(await publintOf(one)), ...leftoversOf(one), ...doorsOf(one), ...startsOf(one))
  if (complaints.length === 0)
    process.stdout.write(`packed, installed and opened: ${packed.flatMap(specifiers).join(", ")}\n`)
  return complaints
}

/** An empty project with nothing but the archives and what they want beside them. */
const install = (sources: ReadonlyArray<string>): ReadonlyArray<Packed> => {
  const archives = Object.fromEntries(
    sources.map((source) => {
      const archive = `${source.split(/[\\/]/).at(-1)}.tgz`
      execFileSync(pnpm, ["pack", "--out", join(room, archive)], {
        cwd: source,
        stdio: ["ignore", "ignore", "inherit"]
      })
      return [readManifest(source).name, `file:./${archive}`]
    })
  )
  const versionOf = (name: string) => readManifest(realpathSync(join(root, "node_modules", name))).version
  const beside = ["effect", "@effect/platform-node", "@types/node"].map((name) => [name, versionOf(name)])
  const dependencies = { ...archives, ...Object.fromEntries(beside) }
  writeFileSync(join(room, "package.json"), JSON.stringify({ private: true, type: "module", dependencies }))
  const [allowBuilds = ""] =
    /^allowBuilds:\n(?: .*\n)+/m.exec(readFileSync(join(root, "pnpm-workspace.yaml"), "utf8")) ?? []
  // They are not in a registry: whoever needs one of them gets the archive too.
  writeFileSync(
    join(room, "pnpm-workspace.yaml"),
    `overrides: ${JSON.stringify(archives)}\npmOnFail: ignore\n${allowBuilds}`
  )
  copyFileSync(join(root, "pnpm-lock.yaml"), join(room, "pnpm-lock.yaml"))
  execFileSync(pnpm, ["install", "--no-frozen-lockfile", "--prefer-offline", "--silent"], {
    cwd: room,
    stdio: "inherit"
  })
  return Object.keys(archives).map((name) => {
    const directory = realpathSync(join(room, "node_modules", name))
    return { manifest: readManifest(directory), directory }
  })
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
  return [
    ...[...protocols, ...files].map((thing) => `${manifest.name}: ${thing} does not belong into the archive`),
    ...(existsSync(join(directory, "README.md")) ? [] : [`${manifest.name}: nothing in the archive says what it is`])
  ]
}

const doorsOf = (packed: Packed): ReadonlyArray<string> =>
  specifiers(packed).flatMap((specifier) => {
    const names = `Object.keys(await import(${JSON.stringify(specifier)}))`
    const program = `if (${names}.length === 0) throw new Error("nothing behind it")`
    return attempt(`${specifier} does not open`, process.execPath, ["--input-type=module", "--eval", program])
  })

const startsOf = ({ directory, manifest }: Packed): ReadonlyArray<string> =>
  Object.keys(manifest.bin ?? {}).flatMap((program) =>
    attempt(`${program} of ${manifest.name} in ${directory} does not start`, join(room, "node_modules/.bin", program), [
      "--version"
    ])
  )

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
