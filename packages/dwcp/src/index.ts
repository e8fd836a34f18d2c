/**
 * DWCP v3, the protocol between nodes: a folder for each of its six subsystems, and for what they share. Each can be had
 * alone; `Dwcp` of `@novacron/components` is all of them, supervised.
 *
 * ```ts
 * import { Itp } from "@novacron/dwcp"
 * import { Result } from "effect"
 *
 * // Shares of a host: processor and memory.
 * const machines = [
 *   [0.5, 0.5],
 *   [0.6, 0.2],
 *   [0.4, 0.7],
 *   [0.5, 0.4]
 * ]
 * const budget = { budgetMs: 5, now: () => performance.now() }
 * const { host, hosts } = Result.getOrThrow(Itp.Pack.pack({ cap: [1, 1], items: machines }, budget))
 * console.log(`${machines.length} machines on ${hosts} hosts: ${host.join(" ")}`) // => 4 machines on 2 hosts: 1 0 0 1
 * ```
 */
export * as Hde from "./hde/index.ts"
export * as Itp from "./itp/index.ts"
export * as Acp from "./acp/index.ts"
export * as Amst from "./amst/index.ts"
export * as Mode from "./mode/index.ts"
export * as Pba from "./pba/index.ts"
export * as Pbft from "./pbft/index.ts"
export * as Group from "./group/index.ts"
export * as Ass from "./ass/index.ts"
