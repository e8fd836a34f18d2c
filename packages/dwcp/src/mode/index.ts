/** The mode of a link, from what was measured on it. */
export * as Detector from "./Detector.ts"
export * as Measure from "./Measure.ts"
