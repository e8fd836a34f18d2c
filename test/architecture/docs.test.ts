/**
 * The documents say what is so: links lead somewhere, code is quoted from code that is checked, pictures and tables are
 * those of the sources, and a capability counts as done only where a test of that name exists.
 */
import { existsSync } from "node:fs"
import { posix } from "node:path"
import { Boot } from "@novacron/boot"
import { BootEvent, Invariants, PlanView, Report, Status } from "@novacron/boot/model"
import { Result } from "effect"
import { ExitCode } from "novacron"
import { assert, describe, it } from "vitest"
import { shortener } from "../../examples/shortener/src/Shortener.ts"
import seeds from "../simulation/seeds.json" with { type: "json" }
import * as Workspace from "./Workspace.ts"

const documents = Workspace.files.filter((file) => /^(?:packages\/[^/]+\/)?README\.md$|^docs\/.*\.md$/.test(file))

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

/** Rows of the tables under a heading, up to the next one, as lists of cells. */
const rows = (file: string, heading: string): ReadonlyArray<ReadonlyArray<string>> => {
  const [, ...sections] = `\n${prose(file)}`.split(/\n(?=#+ )/)
  const section = sections.find((text) => text.startsWith(`${heading}\n`))
  assert.isDefined(section, `${file} has no "${heading}"`)
  return `${section}`
    .split("\n")
    .filter((line) => line.startsWith("| ") && !/^\|[-:| ]+\|$/.test(line))
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

  it("tells of every bug that a seed has found", () => {
    const text = rows("README.md", "## Track record").flat().join("\n")
    assert.deepStrictEqual(
      seeds.map(({ found }) => found).filter((found) => !text.includes(found)),
      []
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

  it("has every source on its map, and nothing else", () => {
    for (const folder of ["packages/boot/src", "packages/simulation/src"]) {
      const names = rows(file, `### ${folder}`).map(([cell]) => cell)
      const mapped = [...names.join(" ").matchAll(/`([\w.]+)`/g)].map(([, name]) => `${folder}/${name}`)
      const real = Workspace.shipped.filter((one) => one.startsWith(`${folder}/`))
      assert.deepStrictEqual(
        { unmapped: real.filter((one) => !mapped.includes(one)), gone: mapped.filter((one) => !real.includes(one)) },
        { unmapped: [], gone: [] }
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

  it("lists the exit codes of the node", () => {
    const told = rows(file, "### Exit codes of the node").slice(1)
    assert.deepStrictEqual(
      told.map(([code, meaning]) => `${code} ${meaning}`),
      Object.entries(ExitCode.meanings).map(([code, meaning]) => `${code} ${meaning}`)
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
  const records = documents.filter((file) => /^docs\/decisions\/\d/.test(file))

  it("are numbered without a gap, and listed", () => {
    assert.deepStrictEqual(
      records.map((file) => /\/(\d{4})-/.exec(file)?.[1]),
      records.map((_, i) => `${i + 1}`.padStart(4, "0"))
    )
    const list = Workspace.read("docs/decisions/README.md")
    assert.deepStrictEqual(
      records.filter((file) => !list.includes(`(${posix.basename(file)})`)),
      []
    )
  })

  it("say which decisions of the sources they take up, and whether they hold", () => {
    const listed = rows("docs/decisions/README.md", "# Decisions").slice(1)
    assert.strictEqual(listed.length, records.length)
    for (const [record = "", , , status = ""] of listed) assert.match(status, /^(?:holds|replaced by )/, record)
    const taken = listed.map(([, , answers]) => answers).filter((answers) => answers !== "–")
    assert.deepStrictEqual(
      taken,
      Array.from({ length: 9 }, (_, i) => `ADR-00${i + 1}`)
    )
  })

  it("say situation, decision, consequences, and what would change our mind", () => {
    const parts = ["Situation", "Decision", "Consequences", "What would change our mind"]
    const headings = (file: string) => [...Workspace.read(file).matchAll(/^## (.+)$/gm)].map((match) => match[1])
    assert.deepStrictEqual(
      records.filter((file) => headings(file).join() !== parts.join()),
      []
    )
  })
})

describe("docs/CHECKLIST.md", () => {
  const file = "docs/CHECKLIST.md"
  const checklist = [...Workspace.read(file).matchAll(/^\| ([A-R]\d+) \| .+? \| (\w+(?: [2-6])?) \| (.+) \|$/gm)].map(
    ([, row = "", state = "", shownBy = ""]) => ({ row, state, shownBy })
  )

  it("has a state for each of 376 capabilities, and counts them", () => {
    assert.strictEqual(new Set(checklist.map(({ row }) => row)).size, 376)
    const counts = Map.groupBy(checklist, ({ state }) => state)
    const told = rows(file, "# Checklist").slice(1, -1)
    assert.deepStrictEqual(
      told.map(([state, count]) => `${state}: ${count}`),
      told.map(([state = ""]) => `${state}: ${counts.get(state)?.length}`)
    )
    assert.sameMembers(
      told.map(([state]) => state),
      [...counts.keys()]
    )
  })

  it("names tests that exist", () => {
    const named = checklist.flatMap(({ row, shownBy }) => namedIn(shownBy).map((test) => ({ row, ...test })))
    assert.isAbove(named.length, 100)
    const missing = named.filter(({ path, title }) => !titles(path).some((pattern) => pattern.test(title)))
    assert.deepStrictEqual(
      missing.map(({ path, row, title }) => `${row}: ${path} “${title}”`),
      []
    )
  })

  it("says what shows that a row is done, and what is missing when it is so in part", () => {
    const unshown = checklist.filter(({ shownBy, state }) =>
      state === "done" ? shownBy === "–" : state === "partly" && !shownBy.includes("missing: ")
    )
    assert.deepStrictEqual(unshown, [])
  })

  it("has rows that sum up others done exactly when all of those are", () => {
    const isDone = new Map(checklist.map(({ row, state }) => [row, state === "done"]))
    const sums = checklist.flatMap(({ row, shownBy, state }) => {
      const [, told = ""] = /^rows? ((?:[A-R]\d*(?:, )?)+)(?:;|$)/.exec(shownBy) ?? []
      const named = told.split(", ").filter((name) => name !== "")
      const all = named.flatMap((name) =>
        checklist.map((one) => one.row).filter((one) => one === name || (name.length === 1 && one.startsWith(name)))
      )
      return named.length === 0 ? [] : [{ row, state, open: all.filter((one) => isDone.get(one) !== true) }]
    })
    assert.isAbove(sums.length, 20)
    assert.deepStrictEqual(
      sums.filter(({ open, state }) => (state === "done") !== (open.length === 0)),
      []
    )
  })
})

describe("docs/SECURITY.md", () => {
  it("names a test that exists for each threat", () => {
    const threats = [...Workspace.read("docs/SECURITY.md").matchAll(/^\| ([TH]\d+) \| .+ \| ([^|]+) \|$/gm)]
    assert.isAbove(threats.length, 20)
    for (const [, threat, shownBy = ""] of threats) {
      const named = namedIn(shownBy)
      assert.isNotEmpty(named, threat)
      for (const { path, title } of named) {
        assert.isTrue(
          titles(path).some((pattern) => pattern.test(title)),
          `${threat}: ${path} “${title}”`
        )
      }
    }
  })
})

/** The tests that a cell names: a file, and the titles after it. Without a folder the file is of the kernel. */
const namedIn = (cell: string): ReadonlyArray<{ readonly path: string; readonly title: string }> => {
  let path = ""
  return [...cell.matchAll(/`([^`]+\.test\.ts)`|“([^”]+)”/g)].flatMap(([, file, title]) => {
    if (file !== undefined) path = file.includes("/") ? file : `packages/boot/test/${file}`
    return title === undefined ? [] : [{ path, title }]
  })
}

/** What the texts of a file can be when the test runs, as patterns: whatever is filled in stands for anything. */
const titles = (file: string): ReadonlyArray<RegExp> => {
  if (!Workspace.files.includes(file)) return []
  return [...Workspace.read(file).matchAll(/"((?:[^"\\\n]|\\.)+)"|`((?:[^`\\]|\\.)+)`/g)].map(
    ([, plain, filled = ""]) => {
      const parts = (plain ?? filled).split(/\$\{[^}]*\}|\$\w+|%[sd]/)
      return new RegExp(`^${parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".+")}$`)
    }
  )
}
