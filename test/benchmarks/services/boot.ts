/** The whole node on data that exists, from the first event of its boot to READY, beside its critical path. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bundle } from "../../../scripts/bundle.ts"
import * as Node from "../boot/Node.ts"
import { figure } from "../Figure.ts"
import type { Group } from "../Groups.ts"

export const figures: Group = async ({ quick }) => {
  const home = { program: await bundle(), dataDir: mkdtempSync(join(tmpdir(), "novacron-bench-")) }
  try {
    await Node.coldBoot(home)
    const ratios: Array<number> = []
    for (let boot = 0; boot < (quick ? 3 : 11); boot++) {
      const { report } = await Node.coldBoot(home)
      ratios.push(report.readyAtMs / report.criticalPathMs)
    }
    return [figure("node_boot_vs_critical_path", "ratio", 1.1, "lower", ratios)]
  } finally {
    rmSync(home.dataDir, { recursive: true, force: true })
  }
}
