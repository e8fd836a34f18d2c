/** Models that serve the other parts of the node. */
export { component, make, Ml } from "./Component.ts"
export { type Candidate, type Choice, type Forecast, type History, PlacementModel, type Ranking } from "./Kind.ts"
export { Settings } from "./Settings.ts"
export { type Answer, ModelUnusable, type Shelf, type State, type Version } from "./Shelf.ts"
