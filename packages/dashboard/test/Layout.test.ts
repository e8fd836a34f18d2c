import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { arrange } from "../src/Layout.ts"
import { box, type Laid } from "../src/Picture.ts"

/** Graphs in which everything needs some of what came before it. */
const graphs = (size: { readonly min: number; readonly max: number }) =>
  fc
    .integer(size)
    .chain((count) =>
      fc.tuple(
        ...Array.from({ length: count }, (_, i) => fc.array(fc.nat(Math.max(0, i - 1)), { maxLength: i === 0 ? 0 : 4 }))
      )
    )

const aspects = fc.double({ min: 0.3, max: 3, noNaN: true })

const overlaps = ({ x, y }: Laid): ReadonlyArray<string> =>
  x.flatMap((left, i) =>
    x.slice(i + 1).flatMap((other, k) => {
      const j = i + 1 + k
      const isApart = Math.abs(left - other) >= box.width || Math.abs((y[i] ?? 0) - (y[j] ?? 0)) >= box.height
      return isApart ? [] : [`${i} and ${j}`]
    })
  )

/** Whether who needs something can be reached from it over the edges that are drawn. */
const reaches = (edges: Laid["edges"], from: number, to: number): boolean => {
  const seen = new Set([from])
  for (const at of seen) for (const edge of edges) if (edge.from === at) seen.add(edge.to)
  return seen.has(to)
}

const isAfter = ({ direction, x, y }: Laid, from: number, to: number): boolean =>
  direction === "down" ? (y[to] ?? 0) > (y[from] ?? 0) : (x[to] ?? 0) > (x[from] ?? 0)

describe("a layout", () => {
  for (const [name, size, numRuns] of [
    ["small", { min: 1, max: 30 }, 30],
    ["large", { min: 121, max: 180 }, 10]
  ] as const) {
    it(`of a ${name} graph lets no two boxes overlap, and puts what needs something after it`, () =>
      fc.assert(
        fc.property(graphs(size), aspects, (needs, aspect) => {
          const laid = arrange({ needs, aspect })
          assert.strictEqual(laid.x.length, needs.length)
          assert.deepStrictEqual(overlaps(laid), [])
          needs.forEach((some, to) => {
            for (const from of some) assert.isTrue(isAfter(laid, from, to))
          })
          laid.x.forEach((at, i) => {
            assert.isTrue(at >= -0.5 && at + box.width <= laid.width + box.between + 0.5)
            assert.isTrue((laid.y[i] ?? 0) >= -0.5 && (laid.y[i] ?? 0) + box.height <= laid.height + 0.5)
          })
        }),
        { numRuns }
      ))
  }

  it("leaves out the needs that follow from others, and no others", () =>
    fc.assert(
      fc.property(graphs({ min: 2, max: 20 }), (needs) => {
        const { edges } = arrange({ needs, aspect: 1.5 })
        needs.forEach((some, to) => {
          for (const from of some) assert.isTrue(reaches(edges, from, to))
        })
        for (const edge of edges) {
          assert.include(needs[edge.to] ?? [], edge.from)
          assert.isFalse(
            reaches(
              edges.filter((one) => one !== edge),
              edge.from,
              edge.to
            )
          )
        }
      }),
      { numRuns: 40 }
    ))

  it("is the same for the same graph, and that of no component is empty", () => {
    const needs = [[], [0], [0], [1, 2], [0, 3]]
    assert.deepStrictEqual(arrange({ needs, aspect: 1 }), arrange({ needs, aspect: 1 }))
    assert.deepStrictEqual(arrange({ needs: [], aspect: 1 }).edges, [])
  })

  it("stands what no plan has: cycles, oneself, and positions that do not exist", () => {
    const laid = arrange({ needs: [[2], [0, 1, 1], [1, 99, -1]], aspect: 1 })
    assert.strictEqual(laid.x.length, 3)
    assert.deepStrictEqual(overlaps(laid), [])
  })

  it("uses a narrow place by standing boxes below each other", () => {
    const needs = [[], [], [], [], [], [], [], ...Array.from({ length: 5 }, () => [0])]
    const laid = arrange({ needs, aspect: 0.75 })
    assert.isBelow(laid.width, 4 * (box.width + box.between))
  })
})
