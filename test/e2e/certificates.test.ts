/**
 * Certificates of OpenSSL that are not what they should be, and a real node that has to live with them: its own, that of
 * its database, and those of peers.
 */
import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { connect } from "node:tls"
import { afterAll, afterEach, assert, beforeAll, beforeEach, describe, it } from "vitest"
import { freePort } from "../fixtures/Ports.ts"
import { Authority, hasOpenssl } from "./Authority.ts"
import { Place } from "./Novacron.ts"
import { Postgres } from "./Servers.ts"

const past = ["20200101000000Z", "20200201000000Z"] as const
const future = ["20900101000000Z", "20910101000000Z"] as const

describe.skipIf(!hasOpenssl)("a certificate", () => {
  let [ours, others]: [Authority, Authority] = [undefined!, undefined!]
  let place: Place
  beforeAll(() => {
    ours = new Authority("ours")
    others = new Authority("others")
  })
  afterAll(() => {
    ours.remove()
    others.remove()
  })
  beforeEach(() => {
    place = new Place()
  })
  afterEach(() => place.remove())

  const of = ({ ca, cert, key }: { readonly ca: string; readonly cert: string; readonly key: string }) => ({
    NOVACRON_SYSTEM_NODE_ID: "node-1",
    NOVACRON_SECURITY_TLS_CA: ca,
    NOVACRON_SECURITY_TLS_CERT: cert,
    NOVACRON_SECURITY_TLS_KEY: key
  })

  it("of the node that is good lets it boot", async () => {
    const { code, stderr } = await place.run(["boot", "--exit-when-ready"], of(ours.issue("node-1")))
    assert.strictEqual(code, 0, stderr)
  })

  it.each([
    ["has run out", () => ours.issue("node-1", past), 69, "NVC-2005", /ran out|run out|expired/],
    ["is not valid yet", () => ours.issue("node-1", future), 78, "NVC-2008", /valid from 2090/],
    ["is for another node", () => ours.issue("node-2"), 78, "NVC-2008", /does not name this node, node-1/],
    [
      "is of another CA",
      () => ({ ...others.issue("node-1"), ca: ours.ca }),
      78,
      "NVC-2008",
      /no CA in .* has signed it/
    ],
    [
      "has the key of another",
      () => ({ ...ours.issue("node-1"), key: ours.issue("node-2").key }),
      78,
      "NVC-2008",
      /belong/
    ]
  ] as const)("of the node that %s ends the boot after one attempt", async (_, made, exit, says, reason) => {
    const { code, stderr } = await place.run(["boot"], of(made()))
    assert.strictEqual(code, exit, stderr)
    assert.include(stderr, 'component "security" did not start')
    assert.include(stderr, says)
    assert.match(stderr, reason)
    assert.include(stderr, "tried     once")
    assert.include(stderr, "NOVACRON_SECURITY_TLS_CERT")
    assert.deepStrictEqual(place.leftovers(), [])
  })

  describe("of the database", () => {
    let server: Postgres
    beforeAll(async () => {
      server = await Postgres.make()
    })
    afterAll(() => server.remove())
    afterEach(() => server.down())

    const boot = async (tls: { readonly cert: string; readonly key: string }, ca: string) => {
      server.tls = tls
      await server.up()
      return place.run(["boot", "--exit-when-ready"], {
        NOVACRON_DATABASE_URL: server.url("swordfish", "verify-full"),
        NOVACRON_DATABASE_SSL_ROOT_CERT: ca
      })
    }

    it("that is good is accepted", async () => {
      const { code, stderr } = await boot(ours.issue("database"), ours.ca)
      assert.strictEqual(code, 0, stderr)
    })

    it.each([
      ["has run out", () => ours.issue("database", past)],
      ["is of another CA", () => others.issue("database")]
    ] as const)("that %s ends the boot after one attempt", async (_, made) => {
      const { code, stderr } = await boot(made(), ours.ca)
      assert.strictEqual(code, 69, stderr)
      assert.include(stderr, "NVC-2107")
      assert.include(stderr, "tried     once")
      assert.notInclude(stderr, "swordfish")
      assert.deepStrictEqual(place.leftovers(), [])
    })
  })

  it("of a peer that has run out, or is of another CA, gets it nowhere, and the node stays", async () => {
    const port = await freePort()
    const node = await place.ready([], { ...of(ours.issue("node-1")), NOVACRON_NETWORK_BIND_PORT: `${port}` })
    const good = await greeted(port, ours.issue("node-2"))
    assert.isTrue(good, "a peer of our CA is let in")
    assert.isFalse(await greeted(port, ours.issue("node-3", past)), "one that has run out")
    assert.isFalse(await greeted(port, { ...others.issue("node-4"), ca: ours.ca }), "one of another CA")
    assert.isTrue(await greeted(port, ours.issue("node-5")), "the next good one")
    node.child.kill("SIGTERM")
    assert.strictEqual((await node.ended).code, 0)
  })

  /** Whether the node answers a ping of a peer, in its own words: a length, a kind, and what is meant. */
  const greeted = (port: number, peer: { readonly ca: string; readonly cert: string; readonly key: string }) =>
    new Promise<boolean>((resume) => {
      const [ca, cert, key] = [peer.ca, peer.cert, peer.key].map((path) => readFileSync(path))
      const socket = connect({ host: "127.0.0.1", port, ca: ca!, cert: cert!, key: key!, servername: "node-1" })
      const question = randomBytes(8)
      let heard = Buffer.alloc(0)
      const over = (isIn: boolean) => {
        socket.destroy()
        resume(isIn)
      }
      socket.once("error", () => over(false))
      socket.once("close", () => over(false))
      socket.on("data", (data) => {
        heard = Buffer.concat([heard, data])
        if (heard.includes(question)) over(true)
      })
      socket.write(Buffer.concat([frame(0, Buffer.from("novacron/ping")), frame(1, question)]))
    })

  const frame = (kind: number, payload: Buffer): Buffer => {
    const head = Buffer.alloc(5)
    head.writeUInt32BE(payload.length + 1)
    head.writeUInt8(kind, 4)
    return Buffer.concat([head, payload])
  }
})
