import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Trace from "../../src/itp/Trace.ts"

const read = (...lines: ReadonlyArray<string>) => {
  const reader = Trace.reader()
  for (const line of lines) reader.line(line)
  return reader.finish()
}

const problemOf = (...lines: ReadonlyArray<string>): string => {
  const made = read(...lines)
  return Result.isFailure(made) ? made.failure.message : "it was taken"
}

describe("Trace", () => {
  it("reads the columns it needs, in any order and beside others, and sorts by arrival", () => {
    const trace = Result.getOrThrow(
      read("batch,lifetime_s,cpu,mem_gb,arrive_s", "7,100,2,3.5,20\r", "", "8,50,4,7,10", "9,60,1,1,20")
    )
    assert.deepStrictEqual([...trace.arrive], [10, 20, 20])
    assert.deepStrictEqual([...trace.cpu], [4, 2, 1])
    assert.deepStrictEqual([...trace.memory], [7, 3.5, 1])
    assert.deepStrictEqual([...trace.lifetime], [50, 100, 60])
  })

  it("knows its columns with quotes and spaces around them, as spreadsheets and R write them", () => {
    const rows = ["1, 2, 3, 4, a", '"1","2", "3" ,4,"a"']
    for (const header of [
      "arrive_s, cpu, mem_gb, lifetime_s, batch",
      '"arrive_s","cpu","mem_gb","lifetime_s","batch"',
      '"arrive_s", "cpu" ,mem_gb,"lifetime_s" , "batch"'
    ]) {
      const { lifetime, n, request } = Result.getOrThrow(read(header, ...rows))
      assert.deepStrictEqual([n, lifetime[0], request[0], request[1]], [2, 4, 1, 1])
    }
    assert.include(
      problemOf('"arrive_s,cpu,mem_gb,lifetime_s"', "1"),
      "it has no column arrive_s, cpu, mem_gb, lifetime_s"
    )
  })

  it("takes a comma between quotes for a part of the cell", () => {
    const header = 'name,arrive_s,cpu,"mem_gb",lifetime_s,batch'
    const { lifetime, request } = Result.getOrThrow(
      read(header, '"web, the ""old"" one","1",2,3,4,"a,b"', ',1,2,3,5,"a,b"', '"",1,2,3,6,a')
    )
    assert.deepStrictEqual([...lifetime], [4, 5, 6])
    assert.deepStrictEqual([...request], [1, 1, 2])
    assert.include(problemOf(header, 'x,"1,5",2,3,4,a'), "arrive_s is 1,5, not an amount")
  })

  it("knows who came with one request where there is a batch, and nothing of it where there is none", () => {
    const header = "arrive_s,cpu,mem_gb,lifetime_s"
    const requestsOf = (...lines: ReadonlyArray<string>) => [...Result.getOrThrow(read(...lines)).request]
    const rows = ["5,1,1,1,a", "5,1,1,1,a", "5,1,1,1,b", "6,1,1,1,", "7,1,1,1", "1,1,1,1,c"]
    const [c, a1, a2, b, ...none] = requestsOf(`${header},batch`, ...rows)
    assert.deepStrictEqual(none, [-1, -1])
    assert.strictEqual(a1, a2)
    assert.strictEqual(new Set([a1, b, c, -1]).size, 4)
    assert.deepStrictEqual(requestsOf(header, "1,1,1,1", "2,1,1,1"), [-1, -1])
  })

  it("keeps more rows than it first has room for", () => {
    const rows = Array.from({ length: 5_000 }, (_, i) => `${i},1,2,3`)
    assert.strictEqual(Result.getOrThrow(read("arrive_s,cpu,mem_gb,lifetime_s", ...rows)).n, 5_000)
  })

  it("says which line is wrong, and what is wrong with it", () => {
    assert.include(problemOf("arrive_s,cpu,lifetime_s"), "Line 1 of the trace cannot be used: it has no column mem_gb")
    const header = "arrive_s,cpu,mem_gb,lifetime_s"
    assert.include(problemOf(header, "1,2,3,4", "1,NaN,3,4"), "Line 3 of the trace cannot be used: cpu is NaN")
    assert.include(problemOf(header, "1,-2,3,4"), "cpu is -2")
    assert.include(problemOf(header, "1,2"), "mem_gb is missing")
    assert.include(problemOf(header, "1,2,,4"), "mem_gb is ")
    assert.include(problemOf(), "it is empty")
    assert.strictEqual(problemOf(header), "it was taken")
  })
})
