/** DWCP v3, the protocol between nodes: a folder for each of its six subsystems. */
export * as Hde from "./hde/index.ts"
export * as Itp from "./itp/index.ts"
export * as Acp from "./acp/index.ts"
export * as Amst from "./amst/index.ts"
export * as Mode from "./mode/index.ts"
export * as Pba from "./pba/index.ts"
export * as Pbft from "./pbft/index.ts"
export * as Group from "./group/index.ts"
