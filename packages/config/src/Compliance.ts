/**
 * What an organization demands of settings, in a file of its own that those who run a node need not be able to write.
 *
 * **Example**
 *
 * ```yaml
 * rules:
 *   - name: tls-1.3
 *     because: PCI DSS 4.2.1 wants strong cryptography
 *     key: security.tls.min_version
 *     is: "1.3"
 *   - name: no-open-door
 *     when: { key: environment.kind, is: internet }
 *     key: network.allow
 *     without: 0.0.0.0/0
 *   - name: short-rotation
 *     key: security.keys.rotation
 *     at_most: 90d
 *     severity: warning
 * ```
 *
 * **Details**
 *
 * A rule says one thing, or several, of which each must hold: `is`, `is_not`, `one_of`, `at_least`, `at_most`, `matches` (a
 * regular expression of the whole value), `without` (of a list), `set` (whether there is a value at all). Numbers, spans of
 * time and sizes are compared as what they are. With `when` it counts only where that holds.
 *
 * A rule about a key that does not exist is an error: one that was misspelt would never be broken.
 *
 * **Gotchas**
 *
 * Of a secret only `set` can be asked.
 */
import { Duration, Effect, Exit, FileSystem, Result, Schema, SchemaParser } from "effect"
import * as Document from "./Document.ts"
import * as Field from "./Field.ts"
import * as Keys from "./Keys.ts"
import * as Mask from "./Mask.ts"
import { codes, didYouMean, type Problem, type Source } from "./Problem.ts"

/** What a broken rule means: `require` ends the boot, `warn` says so and goes on. */
export interface Settings {
  /** The file of rules, YAML or JSON. */
  readonly rules: string
  /** Default: `require`. */
  readonly policy?: "warn" | "require"
}

const Value = Schema.Union([Schema.String, Schema.Finite, Schema.Boolean])

const demands = {
  is: Schema.optionalKey(Value),
  is_not: Schema.optionalKey(Value),
  one_of: Schema.optionalKey(Schema.Array(Value)),
  at_least: Schema.optionalKey(Value),
  at_most: Schema.optionalKey(Value),
  matches: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(200))),
  without: Schema.optionalKey(Value),
  set: Schema.optionalKey(Schema.Boolean)
}

const Condition = Schema.Struct({ key: Schema.NonEmptyString, ...demands })
type Condition = typeof Condition.Type

/** A rule as it is written. */
export const Rule = Schema.Struct({
  name: Schema.NonEmptyString,
  because: Schema.optionalKey(Schema.NonEmptyString),
  severity: Field.withDefault(Schema.Literals(["error", "warning"]), "error"),
  when: Schema.optionalKey(Condition),
  key: Schema.NonEmptyString,
  ...demands
})
export type Rule = typeof Rule.Type

const Rules = Schema.Struct({ rules: Schema.Array(Rule) })

/** What a setting is, and who said so. */
export interface Setting {
  /** As a file would have it, masked. */
  readonly shown: unknown
  readonly isSecret: boolean
  readonly source: Source
}

/** Settings by dotted key; a key that exists and has no value is `undefined`. */
export interface Judged {
  readonly setting: (key: string) => Setting | undefined
  readonly keys: Keys.Keys
}

/** Reads the rules and judges by them: what ends the boot, and what is only said. */
export const check = Effect.fn("Compliance.check")(function* (
  settings: Settings | undefined,
  {
    keys,
    values,
    winners
  }: {
    readonly keys: Keys.Keys
    /** Found out only when there are rules. */
    readonly values: () => ReadonlyMap<string, Omit<Setting, "source">>
    readonly winners: ReadonlyMap<string, { readonly source: Source }>
  }
) {
  if (settings === undefined) return { problems: [], warnings: [] }
  const { problems, rules } = yield* read(settings.rules, keys)
  const all = values()
  const setting = (key: string) => {
    const value = all.get(key)
    return value && { ...value, source: winners.get(key)?.source ?? ({ _tag: "Default" } as const) }
  }
  const found = judge(rules, { keys, setting })
  const isFatal = ({ severity }: Rule) => settings.policy !== "warn" && severity === "error"
  return {
    // Rules that nobody can judge are no reason to go on without them, whatever the policy.
    problems: [...problems, ...found.filter(({ rule }) => isFatal(rule)).map(({ problem }) => problem)],
    warnings: found.filter(({ rule }) => !isFatal(rule)).map(({ problem }) => problem)
  }
})

/** Reads the rules. What is wrong with them is a problem like any other. */
export const read = Effect.fn("Compliance.read")(function* (path: string, keys: Keys.Keys) {
  const problem = (message: string, key = ""): Problem => ({ code: codes.compliance, key, message, source: undefined })
  const files = yield* FileSystem.FileSystem
  const bytes = yield* Effect.result(files.readFile(path))
  if (Result.isFailure(bytes) || bytes.success.length > Document.maxBytes) {
    return { rules: [], problems: [problem(`The file of rules, ${path}, cannot be read.`)] }
  }
  const parsed = Document.read(bytes.success)
  if (parsed._tag === "Faulty") {
    const [{ column, line, message }] = parsed.faults
    return { rules: [], problems: [problem(`The file of rules, ${path}, is not YAML: ${message} (${line}:${column})`)] }
  }
  const decoded = SchemaParser.decodeUnknownExit(Rules)(Document.plain(parsed.item), Keys.strict)
  if (Exit.isFailure(decoded)) {
    const message = `The file of rules, ${path}, is not as it must be: a list \`rules\`, each with a name, a key and what is \
demanded of it.`
    return { rules: [], problems: [problem(message)] }
  }
  const { rules } = decoded.value
  const problems = rules.flatMap((rule) =>
    [rule, ...(rule.when === undefined ? [] : [rule.when])].flatMap((it) => {
      const complaint = senseless(it, keys)
      return complaint === undefined
        ? []
        : [problem(`The rule ${rule.name} of ${path} cannot be judged: ${complaint}`, it.key)]
    })
  )
  return { rules, problems }
})

/** Every rule that is broken. */
export const judge = (
  rules: ReadonlyArray<Rule>,
  { keys, setting }: Judged
): ReadonlyArray<{ readonly rule: Rule; readonly problem: Problem }> =>
  rules.flatMap((rule) => {
    if (rule.when !== undefined && broken(rule.when, setting(rule.when.key)) !== undefined) return []
    const it = setting(rule.key)
    const demanded = broken(rule, it)
    if (demanded === undefined) return []
    const key = Keys.find(keys, rule.key)
    const why = rule.because === undefined ? "" : ` ${rule.because}.`
    const found =
      it === undefined || it.shown === undefined ? "nothing" : it.isSecret ? Mask.hidden : Mask.show(it.shown)
    const problem: Problem = {
      code: codes.compliance,
      key: rule.key,
      message: `This breaks the rule ${rule.name}.${why}`,
      source: it?.source,
      found: Mask.shorten(found),
      allowed: demanded,
      ...(key?._tag === "Key" && key.environment !== undefined ? { environment: key.environment } : {})
    }
    return [{ rule, problem }]
  })

// ----------------------------------------------------------------------------------------------------------- private

/** Why a condition cannot be judged, ever. */
const senseless = ({ key, ...demanded }: Condition, keys: Keys.Keys): string | undefined => {
  const node = Keys.find(keys, key)
  if (node === undefined || node._tag === "Section") {
    const suggestion = didYouMean(
      key,
      keys.leaves.map(({ name }) => name)
    )
    return `there is no setting ${key}.${suggestion === undefined ? "" : ` Did you mean ${suggestion}?`}`
  }
  const said = Object.keys(demands).filter((name) => Object.hasOwn(demanded, name))
  if (said.length === 0) return "nothing is demanded."
  if (node._tag === "Key" && node.isSecret && said.some((name) => name !== "set")) {
    return `${key} is a secret, of which only \`set\` can be asked.`
  }
  if (demanded.matches === undefined) return undefined
  return Result.isSuccess(pattern(demanded.matches)) ? undefined : "what it must match is no regular expression."
}

/** What is demanded and not so; `undefined` when all of it is. */
const broken = (it: Condition, setting: Setting | undefined): string | undefined => {
  const value = setting?.shown
  const isThere = value !== undefined && value !== null
  if (it.set !== undefined && it.set !== isThere) return it.set ? "a value" : "no value"
  if (it.set === false) return undefined
  const { at_least: least, at_most: most, is, is_not: isNot, matches, one_of: oneOf, without } = it
  if (is !== undefined && !same(value, is)) return Mask.show(is)
  if (isNot !== undefined && same(value, isNot)) return `anything but ${Mask.show(isNot)}`
  if (oneOf !== undefined && !oneOf.some((one) => same(value, one))) return oneOf.map(Mask.show).join(" | ")
  if (least !== undefined && !((compared(value, least) ?? -1) >= 0)) return `at least ${Mask.show(least)}`
  if (most !== undefined && !((compared(value, most) ?? 1) <= 0)) return `at most ${Mask.show(most)}`
  if (matches !== undefined && !isMatch(value, matches)) return `what matches ${matches}`
  if (without !== undefined && Array.isArray(value) && value.some((one) => same(one, without))) {
    return `a list without ${Mask.show(without)}`
  }
  return undefined
}

const same = (value: unknown, wanted: string | number | boolean): boolean =>
  value === wanted || compared(value, wanted) === 0 || textOf(value) === textOf(wanted)

/** Negative, 0 or positive, as values of one kind; `undefined` when they have none in common. */
const compared = (value: unknown, wanted: string | number | boolean): number | undefined => {
  for (const measure of [numberOf, spanOf, sizeOf]) {
    const [a, b] = [measure(value), measure(wanted)]
    if (a !== undefined && b !== undefined) return a < b ? -1 : a > b ? 1 : 0
  }
  return undefined
}

const numberOf = (value: unknown): number | undefined => {
  if (typeof value === "number") return value
  return typeof value === "string" && /^-?\d+(?:\.\d+)?$/.test(value) ? Number(value) : undefined
}

const spanOf = (value: unknown): number | undefined => {
  const read = SchemaParser.decodeUnknownExit(Field.duration)(value)
  return Exit.isSuccess(read) ? Duration.toMillis(read.value) : undefined
}

const sizeOf = (value: unknown): bigint | undefined => {
  const read = SchemaParser.decodeUnknownExit(Field.size)(value)
  return Exit.isSuccess(read) ? BigInt(read.value) : undefined
}

const pattern = (text: string) => Result.try(() => new RegExp(`^(?:${text})$`, "u"))

const textOf = (value: unknown): string => (typeof value === "string" ? value : (JSON.stringify(value) ?? ""))

const isMatch = (value: unknown, text: string): boolean => {
  const expression = pattern(text)
  return Result.isSuccess(expression) && expression.success.test(textOf(value).slice(0, 1_000))
}
