/** Security: the service, its settings, and the component that provides it. */
export * from "./Security.ts"
export * as Admission from "./Admission.ts"
export * as BootTrail from "./BootTrail.ts"
export { component, type Surroundings } from "./Component.ts"
export { Settings } from "./Settings.ts"
