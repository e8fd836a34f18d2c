/**
 * The picture of a graph, as it is laid out and as it is drawn. Apart from the layout, which is large and only wanted in a
 * thread of its own.
 */

/** A picture. Boxes are where their corner at the upper left is. */
export interface Laid {
  readonly width: number
  readonly height: number
  readonly x: ReadonlyArray<number>
  readonly y: ReadonlyArray<number>
  readonly edges: ReadonlyArray<Edge>
  readonly direction: "down" | "right"
}

/** From a need to who needs it, by the path of an SVG. */
export interface Edge {
  readonly from: number
  readonly to: number
  readonly path: string
}

/** The size of a box, and the room between. */
export const box = { width: 168, height: 46, between: 20, layers: 44 } as const
