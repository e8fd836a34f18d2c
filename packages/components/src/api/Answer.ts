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
  /** Bytes of the body, as its head says, until some are written. */
  private promised: number | undefined

  override writeHead(status: number, ...rest: ReadonlyArray<unknown>): this {
    const said = rest.find(isHeaders)
    if (said === undefined) return super.writeHead(status, this.bears)
    this.promised = Number(said["content-length"])
    return super.writeHead(status, { ...this.bears, ...said })
  }

  override write(...part: ReadonlyArray<unknown>): boolean {
    this.promised = undefined
    // All its overloads are one function.
    return super.write(...(part as Parameters<ServerResponse["write"]>))
  }

  /**
   * A text that is all of the body leaves with its head, in one write, which Node does not do where it is asked to count
   * what is written: so that is done here.
   */
  override end(...last: ReadonlyArray<unknown>): this {
    const [text] = last
    if (typeof text === "string" && Buffer.byteLength(text) === this.promised) this.strictContentLength = false
    return super.end(...(last as Parameters<ServerResponse["end"]>))
  }
}

const isHeaders = (it: unknown): it is OutgoingHttpHeaders =>
  typeof it === "object" && it !== null && !Array.isArray(it)

const nobody: Arrival = { knock: { bearer: undefined, certificate: undefined, address: "" }, requestId: "" }
