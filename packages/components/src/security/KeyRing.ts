/**
 * The keys that encrypt what a node keeps: a master key that encrypts nothing but data keys, and data keys that are
 * exchanged when they are old.
 *
 * **Details**
 *
 * A data key is *next* from when it is written until it is pointed to, then *current*, the one that seals, then *previous*:
 * it opens what it has sealed until its overlap is over, and is removed. A rotation writes the next key, reads it back and
 * tries it, moves the pointer, and removes what is over, each step durable before the next one begins. Whatever stops it,
 * the pointer leads to a key that works: before the pointer has moved the old one goes on, and the next boot continues
 * with the key that is already written.
 *
 * A sealed value is `version 1 (1 byte) ‖ number of the key (4) ‖ nonce (12) ‖ ciphertext ‖ tag (16)`, AES-256-GCM. The
 * first five bytes and the context are authenticated with it.
 *
 * **Gotchas**
 *
 * A master key that is gone is never replaced: everything that was ever sealed would be lost without a word.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"
import { Clock, Duration, Effect, Option, Schema, Semaphore } from "effect"
import type { Failure as Unprivate, PrivateFiles } from "./PrivateFiles.ts"
import { CannotOpen, KeyMaterialUnusable } from "./Security.ts"

export interface KeyRing {
  /** Encrypts with the current key, for one place. */
  readonly seal: (plain: Uint8Array, context: string) => Effect.Effect<Uint8Array>
  /** Decrypts with the key that sealed, if it is still there and the place is the same. */
  readonly open: (sealed: Uint8Array, context: string) => Effect.Effect<Uint8Array, CannotOpen>
  /** Exchanges the current key when it is due; yields whether it was. When it fails, the old one stays. */
  readonly rotateWhenDue: Effect.Effect<boolean, Unprivate>
  /** The numbers of the keys: of the one that seals, and of those that only open. */
  readonly numbers: Effect.Effect<{ readonly current: number; readonly previous: ReadonlyArray<number> }>
  /** Overwrites the keys in memory. Nothing seals or opens after it. */
  readonly wipe: Effect.Effect<void>
}

export interface Options {
  readonly files: PrivateFiles
  /** The master key; `None` for the one in the folder, which is made when the folder is new. It is wiped with the ring. */
  readonly master: Option.Option<Buffer>
  /** The age at which a key is exchanged. */
  readonly rotation: Duration.Duration
  /** How long an exchanged key still opens. */
  readonly overlap: Duration.Duration
}

/** Opens the key ring of a folder; in a new one, makes it. */
export const make = Effect.fn("KeyRing.make")(function* (options: Options) {
  const { files, overlap, rotation } = options
  const names = yield* files.names
  const master = Option.isSome(options.master) ? options.master.value : yield* masterOf(files, names)
  const keys = new Map<number, DataKey>()
  let isWiped = false

  const load = (number: number) =>
    Effect.flatMap(files.read(nameOf(number)), (content) => unwrap(master, files.path(nameOf(number)), number, content))

  /** Writes the next key, or takes the one that an earlier rotation has written; reads it back, and tries it. */
  const prepare = Effect.fnUntraced(function* (number: number, isWritten: boolean) {
    if (!isWritten) {
      const key = randomBytes(keyBytes)
      yield* files.write(nameOf(number), wrap(master, { number, createdAtMs: yield* Clock.currentTimeMillis, key }))
      key.fill(0)
    }
    const next = yield* load(number)
    const path = files.path(nameOf(number))
    yield* openWith(next, sealWith(next, probe, ""), "").pipe(
      Effect.mapError((cause) => new KeyMaterialUnusable({ path, reason: "it does not open what it seals", cause }))
    )
    return next
  })

  const written = numbersOf(names)
  const pointer = yield* Effect.flatMap(files.read(pointerName), (content) =>
    Option.match(content, {
      // The first boot, or one that did not come to an end.
      onNone: () =>
        Effect.gen(function* () {
          const number = written.at(-1)
          const first = yield* prepare(number ?? 1, number !== undefined)
          const pointer: Pointer = { current: first.number, previous: [] }
          yield* files.write(pointerName, encodePointer(pointer))
          return pointer
        }),
      onSome: (bytes) => decodePointer(files.path(pointerName), bytes)
    })
  )
  let { current, previous } = pointer
  for (const number of [current, ...previous.map((key) => key.number)]) keys.set(number, yield* load(number))

  const isDue = Effect.map(Clock.currentTimeMillis, (nowMs) => {
    const key = keys.get(current)
    return key !== undefined && nowMs - key.createdAtMs >= Duration.toMillis(rotation)
  })

  const rotate = Effect.gen(function* () {
    const isLeft = numbersOf(yield* files.names).find((number) => number > current)
    const next = yield* prepare(isLeft ?? current + 1, isLeft !== undefined).pipe(
      // What cannot be used is not tried again: the next rotation writes another one.
      Effect.tapError(() => Effect.ignore(files.remove(nameOf(isLeft ?? current + 1))))
    )
    const nowMs = yield* Clock.currentTimeMillis
    const retired = [{ number: current, retiredAtMs: nowMs }, ...previous]
    const kept = retired.filter(({ retiredAtMs }) => nowMs - retiredAtMs <= Duration.toMillis(overlap))
    yield* files.write(pointerName, encodePointer({ current: next.number, previous: kept }))
    keys.set(next.number, next)
    current = next.number
    previous = kept
  })

  /** Removes what nothing points to any more, whenever it was that it was left there. */
  const tidy = Effect.gen(function* () {
    const kept = new Set(previous.map(({ number }) => number))
    const over = numbersOf(yield* files.names).filter((number) => number < current && !kept.has(number))
    for (const number of over) {
      keys.get(number)?.key.fill(0)
      keys.delete(number)
      yield* files.remove(nameOf(number))
    }
  })

  const turn = yield* Semaphore.make(1)
  const keyOf = (number: number) => (isWiped ? undefined : keys.get(number))

  const ring: KeyRing = {
    seal: (plain, context) =>
      Effect.suspend(() => {
        const key = keyOf(current)
        return key === undefined
          ? Effect.die(new Error("Something is sealed after security was stopped."))
          : Effect.succeed(sealWith(key, plain, context))
      }),
    open: (sealed, context) =>
      Effect.suspend(() => {
        const key = keyOf(sealed.length < headBytes ? -1 : new DataView(sealed.buffer, sealed.byteOffset).getUint32(1))
        return key === undefined
          ? new CannotOpen({ context })
          : Effect.map(openWith(key, sealed, context), (plain) => new Uint8Array(plain))
      }),
    rotateWhenDue: turn.withPermit(
      Effect.gen(function* () {
        const due = yield* isDue
        if (due) yield* rotate
        yield* tidy
        return due
      })
    ),
    numbers: Effect.sync(() => ({ current, previous: previous.map(({ number }) => number) })),
    wipe: Effect.sync(() => {
      isWiped = true
      master.fill(0)
      for (const { key } of keys.values()) key.fill(0)
      keys.clear()
    })
  }
  return ring
})

// ----------------------------------------------------------------------------------------------------------- private

interface DataKey {
  readonly number: number
  readonly createdAtMs: number
  readonly key: Buffer
}

interface Pointer extends Schema.Schema.Type<typeof Pointer> {}
const Pointer = Schema.Struct({
  current: Schema.Int,
  previous: Schema.Array(Schema.Struct({ number: Schema.Int, retiredAtMs: Schema.Finite }))
})

const Wrapped = Schema.Struct({ createdAtMs: Schema.Finite, key: Schema.String })

const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16
const headBytes = 5
const version = 1

const masterName = "master.key"
const pointerName = "keys.json"
const nameOf = (number: number): string => `data-${number}.key`

const probe = Buffer.from("novacron")

/** The keys of a folder, the oldest first. */
const numbersOf = (names: ReadonlyArray<string>): ReadonlyArray<number> =>
  names
    .flatMap((name) => /^data-(\d+)\.key$/.exec(name)?.[1] ?? [])
    .map(Number)
    .toSorted((a, b) => a - b)

const masterOf = Effect.fnUntraced(function* (files: PrivateFiles, names: ReadonlyArray<string>) {
  const content = yield* files.read(masterName)
  const path = files.path(masterName)
  if (Option.isSome(content)) {
    const key = Buffer.from(content.value)
    if (key.length !== keyBytes) return yield* new KeyMaterialUnusable({ path, reason: "it is not 32 bytes long" })
    return key
  }
  if (names.includes(pointerName) || numbersOf(names).length > 0) {
    return yield* new KeyMaterialUnusable({ path, reason: "it is gone, and there are keys that only it opens" })
  }
  const key = randomBytes(keyBytes)
  yield* files.write(masterName, key)
  return key
})

const encrypt = (key: Buffer, plain: Uint8Array, bound: Uint8Array): Buffer => {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(bound)
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** Throws when it was changed, or encrypted by another key. */
const decrypt = (key: Buffer, sealed: Uint8Array, bound: Uint8Array): Buffer => {
  const tagAt = sealed.length - tagBytes
  if (tagAt < nonceBytes) throw new Error("It is too short to have been sealed.")
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, nonceBytes))
  decipher.setAAD(bound).setAuthTag(sealed.subarray(tagAt))
  return Buffer.concat([decipher.update(sealed.subarray(nonceBytes, tagAt)), decipher.final()])
}

const sealWith = ({ key, number }: DataKey, plain: Uint8Array, context: string): Uint8Array => {
  const head = Buffer.alloc(headBytes)
  head.writeUInt8(version)
  head.writeUInt32BE(number, 1)
  return new Uint8Array(Buffer.concat([head, encrypt(key, plain, Buffer.concat([head, Buffer.from(context)]))]))
}

const openWith = ({ key }: DataKey, sealed: Uint8Array, context: string): Effect.Effect<Buffer, CannotOpen> =>
  Effect.try({
    try: () => {
      const head = sealed.subarray(0, headBytes)
      return decrypt(key, sealed.subarray(headBytes), Buffer.concat([head, Buffer.from(context)]))
    },
    catch: (cause) => new CannotOpen({ context, cause })
  })

const wrap = (master: Buffer, { createdAtMs, key, number }: DataKey): Uint8Array => {
  const wrapped = encrypt(master, key, boundTo(number, createdAtMs)).toString("base64")
  return Buffer.from(JSON.stringify({ createdAtMs, key: wrapped }))
}

const unwrap = (master: Buffer, path: string, number: number, content: Option.Option<Uint8Array>) =>
  Effect.gen(function* () {
    if (Option.isNone(content)) return yield* new KeyMaterialUnusable({ path, reason: "it is gone" })
    const { createdAtMs, key } = yield* parse(Wrapped, path, content.value)
    return yield* Effect.try({
      try: (): DataKey => ({
        number,
        createdAtMs,
        key: decrypt(master, Buffer.from(key, "base64"), boundTo(number, createdAtMs))
      }),
      catch: (cause) => new KeyMaterialUnusable({ path, reason: "the master key does not open it", cause })
    })
  })

/** A wrapped key cannot take the place, or the age, of another one. */
const boundTo = (number: number, createdAtMs: number): Buffer =>
  Buffer.from(`novacron data key ${number} ${createdAtMs}`)

const encodePointer = (pointer: Pointer): Uint8Array => Buffer.from(`${JSON.stringify(pointer, null, 2)}\n`)
const decodePointer = (path: string, content: Uint8Array) => parse(Pointer, path, content)

const parse = <A>(schema: Schema.Codec<A, unknown>, path: string, content: Uint8Array) =>
  Schema.decodeUnknownEffect(Schema.fromJsonString(schema))(Buffer.from(content).toString()).pipe(
    // What was read is not shown: it may be half of a key.
    Effect.mapError(() => new KeyMaterialUnusable({ path, reason: "what it says is not what was written there" }))
  )
