/** The work of the cluster: tasks, the nodes that run them, and who decides which runs where. */
export { component, load } from "./Component.ts"
export { KeyReused, NoSuchTask, Orchestration, type Query, QueueFull, Unavailable } from "./Orchestration.ts"
export { CannotMeet, NobodyCoordinates, TablesUnusable } from "./OrchestrationError.ts"
export { Settings } from "./Settings.ts"
export type { Facts } from "./Start.ts"
export { migrations } from "./TaskSchema.ts"
