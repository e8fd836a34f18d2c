/** What this application offers: checksums of files, worked out by tasks that outlive it. */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiError, HttpApiGroup, HttpApiSchema } from "effect/http-api"

/** `sha256` is `null` while it is not known, and for good when `state` is `failed`. */
export const Checksum = Schema.Struct({
  id: Schema.String,
  path: Schema.String,
  state: Schema.String,
  sha256: Schema.NullOr(Schema.String)
})
export type Checksum = typeof Checksum.Type

const checksums = HttpApiGroup.make("checksums").add(
  HttpApiEndpoint.post("request", "/checksums", {
    payload: Schema.Struct({ path: Schema.NonEmptyString }),
    success: Checksum.pipe(HttpApiSchema.status(202)),
    error: HttpApiError.ServiceUnavailable
  }),
  HttpApiEndpoint.get("find", "/checksums/:id", {
    params: { id: Schema.String },
    success: Checksum,
    error: [HttpApiError.NotFound, HttpApiError.ServiceUnavailable]
  })
)

export const Contract = HttpApi.make("checksums").add(checksums)
