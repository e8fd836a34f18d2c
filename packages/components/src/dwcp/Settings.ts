/** What a person may say about DWCP: the section `dwcp`. */
import { Group } from "@novacron/dwcp"

export const Settings = Group.Settings
export type Settings = typeof Settings.Type
