/** The style guide, as far as a machine can read it. What fails here names the file and the line. */
import { assert, describe, it } from "vitest"
import * as Workspace from "./Workspace.ts"

/** Sources of `packages/*` without a test of the same name, and why. */
const untested: { readonly [file: string]: string } = {
  "packages/api/src/Client.ts": "used by the tests of the server, in components",
  "packages/api/src/Events.ts": "words, told by Sockets",
  "packages/api/src/Node.ts": "words, told by Rest",
  "packages/api/src/Tasks.ts": "words, held against the wire",
  "packages/api/src/Tokens.ts": "words, told by Rest",
  "packages/boot/src/Checker.ts": "what Invariants has noted, tested where it is judged",
  "packages/boot/src/Forecast.ts": "a part of Plan, whose front door it is tested through",
  "packages/boot/src/Problem.ts": "a part of Plan, whose front door it is tested through",
  "packages/boot/src/ProgressState.ts": "the state of Progress, tested where it changes",
  "packages/boot/src/Promises.ts": "words, which the tests of Invariants count",
  "packages/boot/src/Reasons.ts": "a part of Report, whose front door it is tested through",
  "packages/boot/src/ReportFold.ts": "a part of Report, whose front door it is tested through",
  "packages/boot/src/ReportText.ts": "a part of Report, whose front door it is tested through",
  "packages/boot/src/ReportView.ts": "what a report says, tested through Report",
  "packages/components/src/api/Api.ts": "the words of the service",
  "packages/components/src/api/Hints.ts": "headers, tested through Rest and Door",
  "packages/components/src/api/Reference.ts": "a page, tested through Server",
  "packages/components/src/api/StandardServices.ts": "a part of Grpc, tested through buf curl",
  "packages/components/src/api/wire/HealthProto.ts": "generated; Wire holds that it is up to date",
  "packages/components/src/api/wire/NodeProto.ts": "generated; Wire holds that it is up to date",
  "packages/components/src/api/wire/ReflectionProto.ts": "generated; Wire holds that it is up to date",
  "packages/components/src/api/wire/TasksProto.ts": "generated; Wire holds that it is up to date",
  "packages/components/src/api/wire/TokensProto.ts": "generated; Wire holds that it is up to date",
  "packages/components/src/database/Database.ts": "the tag, and what settings say by themselves, tested through Live",
  "packages/components/src/orchestration/Driver.ts": "types, and one error, tested with Programs and VmDriver",
  "packages/components/src/orchestration/Live.ts": "the service itself, tested through Component",
  "packages/components/src/orchestration/Start.ts": "how it starts, tested through Component",
  "packages/components/src/orchestration/Orchestration.ts": "the tag and its errors, tested through Component",
  "packages/components/src/orchestration/OrchestrationError.ts": "sentences, which the runbooks explain",
  "packages/components/src/security/Start.ts": "how it starts, tested through Component",
  "packages/dashboard/src/Picture.ts": "types, and the size of a box, tested with Layout",
  "packages/dwcp/src/pbft/Message.ts": "types, and one line that Codec and Replica live by",
  "packages/dwcp/src/pbft/Places.ts": "a part of Replica, tested in its simulation",
  "packages/novacron/src/AdviceCli.ts": "a part of Cli, whose front door it is tested through",
  "packages/novacron/src/CommandFlags.ts": "a part of Cli, whose front door it is tested through",
  "packages/novacron/src/CommandLine.ts": "the process around a command line, tested end to end through main",
  "packages/novacron/src/CompiledCode.ts": "shown by a process that is killed, in test/e2e/compiled.test.ts",
  "packages/novacron/src/DwcpCli.ts": "a part of Cli, whose front door it is tested through",
  "packages/novacron/src/NodeApi.ts": "how commands ask the API, tested through Commands/Tasks",
  "packages/novacron/src/RolloutCli.ts": "a part of Cli, whose front door it is tested through",
  "packages/novacron/src/TasksCli.ts": "a part of Cli, whose front door it is tested through",
  "packages/novacron/src/mainBoot.ts": "an entry: BootCli in this process, as the bundle runs it"
}

/** The limits of a line, and of a shipped file. Code is laid out at 120; a sentence may end a word later. */
const maxColumns = 126
const maxLines = 620

// Spelled in halves, or this file would break its own rules.
const unfinished = new RegExp(`\\b(?:${["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|")})\\b`)
const focused = /\b(?:it|test|describe|layer)(?:\.\w+)*\.(?:only|skip|todo)\b/
const nameless = /^(?:.*[-.]|.*[a-z](?=[A-Z]))?(?:utils?|helpers?|common|managers?)$/i
const registries = [
  ["registry", "npmjs"],
  ["registry", "yarnpkg"],
  ["registry", "npmmirror"],
  ["deb", "debian"],
  ["security", "debian"],
  ["archive", "ubuntu"],
  ["files", "pythonhosted"],
  ["pypi", "org"],
  ["crates", "io"],
  ["proxy", "golang"],
  ["rubygems", "org"],
  ["repo1", "maven"]
].map((host) => host.join("."))

/** The glossary's words to avoid, with the word to use. Only names that leave their file are held against it. */
const glossary: ReadonlyArray<readonly [avoid: RegExp, use: string]> = [
  [/plugin/i, "component"],
  [/undo/i, "rollback"],
  [/recovery|heal(?!th)/i, "restoration"],
  [/default(?:Component|Service|Layer)|mock/i, "fallback"],
  [/profile/i, "environment"]
]

const exported = /^export (?:declare )?(?:abstract )?(?:const|let|class|interface|type|function\*?|namespace) (\w+)/

/** A front door only lets in. */
const door = /\/(?:early|index|model|main)\.ts$/

const linesOf = (file: string): ReadonlyArray<string> => Workspace.read(file).split("\n")

describe("the workspace", () => {
  it("is there to be judged", () => {
    assert.include(Workspace.sources, "test/architecture/tidy.test.ts")
    assert.isNotEmpty(Workspace.shipped)
  })

  it("leaves nothing for later", () => {
    assert.deepStrictEqual(
      Workspace.linesThat((line) => unfinished.test(line), Workspace.sources),
      []
    )
  })

  it("runs all of its tests", () => {
    assert.deepStrictEqual(
      Workspace.linesThat((line) => focused.test(line), Workspace.sources),
      []
    )
  })

  it(`keeps lines within ${maxColumns} columns`, () => {
    assert.deepStrictEqual(
      Workspace.linesThat((line) => line.length > maxColumns, Workspace.sources),
      []
    )
  })

  it("gives every file a name that names an idea", () => {
    const stems = (file: string): ReadonlyArray<string> =>
      file.split("/").map((part) => part.replace(/(?:\.test)?\.[cm]?[jt]sx?$/, ""))
    assert.deepStrictEqual(
      Workspace.sources.filter((file) => stems(file).some((stem) => nameless.test(stem))),
      []
    )
  })

  it("names no package registry", () => {
    const texts = Workspace.files.filter((file) => !Workspace.read(file).includes("\0"))
    assert.deepStrictEqual(
      Workspace.linesThat((line) => registries.some((host) => line.includes(host)), texts),
      []
    )
  })
})

describe("what is shipped", () => {
  it(`keeps files within ${maxLines} lines`, () => {
    const long = Workspace.shipped
      .map((file) => ({ file, lines: linesOf(file).length - 1 }))
      .filter(({ lines }) => lines > maxLines)
    assert.deepStrictEqual(long, [])
  })

  it("says at the top of each file what it is for", () => {
    assert.deepStrictEqual(
      Workspace.shipped.filter((file) => !/^(?:#!.*\n)?\/\*\*/.test(Workspace.read(file))),
      []
    )
  })

  it("has a test for each file, under the same name", () => {
    const mirrors = Workspace.shipped
      .filter((file) => !door.test(file))
      .map((file) => ({ file, test: file.replace("/src/", "/test/").replace(/(\.tsx?)$/, ".test$1") }))
    const alone = mirrors.filter(({ test }) => !Workspace.sources.includes(test)).map(({ file }) => file)
    assert.deepStrictEqual(
      alone.filter((file) => untested[file] === undefined),
      []
    )
    const excusedForNothing = Object.keys(untested).filter((file) => !alone.includes(file))
    assert.deepStrictEqual(excusedForNothing, [])
  })

  it("speaks the words of the glossary", () => {
    const wrong = Workspace.shipped.flatMap((file) =>
      linesOf(file).flatMap((line, i) => {
        const name = exported.exec(line)?.[1] ?? ""
        return glossary.filter(([avoid]) => avoid.test(name)).map(([, use]) => `${file}:${i + 1}: ${name}, say ${use}`)
      })
    )
    assert.deepStrictEqual(wrong, [])
  })
})
