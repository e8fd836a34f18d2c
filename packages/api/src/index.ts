/**
 * The contract of a node: the words of tasks and nodes, the places they are asked for at, and the client. {@link Client}
 * has an example; from outside of Effect the OpenAPI document of a node says the same.
 */
export * as Client from "./Client.ts"
export * as Contract from "./Contract.ts"
export * as Events from "./Events.ts"
export * as Node from "./Node.ts"
export * as Problem from "./Problem.ts"
export * as Tasks from "./Tasks.ts"
export * as Tokens from "./Tokens.ts"
