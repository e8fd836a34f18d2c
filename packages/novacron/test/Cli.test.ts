import { assert, describe, it } from "@effect/vitest"
import { Completions } from "effect/cli"
import { novacron } from "../src/Cli.ts"

type Descriptor = Completions.CommandDescriptor

/** All commands, by their path. */
const all = (at: Descriptor, path: ReadonlyArray<string> = []): ReadonlyArray<readonly [string, Descriptor]> => [
  [[...path, at.name].join(" "), at],
  ...at.subcommands.flatMap((one) => all(one, [...path, at.name]))
]

describe("the command line", () => {
  const commands = all(Completions.fromCommand(novacron))

  it("has every command of the design", () => {
    const names = commands.map(([path]) => path)
    for (const name of [
      "boot",
      "plan",
      "graph",
      "impact",
      "status",
      "why",
      "health",
      "restore",
      "restart",
      "stop",
      "doctor",
      "trace",
      "trace serve",
      "explain",
      "completion"
    ]) {
      assert.include(names, `novacron ${name}`)
    }
    for (const name of [
      "check",
      "explain",
      "diff",
      "schema",
      "init",
      "encrypt",
      "decrypt",
      "sign",
      "verify",
      "history",
      "rollback"
    ]) {
      assert.include(names, `novacron config ${name}`)
    }
  })

  it("says what is so when a flag is not given", () => {
    const defaults = [
      ["graph", "format", "mermaid"],
      ["stop", "timeout", "90s"],
      ["trace serve", "port", "4318"],
      ["dwcp pack", "budget", "200"],
      ["dwcp pack", "seed", "1"],
      ["dwcp place", "migrations", "0"],
      ["dwcp send", "streams", "auto"],
      ["dwcp send", "congestion", "auto"],
      ["switch serve", "dir", ".novacron-switch"],
      ["rollout", "hold", "10m"],
      ["tasks list", "limit", "50"],
      ["api-token create", "days", "90"]
    ] as const
    for (const [path, name, usual] of defaults) {
      const [, found] = commands.find(([one]) => one === `novacron ${path}`) ?? []
      const description = found?.flags.find((flag) => flag.name === name)?.description ?? ""
      assert.isTrue(description.endsWith(`(default: ${usual})`), `${path} --${name}: ${description}`)
    }
  })

  it("describes every command and every flag", () => {
    for (const [path, { description, flags, subcommands }] of commands) {
      assert.isNotEmpty(description ?? "", path)
      for (const flag of flags) assert.isNotEmpty(flag.description ?? "", `${path} --${flag.name}`)
      // One that does something can be asked to speak JSON; a completion is a script.
      if (subcommands.length === 0 && !path.endsWith("completion")) {
        assert.include(
          flags.map(({ name }) => name),
          "json",
          path
        )
      }
    }
  })
})
