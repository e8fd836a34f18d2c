/** The settings of PBA. An empty section forecasts each second with the model that comes with this version. */
import { Field } from "@novacron/config"
import { Schema } from "effect"

export const Settings = Schema.Struct({
  model: Field.withDefault(Schema.String, "").annotate({
    description: "The file of the model; empty for the one that comes with this version."
  }),
  watch: Field.withDefault(Field.duration, "5s").annotate({
    description: "How often the file of the model is looked at; one that has changed is loaded."
  }),
  interval: Field.withDefault(Field.duration, "1s").annotate({
    description: "From one value of a link to the next: what is measured within it counts as one value, its mean."
  }),
  silence: Field.withDefault(Field.duration, "5m").annotate({
    description: "A link of which nothing was measured for that long is forgotten."
  }),
  maxLinks: Field.withDefault(Field.count, 1024).annotate({
    description: "The most links that are remembered, 60 KiB each; then the one silent for longest is forgotten."
  }),
  critical: Field.withDefault(Field.count, 50).annotate({ description: "The weight of critical traffic on a link." }),
  normal: Field.withDefault(Field.count, 30).annotate({ description: "The weight of normal traffic on a link." }),
  background: Field.withDefault(Field.count, 20).annotate({
    description: "The weight of background traffic on a link."
  })
})
