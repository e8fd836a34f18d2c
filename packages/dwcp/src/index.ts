/** DWCP v3, the protocol between nodes: a folder for each of its six subsystems. */
export * as Hde from "./hde/index.ts"
export * as Itp from "./itp/index.ts"
