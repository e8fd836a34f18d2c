/** How many of something, for people. */

/** `1 attempt`, `3 attempts`, `0.5 cores` */
export const of = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`
