/**
 * Writes the code of the protocol buffers: `node scripts/proto.ts`, after `packages/api/proto` has changed.
 *
 * **Details**
 *
 * `buf lint`, then protobuf-es by `buf generate`. What it writes is made like the rest here: enums become objects, because
 * types must be erasable; a descriptor is split over lines; remarks that only repeat the name are left out; oxfmt lays it
 * out. A test runs the same and compares.
 */
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")
const protos = join(root, "packages/api/proto")
const bin = join(root, "packages/components/node_modules/.bin")
const target = join(root, "packages/components/src/api/wire")

/** Which file of the protocol becomes which of ours; those of gRPC are as it publishes them. */
const files: { readonly [proto: string]: string } = {
  "novacron/v1/tasks": "TasksProto.ts",
  "novacron/v1/node": "NodeProto.ts",
  "novacron/v1/tokens": "TokensProto.ts",
  "grpc/health/v1/health": "HealthProto.ts",
  "grpc/reflection/v1/reflection": "ReflectionProto.ts"
}

/** The generated files, by name, as they should be. */
export const generate = (): ReadonlyMap<string, string> => {
  const folder = mkdtempSync(join(tmpdir(), "novacron-proto-"))
  try {
    const template = {
      version: "v2",
      plugins: [{ local: join(bin, "protoc-gen-es"), out: folder, opt: "target=ts,import_extension=ts" }]
    }
    execFileSync(join(bin, "buf"), ["lint"], { cwd: protos, stdio: "inherit" })
    execFileSync(join(bin, "buf"), ["generate", "--template", JSON.stringify(template)], { cwd: protos })
    const made = Object.entries(files).map(([proto, name]) => {
      const path = join(folder, name)
      writeFileSync(path, ours(proto, readFileSync(join(folder, `${proto}_pb.ts`), "utf8")))
      return { name, path }
    })
    const config = ["--config", join(root, ".oxfmtrc.json")]
    execFileSync(join(root, "node_modules/.bin/oxfmt"), [...config, ...made.map(({ path }) => path)], { cwd: folder })
    return new Map(made.map(({ name, path }) => [name, readFileSync(path, "utf8")]))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const ours = (proto: string, text: string): string => {
  const body = text
    .slice(text.indexOf("import "))
    .replace(/^( *)\/\*\*\n(?: *\*.*\n)*? *\*\/\n/gm, withoutNames)
    .replace(/^export enum (\w+) \{\n([^]*?)\n\}$/gm, (_, name: string, members: string) =>
      [
        `export const ${name} = {`,
        members.replaceAll(" = ", ": "),
        "} as const",
        `export type ${name} = (typeof ${name})[keyof typeof ${name}]`
      ].join("\n")
    )
    .replace(/fileDesc\("([^"]+)"/g, (_, descriptor: string) => {
      const pieces = descriptor.match(/.{1,100}/g) ?? []
      return `fileDesc(${pieces.map((piece) => JSON.stringify(piece)).join(" +\n")}`
    })
    .replace(/from "\.\/(\w+)_pb\.ts"/g, (_, other: string) => `from "./${files[`novacron/v1/${other}`]}"`)
  return `/** ${proto}.proto as code of protobuf-es, made by scripts/proto.ts. Change the protocol, not this. */
${body}`
}

/** A remark, without the lines that say what the declaration below them says. */
const withoutNames = (remark: string): string => {
  const lines = remark.split("\n").filter((line) => !/^ *\* (?:@generated|Describes the|Use `)/.test(line))
  const said = lines.map((line) => line.replace(/^ *(?:\/\*\*|\*\/|\*) ?/, "").trim()).filter((line) => line !== "")
  if (said.length === 0) return ""
  const line = said.join(" ")
  return line.length < 100 ? `/** ${line} */\n` : `/**\n${said.map((one) => ` * ${one}\n`).join("")} */\n`
}

if (import.meta.main) {
  mkdirSync(target, { recursive: true })
  for (const [name, text] of generate()) writeFileSync(join(target, name), text)
}
