/** The settings of the ML engine: where models are, and which of them is used. */
import { Field } from "@novacron/config"
import { Schema } from "effect"

const pinned = Schema.optionalKey(Schema.NonEmptyString)

export const Settings = Schema.Struct({
  directory: Field.withDefault(Schema.String, "").annotate({
    description:
      "Where models are: bandwidth/VERSION.bin and placement/VERSION.json. Empty: only what comes with this version."
  }),
  watch: Field.withDefault(Field.duration, "30s").annotate({
    description: "How often it is looked for new versions, once a model is in use."
  }),
  bandwidth: pinned.annotate({
    description: "The version of the bandwidth model; without it the latest, by name."
  }),
  placement: pinned.annotate({
    description: "The version of the placement model; without it the latest, by name."
  })
}).annotate({ description: "Forecasts and rankings for the other parts of the node." })

export type Settings = typeof Settings.Type
