import { assert, describe, it } from "@effect/vitest"
import { Completions } from "effect/cli"
import * as BootCli from "../src/BootCli.ts"
import * as Cli from "../src/Cli.ts"

const subcommands = (root: typeof Cli.novacron) => Completions.fromCommand(root).subcommands

describe("the command line of a boot", () => {
  it("is what the whole command line says of it, and nothing else", () => {
    const own = subcommands(BootCli.novacron)
    assert.deepStrictEqual(
      own.map(({ name }) => name),
      ["boot"]
    )
    assert.isNotEmpty(own[0]?.flags ?? [])
    assert.deepStrictEqual(
      own[0],
      subcommands(Cli.novacron).find(({ name }) => name === "boot")
    )
  })
})
