/** How the pages are built: static files with hashes in their names, and nothing that is asked for elsewhere. */
import { join } from "node:path"
import { defineConfig } from "vite"
import solid from "vite-plugin-solid"

export default defineConfig({
  root: import.meta.dirname,
  base: "/",
  logLevel: "warn",
  plugins: [solid()],
  worker: { format: "es" },
  build: {
    outDir: join(import.meta.dirname, "dist/site"),
    emptyOutDir: true,
    target: "es2022",
    // The policy of the pages allows no data: scripts, and needs no polyfill.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false
  }
})
