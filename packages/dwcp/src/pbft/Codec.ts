/**
 * Messages and facts as bytes, in one way only: what is signed is what is sent, and what comes from a peer is read within
 * bounds or not at all.
 *
 * **Details**
 *
 * Big-endian. Numbers are whole and safe, digests 32 bytes, signatures 64. A list says its length, which cannot be more
 * than what the rest of the bytes has room for.
 */
import * as M from "./Message.ts"

const signatureBytes = 64
const digestBytes = 32

const bodyTags = [
  "Request",
  "PrePrepare",
  "Prepare",
  "Commit",
  "Checkpoint",
  "ViewChange",
  "NewView",
  "Status",
  "Fetch",
  "Reply"
] as const satisfies ReadonlyArray<M.Body["_tag"]>
const messageTags = ["Signed", "Proposal", "Decided", "Stable", "State"] as const satisfies ReadonlyArray<
  M.Message["_tag"]
>
const factTags = ["Accepted", "Batch", "Prepared", "Left", "Entered", "Kept"] as const satisfies ReadonlyArray<
  M.Fact["_tag"]
>

export const encode = (message: M.Message): Buffer => written((to) => message_(to, message))

/** `undefined` when the bytes are no message, or a message and something else. */
export const decode = (bytes: Uint8Array): M.Message | undefined => read(bytes, readMessage)

export const encodeFact = (fact: M.Fact): Buffer => written((to) => fact_(to, fact))

export const decodeFact = (bytes: Uint8Array): M.Fact | undefined => read(bytes, readFact)

/** What is signed: `domain` keeps the words of one cluster out of another. */
export const signable = (domain: Uint8Array, from: number, body: M.Body): Buffer =>
  written((to) => {
    to.raw(domain)
    to.short(from)
    body_(to, body)
  })

/** What the digest of a batch is taken of. */
export const encodeBatch = (batch: M.Batch): Buffer => written((to) => list(to, batch, signed))

// ------------------------------------------------------------------------------------------------------------- writing

class Writer {
  bytes = Buffer.allocUnsafe(512)
  length = 0
  room(more: number): number {
    const at = this.length
    this.length += more
    if (this.length > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.length, this.bytes.length * 2))
      this.bytes.copy(larger, 0, 0, at)
      this.bytes = larger
    }
    return at
  }
  byte(n: number): void {
    const at = this.room(1)
    this.bytes[at] = n
  }
  short(n: number): void {
    const at = this.room(2)
    this.bytes.writeUInt16BE(n, at)
  }
  number(n: number): void {
    const at = this.room(8)
    this.bytes.writeDoubleBE(n, at)
  }
  raw(bytes: Uint8Array): void {
    const at = this.room(bytes.length)
    this.bytes.set(bytes, at)
  }
  text(bytes: Uint8Array): void {
    const at = this.room(4)
    this.bytes.writeUInt32BE(bytes.length, at)
    this.raw(bytes)
  }
  digest(digest: M.Digest): void {
    const at = this.room(digestBytes)
    this.bytes.fill(0, at, at + digestBytes)
    this.bytes.write(digest, at, digestBytes, "hex")
  }
}

const written = (write: (to: Writer) => void): Buffer => {
  const to = new Writer()
  write(to)
  return to.bytes.subarray(0, to.length)
}

const list = <A>(to: Writer, all: ReadonlyArray<A>, write: (to: Writer, one: A) => void): void => {
  to.short(all.length)
  for (const one of all) write(to, one)
}

const texts = (to: Writer, all: ReadonlyArray<Uint8Array>): void => list(to, all, (_, one) => to.text(one))

const signed = (to: Writer, { body, from, signature }: M.Signed<M.Body>): void => {
  to.short(from)
  body_(to, body)
  to.raw(signature)
}

const certificate = (to: Writer, { prepares, proposal }: M.Certificate): void => {
  signed(to, proposal)
  list(to, prepares, signed)
}

const body_ = (to: Writer, body: M.Body): void => {
  to.byte(bodyTags.indexOf(body._tag))
  switch (body._tag) {
    case "Request":
      to.number(body.timestamp)
      return texts(to, body.operations)
    case "PrePrepare":
    case "Prepare":
    case "Commit":
      to.number(body.view)
      to.number(body.sequence)
      return to.digest(body.digest)
    case "Checkpoint":
      to.number(body.sequence)
      return to.digest(body.digest)
    case "ViewChange":
      to.number(body.view)
      to.number(body.stable)
      list(to, body.proof, signed)
      return list(to, body.prepared, certificate)
    case "NewView":
      to.number(body.view)
      list(to, body.changes, signed)
      return list(to, body.proposals, signed)
    case "Status":
      to.number(body.view)
      to.byte(body.active ? 1 : 0)
      to.number(body.stable)
      return to.number(body.executed)
    case "Fetch":
      return to.number(body.sequence)
    case "Reply":
      to.number(body.view)
      to.number(body.client)
      to.number(body.timestamp)
      to.number(body.sequence)
      return texts(to, body.results)
  }
}

const message_ = (to: Writer, message: M.Message): void => {
  to.byte(messageTags.indexOf(message._tag))
  switch (message._tag) {
    case "Signed":
      return signed(to, message)
    case "Proposal":
      signed(to, message.header)
      return list(to, message.batch, signed)
    case "Decided":
      list(to, message.commits, signed)
      return list(to, message.batch, signed)
    case "Stable":
      return list(to, message.proof, signed)
    case "State":
      list(to, message.proof, signed)
      return to.text(message.bytes)
  }
}

const fact_ = (to: Writer, fact: M.Fact): void => {
  to.byte(factTags.indexOf(fact._tag))
  switch (fact._tag) {
    case "Accepted":
      signed(to, fact.header)
      return list(to, fact.batch, signed)
    case "Batch":
      to.number(fact.sequence)
      return list(to, fact.batch, signed)
    case "Prepared":
      return certificate(to, fact.certificate)
    case "Left":
      return to.number(fact.view)
    case "Entered":
      return signed(to, fact.newView)
    case "Kept":
      list(to, fact.proof, signed)
      return to.text(fact.bytes)
  }
}

// ------------------------------------------------------------------------------------------------------------- reading

class Unreadable extends Error {}

class Reader {
  readonly bytes: Buffer
  at = 0
  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  }
  take(length: number): number {
    const at = this.at
    if (at + length > this.bytes.length) throw new Unreadable("cut")
    this.at += length
    return at
  }
  byte(): number {
    return this.bytes.readUInt8(this.take(1))
  }
  short(): number {
    return this.bytes.readUInt16BE(this.take(2))
  }
  number(): number {
    const n = this.bytes.readDoubleBE(this.take(8))
    // One way only: -0 is written in another one than 0.
    if (!Number.isSafeInteger(n) || n < 0 || Object.is(n, -0)) throw new Unreadable("no number")
    return n
  }
  raw(length: number): Buffer {
    const at = this.take(length)
    return this.bytes.subarray(at, at + length)
  }
  text(): Buffer {
    return this.raw(this.bytes.readUInt32BE(this.take(4)))
  }
  texts(): Array<Buffer> {
    const length = this.short()
    if (length * 4 > this.bytes.length - this.at) throw new Unreadable("cut")
    return Array.from({ length }, () => this.text())
  }
  digest(): M.Digest {
    const at = this.take(digestBytes)
    return this.bytes.toString("hex", at, at + digestBytes)
  }
  list<A>(one: (from: Reader) => A): Array<A> {
    const length = this.short()
    // Whatever is listed has a signature.
    if (length * signatureBytes > this.bytes.length - this.at) throw new Unreadable("cut")
    return Array.from({ length }, () => one(this))
  }
}

const read = <A>(bytes: Uint8Array, reading: (from: Reader) => A): A | undefined => {
  const from = new Reader(bytes)
  try {
    const value = reading(from)
    return from.at === from.bytes.length ? value : undefined
  } catch (error) {
    if (error instanceof Unreadable) return undefined
    throw error
  }
}

/** A signed body of one kind. */
const readSigned =
  <T extends M.Body["_tag"]>(tag: T) =>
  (from: Reader): M.Signed<Extract<M.Body, { readonly _tag: T }>> => {
    const message = readAny(from)
    if (!M.is(message, tag)) throw new Unreadable("another kind")
    return message
  }

const readAny = (from: Reader): M.Signed<M.Body> => {
  const by = from.short()
  const body = readBody(from)
  return { _tag: "Signed", from: by, body, signature: from.raw(signatureBytes) }
}

const readCertificate = (from: Reader): M.Certificate => ({
  proposal: readSigned("PrePrepare")(from),
  prepares: from.list(readSigned("Prepare"))
})

const kind = <T>(tags: ReadonlyArray<T>, from: Reader): T => {
  const tag = tags[from.byte()]
  if (tag === undefined) throw new Unreadable("no kind")
  return tag
}

const readBody = (from: Reader): M.Body => {
  const _tag = kind(bodyTags, from)
  switch (_tag) {
    case "Request":
      return { _tag, timestamp: from.number(), operations: from.texts() }
    case "PrePrepare":
    case "Prepare":
    case "Commit":
      return { _tag, view: from.number(), sequence: from.number(), digest: from.digest() }
    case "Checkpoint":
      return { _tag, sequence: from.number(), digest: from.digest() }
    case "ViewChange":
      return {
        _tag,
        view: from.number(),
        stable: from.number(),
        proof: from.list(readSigned("Checkpoint")),
        prepared: from.list(readCertificate)
      }
    case "NewView":
      return {
        _tag,
        view: from.number(),
        changes: from.list(readSigned("ViewChange")),
        proposals: from.list(readSigned("PrePrepare"))
      }
    case "Status": {
      const view = from.number()
      const active = from.byte()
      if (active > 1) throw new Unreadable("neither yes nor no")
      return { _tag, view, active: active === 1, stable: from.number(), executed: from.number() }
    }
    case "Fetch":
      return { _tag, sequence: from.number() }
    case "Reply":
      return {
        _tag,
        view: from.number(),
        client: from.number(),
        timestamp: from.number(),
        sequence: from.number(),
        results: from.texts()
      }
  }
}

const readMessage = (from: Reader): M.Message => {
  const _tag = kind(messageTags, from)
  switch (_tag) {
    case "Signed":
      return readAny(from)
    case "Proposal":
      return { _tag, header: readSigned("PrePrepare")(from), batch: from.list(readSigned("Request")) }
    case "Decided":
      return { _tag, commits: from.list(readSigned("Commit")), batch: from.list(readSigned("Request")) }
    case "Stable":
      return { _tag, proof: from.list(readSigned("Checkpoint")) }
    case "State":
      return { _tag, proof: from.list(readSigned("Checkpoint")), bytes: from.text() }
  }
}

const readFact = (from: Reader): M.Fact => {
  const _tag = kind(factTags, from)
  switch (_tag) {
    case "Accepted":
      return { _tag, header: readSigned("PrePrepare")(from), batch: from.list(readSigned("Request")) }
    case "Batch":
      return { _tag, sequence: from.number(), batch: from.list(readSigned("Request")) }
    case "Prepared":
      return { _tag, certificate: readCertificate(from) }
    case "Left":
      return { _tag, view: from.number() }
    case "Entered":
      return { _tag, newView: readSigned("NewView")(from) }
    case "Kept":
      return { _tag, proof: from.list(readSigned("Checkpoint")), bytes: from.text() }
  }
}
