/** The contract of a node. */
export * as Tasks from "./Tasks.ts"
