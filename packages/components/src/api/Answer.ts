/**
 * What the server answers with: an answer that knows who asked, bears what all answers bear, and leaves in one piece.
 */
import { type OutgoingHttpHeaders, ServerResponse } from "node:http"
import type { Knock } from "./Admission.ts"

/** A request, before anybody has looked at it. */
export interface Arrival {
  readonly knock: Knock
  readonly requestId: string
}

/**
 * An answer with what each of them bears. It is said together with the rest: headers that were set before are taken one by
 * one by Node.
 */
export class Answer extends ServerResponse {
  arrival: Arrival = nobody
  bears: OutgoingHttpHeaders = {}

  override writeHead(status: number, ...rest: ReadonlyArray<unknown>): this {
    const said = rest.find(isHeaders)
    return super.writeHead(status, said === undefined ? this.bears : { ...this.bears, ...said })
  }

  /**
   * One text is all of the body, and its length was said by who made it. Node then writes head, body and end in one go,
   * which it does not where it has to count.
   */
  override end(...last: ReadonlyArray<unknown>): this {
    if (this.writableLength === 0 && typeof last[0] === "string") this.strictContentLength = false
    return Reflect.apply(super.end, this, last)
  }
}

const isHeaders = (it: unknown): it is OutgoingHttpHeaders =>
  typeof it === "object" && it !== null && !Array.isArray(it)

const nobody: Arrival = { knock: { bearer: undefined, certificate: undefined, address: "" }, requestId: "" }
