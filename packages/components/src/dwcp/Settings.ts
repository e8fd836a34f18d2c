/** What a person may say about DWCP: the section `dwcp`. */
export { Settings } from "@novacron/dwcp/early"
