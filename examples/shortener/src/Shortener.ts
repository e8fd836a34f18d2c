/** The whole of it: a list of components. Their order means nothing. */
import { links } from "./Links.ts"
import { server } from "./Server.ts"
import { settings } from "./Settings.ts"
import { statistics } from "./Statistics.ts"

export const shortener = [server, statistics, links, settings] as const
