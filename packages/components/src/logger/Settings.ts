/** The settings of the log. */
import { Field } from "@novacron/config"
import { Schema } from "effect"

/** From the least to the most important. */
export const Level = Schema.Literals(["trace", "debug", "info", "warn", "error", "fatal"])
export type Level = typeof Level.Type

export const Settings = Schema.Struct({
  level: Field.withDefault(Level, "info").annotate({
    description: "The least important lines that are written. Can be changed while the node runs."
  }),
  format: Field.withDefault(Schema.Literals(["auto", "json", "pretty"]), "auto").annotate({
    description: "One JSON object in a line, or text for people. `auto`: text on a terminal, JSON off it."
  }),
  output: Field.withDefault(Schema.Literals(["stderr", "stdout", "none"]), "stderr").annotate({
    description: "Where lines go besides the file."
  }),
  file: Schema.optionalKey(
    Schema.NonEmptyString.annotate({ description: "A file for lines as JSON, 0600. None unless it is set." })
  ),
  maxSize: Field.withDefault(Field.size, "64 MiB").annotate({
    description: "How large the file may become before it is put aside under the name FILE.1."
  }),
  maxFiles: Field.withDefault(Field.count, 5).annotate({
    description: "How many files are kept, the one that is written to included."
  }),
  capacity: Field.withDefault(Field.count, 8_192).annotate({
    description: "How many lines may wait to be written. More are dropped, and their number is written later."
  }),
  recent: Field.withDefault(Field.count, 500).annotate({
    description: "How many of the last lines are kept in memory for dumps."
  })
}).annotate({ description: "What is written about the life of the node, and where." })
