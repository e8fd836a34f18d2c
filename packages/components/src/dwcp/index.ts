/** DWCP: the component, its settings, and views of its parts. */
export { component, type Changes, type Facts, patience } from "./Component.ts"
export { Acp, Amst, Ass, Dwcp, Hde, Itp, Pba, type View } from "./Members.ts"
export { Settings } from "./Settings.ts"
