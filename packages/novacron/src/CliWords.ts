/** How the command line speaks: its help, and what it says of a line that it does not understand. */
import * as Effect from "effect/Effect"
import * as CliOutput from "effect/cli/CliOutput"
import type * as HelpDoc from "effect/cli/HelpDoc"
import * as Console from "effect/Console"

/**
 * Help goes to stdout when somebody asked for it; a command line that nobody understands is told so on stderr, in short, and
 * like every other error on stdout too, for those who read JSON.
 */
export const presenter = (args: ReadonlyArray<string>): CliOutput.Presenter => ({
  present: (event) =>
    event._tag !== "InvalidInvocation"
      ? CliOutput.defaultPresenter.present(event)
      : Effect.gen(function* () {
          const { commandPath, errors } = event
          const said = errors.map((error) => plain(error.message))
          if (wantsJson(args)) yield* Console.log(JSON.stringify({ error: { message: said.join("\n"), exit: 64 } }))
          for (const line of said) yield* Console.error(line)
          yield* Console.error(`More: ${commandPath.join(" ")} --help`)
        })
})

/** What is behind two dashes belongs to somebody else. */
const wantsJson = (args: ReadonlyArray<string>): boolean => {
  const end = args.indexOf("--")
  return (end < 0 ? args : args.slice(0, end)).includes("--json")
}

/** The parser says of `-s cores` three times what it expects, and of numbers what they are to JavaScript. */
const plain = (message: string): string =>
  message
    .replace(/Expected: Invalid key=value format\..*$/, "Expected: key=value")
    .replace("Expected a string representing a finite number", "Expected: a number")
    .replace("Expected an integer", "Expected: a whole number")

/** Help that shows examples before everything else. */
export const formatter = (options: { readonly colors: boolean }): CliOutput.Formatter => {
  const usual = CliOutput.defaultFormatter(options)
  return {
    formatCliError: usual.formatCliError,
    formatError: usual.formatError,
    formatErrors: usual.formatErrors,
    formatVersion: usual.formatVersion,
    formatHelpDoc: (doc) => {
      const { examples = [], ...rest } = doc
      const body = usual.formatHelpDoc(rest)
      return examples.length === 0 ? body : `${formatExamples(examples, options.colors)}\n\n${body}`
    }
  }
}

const formatExamples = (examples: ReadonlyArray<HelpDoc.ExampleDoc>, colors: boolean): string => {
  const width = Math.max(...examples.map(({ command }) => command.length))
  const title = colors ? "\u001b[1mEXAMPLES\u001b[0m" : "EXAMPLES"
  return [
    title,
    ...examples.map(({ command, description = "" }) => `  ${command.padEnd(width)}  ${description}`.trimEnd())
  ].join("\n")
}
