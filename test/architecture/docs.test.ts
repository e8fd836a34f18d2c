/**
 * The documents say what is so: links lead somewhere, code is quoted from code that is checked, pictures and tables are
 * those of the sources, and a capability counts as done only where a test of that name exists.
 */
import { existsSync } from "node:fs"
import { posix } from "node:path"
import { Boot } from "@novacron/boot"
import { BootEvent, Invariants, PlanView, Report, Status } from "@novacron/boot/model"
import { Result } from "effect"
import { assert, describe, it } from "vitest"
import { shortener } from "../../examples/shortener/src/Shortener.ts"
import * as Workspace from "./Workspace.ts"

const documents = Workspace.files.filter((file) => file === "README.md" || /^docs\/.*\.md$/.test(file))

/** The fenced blocks of a document, by language, with the line they begin at. */
const blocks = (file: string, language: string): ReadonlyArray<{ readonly line: number; readonly text: string }> =>
  [...Workspace.read(file).matchAll(/^```(\w*)\n([^]*?)^```$/gm)]
    .filter((match) => match[1] === language)
    .map((match) => ({ line: lineAt(file, match.index), text: match[2] ?? "" }))

const lineAt = (file: string, index: number): number => Workspace.read(file).slice(0, index).split("\n").length

const prose = (file: string): string =>
  Workspace.read(file).replace(/^```[^]*?^```$/gm, (block) => block.replace(/[^\n]/g, ""))

/** The anchors of a document: its headings, as a forge spells them. */
const anchors = (file: string): ReadonlyArray<string> =>
  [...prose(file).matchAll(/^#+ (.+)$/gm)].map((match) =>
    `${match[1]}`
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\- ]/gu, "")
      .replaceAll(" ", "-")
  )

/** Rows of the tables under a heading, as lists of cells. */
const rows = (file: string, heading: string): ReadonlyArray<ReadonlyArray<string>> => {
  const text = prose(file)
  const begin = text.indexOf(`\n${heading}\n`)
  assert.isAbove(begin, -1, `${file} has no "${heading}"`)
  const level = heading.indexOf(" ")
  const rest = text.slice(begin + heading.length + 2)
  const end = rest.search(new RegExp(`^#{1,${level}} `, "m"))
  return (end < 0 ? rest : rest.slice(0, end))
    .split("\n")
    .filter((line) => /^\| /.test(line) && !/^\|[-| ]+\|$/.test(line))
    .map((line) =>
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim())
    )
}

describe("the documents", () => {
  it("are there to be judged", () => {
    assert.include(documents, "README.md")
    assert.include(documents, "docs/ARCHITECTURE.md")
  })

  it("link to what exists", () => {
    const broken = documents.flatMap((file) =>
      [...prose(file).matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)].flatMap((match) => {
        const [path = "", anchor] = `${match[1]}`.split("#")
        if (/^\w+:/.test(path)) return []
        const target = path === "" ? file : posix.join(posix.dirname(file), path)
        const isThere = existsSync(`${Workspace.root}/${target}`)
        const isFine = isThere && (anchor === undefined || !target.endsWith(".md") || anchors(target).includes(anchor))
        return isFine ? [] : [`${file}:${lineAt(file, match.index)}: ${match[1]}`]
      })
    )
    assert.deepStrictEqual(broken, [])
  })

  it("quote TypeScript from files that are checked", () => {
    const checked = Workspace.sources.filter((file) => /^(?:examples|packages)\/.*\.ts$/.test(file)).map(Workspace.read)
    const invented = documents.flatMap((file) =>
      blocks(file, "ts")
        .filter(({ text }) => !checked.some((source) => source.includes(text)))
        .map(({ line, text }) => `${file}:${line}: ${text.split("\n")[0]}`)
    )
    assert.deepStrictEqual(invented, [])
    assert.isAbove(documents.flatMap((file) => blocks(file, "ts")).length, 10)
  })

  it("name no place that a reader does not have", () => {
    assert.deepStrictEqual(
      Workspace.linesThat((line) => /\/work\/|\/shared\/|\/tmp\//.test(line), documents),
      []
    )
  })
})

describe("README.md", () => {
  it("shows the plan of the example", () => {
    const plan = Result.getOrThrow(Boot.plan(shortener))
    assert.include(
      blocks("README.md", "mermaid").map(({ text }) => text),
      PlanView.toMermaid(plan)
    )
  })
})

describe("docs/ARCHITECTURE.md", () => {
  const file = "docs/ARCHITECTURE.md"

  it("draws the transitions of a component", () => {
    const picture = blocks(file, "mermaid").find(({ text }) => text.startsWith("stateDiagram"))?.text ?? ""
    const drawn = [...picture.matchAll(/^ {2}(\w+) --> (\w+)$/gm)].map(([, from, to]) => `${from} ${to}`)
    const real = Object.entries(Status.transitions).flatMap(([from, tos]) => tos.map((to) => `${from} ${to}`))
    assert.deepStrictEqual(drawn, real)
  })

  it("names every event", () => {
    const tags = BootEvent.BootEvent.members.map((member) => member.fields._tag.schema.literal)
    const text = rows(file, "## Events").flat().join(" ")
    assert.deepStrictEqual(
      tags.filter((tag) => !text.includes(`\`${tag}\``)),
      []
    )
  })

  it("lists the promises that are checked", () => {
    const told = rows(file, "## What is promised").slice(1)
    assert.deepStrictEqual(
      told,
      Object.entries(Invariants.titles).map(([number, title]) => [number, title])
    )
  })

  it("has every source on its map", () => {
    for (const folder of ["packages/boot/src", "packages/simulation/src"]) {
      const mapped = [
        ...rows(file, `### ${folder}`)
          .map(([names]) => names)
          .join(" ")
          .matchAll(/`([\w.]+)`/g)
      ]
      assert.sameMembers(
        mapped.map(([, name]) => `${folder}/${name}`),
        Workspace.shipped.filter((one) => one.startsWith(`${folder}/`)),
        `the map of ${folder}`
      )
    }
  })
})

describe("docs/OPERATIONS.md", () => {
  const file = "docs/OPERATIONS.md"

  it("lists the exit codes", () => {
    const told = rows(file, "## Exit codes").slice(1)
    assert.deepStrictEqual(
      told.map(([code, meaning]) => `${code} ${meaning}`),
      Report.exitCodes.map(({ code, meaning }) => `${code} ${meaning}`)
    )
  })

  it("explains every field of the report", () => {
    const text = rows(file, "## The report").flat().join(" ")
    assert.deepStrictEqual(
      Object.keys(Report.Report.fields).filter((field) => !text.includes(`\`${field}\``)),
      []
    )
  })
})

describe("docs/decisions", () => {
  const records = documents.filter((file) => file.startsWith("docs/decisions/"))

  it("are numbered without a gap", () => {
    assert.deepStrictEqual(
      records.map((file) => /\/(\d{4})-/.exec(file)?.[1]),
      records.map((_, i) => `${i + 1}`.padStart(4, "0"))
    )
  })

  it("say situation, decision, consequences, and what would change our mind", () => {
    const parts = ["Situation", "Decision", "Consequences", "What would change our mind"]
    const incomplete = records.filter((file) => {
      const text = Workspace.read(file)
      const headings = [...text.matchAll(/^## (.+)$/gm)].map((match) => match[1])
      return !text.includes("\nStatus: ") || headings.join() !== parts.join()
    })
    assert.deepStrictEqual(incomplete, [])
  })
})

describe("docs/CHECKLIST.md", () => {
  const file = "docs/CHECKLIST.md"
  const checklist = prose(file)
    .split("\n")
    .flatMap((line) => /^\| ([A-R]\d+) \| (.+) \| (.+) \| (.*) \|$/.exec(line)?.slice(1) ?? [])

  it("has a state for each of 376 capabilities", () => {
    assert.strictEqual(checklist.length, 4 * 376)
    const states = checklist.filter((_, i) => i % 4 === 2)
    assert.deepStrictEqual(
      states.filter((state) => !/^(?:done|partly|planned: milestone [2-6])$/.test(state)),
      []
    )
  })

  it("names tests that exist", () => {
    const named = [...prose(file).matchAll(/`([^`]+\.test\.ts)` › ([^;|]+?) *(?=[;|])/g)]
    assert.isAbove(named.length, 50)
    const missing = named.filter(([, path = "", name = ""]) => {
      return !Workspace.files.includes(path) || !Workspace.read(path).includes(name)
    })
    assert.deepStrictEqual(
      missing.map(([, path, name]) => `${path}: ${name}`),
      []
    )
  })

  it("calls nothing done without showing it", () => {
    const lines = Workspace.linesThat((line) => /^\| [A-R]\d+ .*\| (?:done|partly) \| *\|$/.test(line), [file])
    assert.deepStrictEqual(lines, [])
  })
})
