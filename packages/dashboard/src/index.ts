/**
 * Where the built pages of the dashboard are, for whoever serves them: plain files, each beside itself packed as `.gz` and
 * `.br`. In a checkout `node build.ts` makes them first.
 */

/** The folder, as the text of a `file:` URL. It is the same from the sources and from what is published. */
export const site: string = new URL("../dist/site/", import.meta.url).href
