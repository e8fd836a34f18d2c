/** How the pages are built: static files with hashes in their names, and nothing that is asked for elsewhere. */
import { join } from "node:path"
import { defineConfig, type Plugin } from "vite"
import solid from "vite-plugin-solid"

/**
 * The schemas of the kernel are values, and the pages fold events without decoding any. To make one does nothing besides;
 * whoever bundles cannot know that unless it is told, and would keep them with all that makes schemas: 20 kB.
 */
const withoutSchemas: Plugin = {
  name: "without-schemas",
  transform: {
    filter: { id: /\/boot\/src\/\w+\.ts$/ },
    // Their types are gone by now, and what a call makes is on the line of the call: places of errors stay right.
    order: "post",
    handler: (code) => ({ code: code.replace(/(?<![.\w])(?=Schema\.[A-Za-z]+\()/g, "/* @__PURE__ */ "), map: null })
  }
}

export default defineConfig({
  root: import.meta.dirname,
  base: "/",
  logLevel: "warn",
  plugins: [solid(), withoutSchemas],
  worker: { format: "es" },
  build: {
    outDir: join(import.meta.dirname, "dist/site"),
    emptyOutDir: true,
    target: "es2022",
    // The policy of the pages allows no data: scripts, and needs no polyfill.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    // A schema is read for its fields by another one.
    rolldownOptions: { treeshake: { propertyReadSideEffects: false } },
    reportCompressedSize: false
  }
})
