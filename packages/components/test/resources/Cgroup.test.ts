import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Cgroup from "../../src/resources/Cgroup.ts"
import { Host } from "../../src/environment/Host.ts"

const mount1 = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory"
const cpu1 = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct"
const mount2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"

const limitsOf = (files: { readonly [path: string]: string }) =>
  Effect.provide(Cgroup.limits, Host.layerMemory({ files }))

describe("the limits of control groups", () => {
  it.effect("are those of version 2, the smallest on the way up", () =>
    Effect.gen(function* () {
      const limits = yield* limitsOf({
        "/proc/self/cgroup": "0::/system.slice/novacron.service\n",
        "/proc/self/mountinfo": `${mount2}\n`,
        "/sys/fs/cgroup/system.slice/novacron.service/cpu.max": "300000 100000\n",
        "/sys/fs/cgroup/system.slice/novacron.service/memory.max": "max\n",
        "/sys/fs/cgroup/system.slice/cpu.max": "150000 100000\n",
        "/sys/fs/cgroup/system.slice/memory.max": "4294967296\n",
        "/sys/fs/cgroup/system.slice/memory.current": "1073741824\n"
      })
      assert.deepStrictEqual(limits, { cores: 1.5, memoryBytes: 4 * 2 ** 30, memoryUsedBytes: 2 ** 30 })
    })
  )

  it.effect("are those of version 1, each controller where it is mounted", () =>
    Effect.gen(function* () {
      const limits = yield* limitsOf({
        "/proc/self/cgroup": "4:memory:/app\n1:cpu,cpuacct:/app\n0::/\n",
        "/proc/self/mountinfo": `${cpu1}\n${mount1}\n`,
        "/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us": "200000\n",
        "/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us": "100000\n",
        "/sys/fs/cgroup/memory/app/memory.limit_in_bytes": "2147483648\n",
        "/sys/fs/cgroup/memory/app/memory.usage_in_bytes": "5\n",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"
      })
      assert.deepStrictEqual(limits, { cores: 2, memoryBytes: 2 ** 31, memoryUsedBytes: 5 })
    })
  )

  it.effect("are those of the mount in a container that cannot see its own path", () =>
    Effect.gen(function* () {
      const mount = "30 24 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw"
      for (const path of ["/docker/abc", "/../..", "/elsewhere/on/the/machine"]) {
        const limits = yield* limitsOf({
          "/proc/self/cgroup": `0::${path}\n`,
          "/proc/self/mountinfo": mount,
          "/sys/fs/cgroup/cpu.max": "50000 100000",
          "/sys/fs/cgroup/memory.max": "1000000"
        })
        assert.deepStrictEqual(limits, { cores: 0.5, memoryBytes: 1_000_000, memoryUsedBytes: 0 }, path)
      }
    })
  )

  it.effect("are none where there is no limit, or nothing to read", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* limitsOf({}), {})
      const free = {
        "/proc/self/cgroup": "4:memory:/\n1:cpu,cpuacct:/\n",
        "/proc/self/mountinfo": `${cpu1}\n${mount1}\n`,
        "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"
      }
      assert.deepStrictEqual(yield* limitsOf(free), {})
    })
  )

  it.live("can be read on this machine", () =>
    Effect.gen(function* () {
      const { cores, memoryBytes } = yield* Effect.provide(Cgroup.limits, Host.layer)
      assert.isTrue(cores === undefined || cores > 0)
      assert.isTrue(memoryBytes === undefined || memoryBytes > 1_000_000)
    })
  )
})
