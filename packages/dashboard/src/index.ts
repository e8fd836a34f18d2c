/**
 * Where the built pages of the dashboard are, for whoever serves them: plain files, each beside itself packed as `.gz` and
 * `.br`. In a checkout `node build.ts` makes them first.
 */

/** The folder, as a URL. It is the same from the sources and from what is published. */
export const site = new URL("../dist/site/", import.meta.url)
