/** PBFT as four processes: killed, cut off, forged at. */
import { afterEach, assert, describe, it } from "vitest"
import { Effect, Redacted, Schema } from "effect"
import { execFileSync } from "node:child_process"
import { generateKeyPairSync, randomBytes } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import * as Net from "node:net"
import { join } from "node:path"
import { Pbft } from "../../src/index.ts"
import * as Codec from "../../src/pbft/Codec.ts"
import * as Processes from "./fixtures/Processes.ts"

let cluster: Processes.Cluster | undefined
afterEach(async () => {
  await cluster?.close()
  cluster = undefined
})

const settings = { viewChange: "2s", tick: "100ms", checkpointEvery: 5 }
const patience = 240_000

const up = async (options: Processes.Options = {}): Promise<Processes.Cluster> => {
  cluster = await Processes.make({ settings, ...options })
  await Promise.all(cluster.members.map((member) => member.start()))
  return cluster
}

const decide = async (member: Processes.Member, text: string): Promise<Processes.Line> => {
  member.say("propose", text)
  return member.until(({ answer }) => answer === text)
}

/** What a member has carried out, by place; a second telling after a start must say the same. */
const history = (member: Processes.Member): ReadonlyMap<number, string> => {
  const places = new Map<number, string>()
  for (const { count, text } of member.lines) {
    if (text === undefined || count === undefined) continue
    const before = places.get(count)
    assert.isTrue(before === undefined || before === text, `${count}: ${before} and ${text}`)
    places.set(count, text)
  }
  return places
}

const agree = (members: ReadonlyArray<Processes.Member>): void => {
  const all = new Map<number, string>()
  for (const member of members) {
    for (const [place, text] of history(member)) {
      assert.strictEqual(all.get(place) ?? text, text, `at ${place}`)
      all.set(place, text)
    }
  }
  assert.strictEqual(new Set(all.values()).size, all.size, "nothing is carried out twice")
}

describe("four replicas as processes", () => {
  it(
    "decide in one order what is proposed at any of them, and say what came of it",
    async () => {
      // No checkpoint: each one tells all of it itself.
      const { members } = await up({ settings: { ...settings, checkpointEvery: 100 } })
      const texts = Array.from({ length: 40 }, (_, k) => `${k}`)
      const answers = await Promise.all(texts.map((text, k) => decide(members[k % 4]!, text)))
      assert.sameMembers(
        answers.map(({ result }) => Number(result)),
        texts.map((_, k) => k + 1)
      )
      await Promise.all(members.map((member) => member.until(({ count }) => count === 40)))
      agree(members)
      for (const member of members) assert.sameMembers([...history(member).values()], texts)
      members[2]!.say("check")
      const { check } = await members[2]!.until((line) => line.check !== undefined)
      assert.deepInclude(check, { id: 2, view: 0, active: true, contradicted: false })
    },
    patience
  )

  it(
    "lose nothing when the primary is killed, and get it back",
    async () => {
      const { members } = await up()
      const [primary, ...others] = members
      await decide(others[0]!, "before")
      await primary!.kill()
      await Promise.all(others.map((member, k) => decide(member, `without ${k}`)))
      agree(members)
      const from = primary!.lines.length
      await primary!.start()
      await Promise.all(others.map((member) => decide(member, `with ${others.indexOf(member)}`)))
      // It has what was decided without it.
      await primary!.until(({ count }) => count === 7, from)
      agree(members)
    },
    patience
  )

  it(
    "go on after all of them were killed at once, and contradict nothing",
    async () => {
      const { members } = await up()
      for (let round = 0; round < 2; round++) {
        const asked = Array.from({ length: 12 }, (_, k) => `${round}.${k}`)
        const answers = asked.map((text, k) => decide(members[k % 4]!, text))
        await Promise.race(answers)
        // Some are decided, some are on their way.
        await Promise.all(members.map((member) => member.kill()))
        await Promise.all(members.map((member) => member.start()))
        await decide(members[round]!, `${round} again`)
        agree(members)
      }
      // What was answered is there; whoever caught up by a state does not tell what it skipped, and another one does.
      const all = new Set(members.flatMap((member) => [...history(member).values()]))
      for (const member of members)
        for (const { answer } of member.lines) if (answer !== undefined) assert.isTrue(all.has(answer))
    },
    patience
  )

  it(
    "bring one that was away for many checkpoints to where they are by their state",
    async () => {
      const { members } = await up()
      const last = members[3]!
      await decide(members[0]!, "0")
      await last.kill()
      for (let k = 1; k <= 25; k++) await decide(members[k % 3]!, `${k}`)
      const from = last.lines.length
      await last.start()
      const { count } = await last.until(({ restored }) => restored !== undefined && restored >= 20, from)
      assert.isAtLeast(count!, 20)
      const { count: all } = await decide(last, "back").then(() => last.until(({ text }) => text === "back", from))
      assert.strictEqual(all, 27)
      agree(members)
    },
    patience
  )

  for (const lies of ["equivocating", "anything"] as const) {
    it(
      `decide in the same order while the primary is a liar (${lies})`,
      async () => {
        cluster = await Processes.make({ settings })
        const [liar, ...honest] = cluster.members
        await Promise.all([liar!.start(lies), ...honest.map((member) => member.start())])
        const texts = Array.from({ length: 18 }, (_, k) => `${k}`)
        await Promise.all(texts.map((text, k) => decide(honest[k % 3]!, text)))
        agree(honest)
        const all = new Set(honest.flatMap((member) => [...history(member).values()]))
        assert.sameMembers([...all], texts)
      },
      patience
    )
  }

  it(
    "go on as seven while one lies and another one is killed at the same time, and know who is silent",
    async () => {
      cluster = await Processes.make({ settings, replicas: 7 })
      const [liar, victim, ...honest] = cluster.members
      await Promise.all([liar!.start("anything"), ...[victim!, ...honest].map((member) => member.start())])
      await decide(honest[0]!, "before")
      const texts = Array.from({ length: 10 }, (_, k) => `${k}`)
      const answers = texts.map((text, k) => decide(honest[k % 5]!, text))
      await victim!.kill()
      await Promise.all(answers)
      agree([victim!, ...honest])
      const all = new Set(honest.flatMap((member) => [...history(member).values()]))
      assert.sameMembers([...all], ["before", ...texts])
      for (;;) {
        const from = honest[0]!.lines.length
        honest[0]!.say("check")
        const { check } = await honest[0]!.until((line) => line.check !== undefined, from)
        if (typeof check === "object" && check.silent.includes(1))
          return assert.deepInclude(check, { faults: 2, id: 2 })
        await new Promise((resume) => setTimeout(resume, 100))
      }
    },
    patience
  )

  it(
    "stop deciding when two of them are gone, and go on when one is back",
    async () => {
      const { members } = await up()
      await decide(members[0]!, "before")
      await Promise.all([members[2]!.kill(), members[3]!.kill()])
      const from = members[1]!.lines.length
      members[1]!.say("propose", "alone")
      members[1]!.say("check")
      const { check } = await members[1]!.until((line) => line.check !== undefined, from)
      if (typeof check === "string") assert.match(check, /3 are needed/)
      await members[3]!.start()
      await members[1]!.until(({ answer }) => answer === "alone", from)
      agree(members)
    },
    patience
  )

  it(
    "take no notice of strangers that send noise, frames without end, and what they have signed themselves",
    async () => {
      const { members } = await up()
      await decide(members[0]!, "before")
      const { port } = members[0]!.config.members[0]!
      const frame = (bytes: Uint8Array): Buffer => {
        const head = Buffer.alloc(4)
        head.writeUInt32BE(bytes.length)
        return Buffer.concat([head, bytes])
      }
      const forged = Codec.encode({
        _tag: "Signed",
        from: 1,
        body: { _tag: "Request", timestamp: 2 ** 50, operations: [Buffer.from("forged")] },
        signature: randomBytes(64)
      })
      for (const bytes of [
        randomBytes(5_000),
        Buffer.alloc(8, 255),
        frame(randomBytes(900)),
        frame(forged),
        frame(Buffer.alloc(0))
      ]) {
        const socket = Net.connect(port, "127.0.0.1")
        socket.on("error", () => socket.destroy())
        await new Promise((resolve) => socket.end(bytes, () => resolve(undefined)))
      }
      await decide(members[0]!, "after")
      agree(members)
      assert.sameMembers([...history(members[0]!).values()], ["before", "after"])
    },
    patience
  )

  it(
    "speak TLS to each other when they are given certificates, and to nobody else",
    async () => {
      const { members } = await up({ tls: certificates })
      await decide(members[1]!, "in secret")
      const { port } = members[0]!.config.members[0]!
      const socket = Net.connect(port, "127.0.0.1")
      socket.on("error", () => socket.destroy())
      const closed = new Promise((resolve) => socket.once("close", resolve))
      socket.write(Buffer.alloc(64, 1))
      await closed
      await decide(members[2]!, "still")
      agree(members)
    },
    patience
  )
})

const certificates = (directory: string): Pbft.Identity => {
  const [key, cert] = [join(directory, "tls.key"), join(directory, "tls.crt")]
  const made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=pbft".split(" ")
  execFileSync("openssl", [...made, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], {
    stdio: "pipe"
  })
  const pem = readFileSync(cert, "utf8")
  return { key: readFileSync(key, "utf8"), cert: pem, ca: pem }
}

// -------------------------------------------------------------------------------------------------------- one that fails

const pair = () =>
  generateKeyPairSync("ed25519", {
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" }
  })

describe("a replica that cannot join says why", () => {
  const keys = Array.from({ length: 4 }, pair)
  const members = keys.map(({ publicKey }) => ({ host: "127.0.0.1", port: 0, publicKey }))
  const options: Pbft.Options = {
    cluster: "test",
    members,
    privateKey: Redacted.make(keys[0]!.privateKey),
    journal: join("/nowhere", "journal")
  }
  const failing = (given: Pbft.Options) =>
    Effect.runPromise(
      Schema.decodeUnknownEffect(Pbft.Settings)({}).pipe(
        Effect.flatMap((settings) => Pbft.make(given, settings)),
        Effect.scoped,
        Effect.flip
      )
    )

  it("with a key that no member has, too few members, twice the same, or another kind of key", async () => {
    const says = async (given: Partial<Pbft.Options>) => (await failing({ ...options, ...given })) + ""
    assert.match(await says({ privateKey: Redacted.make(pair().privateKey) }), /not that of a member/)
    assert.match(await says({ members: members.slice(1) }), /fewer than four/)
    assert.match(await says({ members: [...members, members[0]!] }), /the same key/)
    const rsa = generateKeyPairSync("rsa", {
      modulusLength: 1024,
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" }
    })
    assert.match(await says({ privateKey: Redacted.make(rsa.privateKey) }), /not Ed25519/)
    const none = await says({ privateKey: Redacted.make("secret") })
    assert.match(none, /cannot be read/)
    assert.notMatch(none, /secret/)
  })

  it("without a disk, and with the journal of another replica", async () => {
    cluster = await Processes.make()
    const path = join(cluster.directory, "other")
    writeFileSync(path, Buffer.alloc(100, 7))
    assert.instanceOf(await failing({ ...options, journal: join(path, "journal") }), Pbft.JournalUnusable)
    const error = await failing({ ...options, journal: path })
    assert.instanceOf(error, Pbft.JournalUnusable)
    assert.match(error.message, /another replica/)
  })
})
