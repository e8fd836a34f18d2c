import { Itp } from "@novacron/dwcp"
import { Result } from "effect"

// Shares of a host: processor and memory.
const machines = [
  [0.5, 0.5],
  [0.6, 0.2],
  [0.4, 0.7],
  [0.5, 0.4]
]
const budget = { budgetMs: 5, now: () => performance.now() }
const { host, hosts } = Result.getOrThrow(Itp.Pack.pack({ cap: [1, 1], items: machines }, budget))
console.log(`${machines.length} machines on ${hosts} hosts: ${host.join(" ")}`) // => 4 machines on 2 hosts: 1 0 0 1
