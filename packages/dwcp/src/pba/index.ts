/** PBA v3, predictive bandwidth allocation: what a link will carry, and how that is shared. */
export * as Commands from "./Commands.ts"
export * as Gate from "./Gate.ts"
export * as Model from "./Model.ts"
export * as Network from "./Network.ts"
export * as Series from "./Series.ts"
export * as Signals from "./Signals.ts"
export * as Training from "./Training.ts"
