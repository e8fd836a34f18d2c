/** What nodes share, by real nodes as processes: of one alone in its database, of four by decisions although one lies. */
import { generateKeyPairSync } from "node:crypto"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, assert, describe, it } from "vitest"
import { freePorts } from "../../../test/fixtures/Ports.ts"
import { type Answer, Folder, Server, StateNode, Stranger } from "./fixtures/StateNodes.ts"

const patience = 240_000

let folder: Folder
const nodes: Array<StateNode> = []
const servers: Array<{ readonly stop: () => Promise<void> }> = []
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.kill("SIGTERM")))
  await Promise.all(servers.splice(0).map((server) => server.stop()))
  folder.remove()
}, patience)

const made = (node: StateNode): StateNode => {
  nodes.push(node)
  return node
}

describe("the state of a node alone", () => {
  it(
    "is kept in its database, and is there again after kill -9 and another boot",
    async () => {
      folder = new Folder()
      const node = made(new StateNode(folder, "alone", { dwcp: { bind_port: 0 } }))
      await node.start()
      await node.ask("put", "survives", "a value")
      await node.ask("put", "brief", "a value", "ephemeral")
      assert.isTrue((await node.ask("swap", "seat", "", "taken")).swapped)
      const { ass, state } = await node.ask("status")
      assert.strictEqual(state, "up")
      assert.deepInclude(ass?.detail, { engine: "alone", healthy: true })
      assert.include(ass?.detail.detail, "database")
      await node.kill()
      await node.start()
      assert.strictEqual((await node.ask("get", "survives")).value, "a value")
      assert.isFalse((await node.ask("swap", "seat", "", "taken twice")).swapped)
      // Nobody is there whom it belongs to; it goes when the lease of who was killed is over.
      const left = await eventually(
        () => node.ask("get", "brief"),
        ({ value }) => value === undefined
      )
      assert.isUndefined(left.value)
    },
    patience
  )
})

const keyPair = () =>
  generateKeyPairSync("ed25519", {
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" }
  })

const liarProgram = join(import.meta.dirname, "../../dwcp/test/pbft/fixtures/liarReplica.ts")

/** Again and again until it is so. */
const eventually = async <A>(look: () => Promise<A>, isSo: (answer: A) => boolean): Promise<A> => {
  for (let tries = 0; ; tries++) {
    const answer = await look()
    if (isSo(answer) || tries === 600) return answer
    await new Promise((resume) => setTimeout(resume, 50))
  }
}

describe("the decisions of four nodes", () => {
  it(
    "are the same at all of them while one lies, and go on when another one is killed; it comes back and has them all",
    async () => {
      folder = new Folder()
      folder.authority()
      const names = ["n0", "n1", "n2", "n3"]
      const server = new Server()
      servers.push(server)
      await server.start(names)
      const ports = await freePorts(4)
      const keys = names.map(keyPair)
      const members = keys.map(({ publicKey }, k) => ({ host: "127.0.0.1", port: ports[k], public_key: publicKey }))
      const identities = names.map((name) => folder.issue(name))
      const four = names.map((name, k) =>
        made(
          new StateNode(
            folder,
            name,
            {
              database: { url: server.url(name), pool: { min: 1, max: 4 } },
              security: { tls: identities[k] },
              dwcp: {
                bind_port: 0,
                sync: { lease: "2s" },
                consensus: {
                  byzantine_tolerance: true,
                  members,
                  view_change: "2s",
                  tick: "100ms",
                  checkpoint_every: 10
                }
              }
            },
            { "consensus-key": keys[k]!.privateKey }
          )
        )
      )
      const [a, b, c, d] = four
      const [ca, cert, key] = Object.values(identities[3]!).map((path) => folder.read(path))
      const config = join(folder.path, "liar.json")
      const ofLiar = members.map(({ host, port, public_key }) => ({ host, port, publicKey: public_key }))
      const told = { cluster: "novacron", members: ofLiar, privateKey: keys[3]!.privateKey, tls: { ca, cert, key } }
      writeFileSync(config, JSON.stringify(told), { mode: 0o600 })

      // Three that are honest, and one that says whatever it likes.
      const liar = new Stranger(liarProgram, config, { LIES: "anything" })
      servers.push({ stop: () => liar.kill() })
      await Promise.all([liar.up, a!.start(), b!.start(), c!.start()])
      const honest = [a!, b!, c!]
      assert.strictEqual((await a!.ask("put", "greeting", "hello")).value, "hello")
      assert.strictEqual((await b!.ask("get", "greeting")).value, "hello")
      let holder = ""
      for (let round = 0; round < 10; round++) {
        const tried = await Promise.all(honest.map((node, k) => node.ask("swap", "seat", holder, `${round} by ${k}`)))
        const won = tried.flatMap(({ swapped }, k) => (swapped === true ? [k] : []))
        assert.strictEqual(won.length, 1, `one of three gets the seat in round ${round}: ${JSON.stringify(tried)}`)
        holder = `${round} by ${won[0]}`
      }
      const entries = async (node: StateNode) => (await node.ask("list")).entries
      const before = await entries(a!)
      assert.deepStrictEqual(
        before?.map(([key, value]) => [key, value]),
        [
          ["greeting", "hello"],
          ["seat", holder]
        ]
      )
      for (const node of honest) assert.deepStrictEqual(await entries(node), before)

      // The place of the liar is taken by an honest node, which learns all of it.
      await liar.kill()
      await d!.start()
      assert.deepStrictEqual(await entries(d!), before)
      const status = (node: StateNode) => node.ask("status")
      const decisions = ({ ass }: Answer) => ass?.detail.decisions
      const whole = await eventually(
        () => status(d!),
        (it) => decisions(it)?.silent.length === 0
      )
      assert.strictEqual(whole.state, "up", whole.because)
      assert.deepInclude(whole.ass?.detail, { engine: "pbft", healthy: true })
      assert.deepInclude(decisions(whole), { id: 3, faults: 1, silent: [] })
      assert.include(whole.ass?.detail.detail, "nobody is silent")

      // Whoever leads now is killed, in the middle of its work.
      const { primary } = decisions(whole)!
      const leader = four[primary]!
      const others = four.filter((node) => node !== leader)
      await leader.ask("put", "here", "as long as it lives", "ephemeral")
      assert.strictEqual((await others[0]!.ask("get", "here")).value, "as long as it lives")
      const asked = others.map((node, k) => node.ask("put", `after/${k}`, `${k}`))
      await leader.kill()
      for (const answer of await Promise.all(asked)) assert.isUndefined(answer.error)
      const gone = await eventually(
        () => status(others[0]!),
        (it) => decisions(it)?.silent.length === 1
      )
      assert.deepStrictEqual(decisions(gone)?.silent, [primary])
      assert.isAbove(decisions(gone)!.view, 0)
      assert.notStrictEqual(decisions(gone)!.primary, primary)
      assert.include(gone.ass?.detail.detail, `silent: ${primary} (127.0.0.1:${ports[primary]})`)
      assert.include(gone.health, `silent: ${primary}`)
      assert.include(gone.health, `primary ${decisions(gone)!.primary} `)
      // One decides again although one of f is gone: nothing is wrong but that.
      assert.isTrue((await others[1]!.ask("swap", "seat", holder, "without it")).swapped)
      const left = await eventually(
        () => others[2]!.ask("get", "here"),
        ({ value }) => value === undefined
      )
      assert.isUndefined(left.value, "what belonged to it goes with it")
      await leader.start()
      const after = await entries(others[0]!)
      assert.deepStrictEqual(await entries(leader), after)
      assert.strictEqual((await leader.ask("get", "seat")).value, "without it")
      assert.strictEqual(after?.length, 5)
    },
    patience
  )

  it(
    "cannot be had with three of them, or without a key of one: the boot ends with 78 and says what is needed",
    async () => {
      folder = new Folder()
      const keys = Array.from({ length: 4 }, keyPair)
      const members = keys.map(({ publicKey }, k) => ({ host: "127.0.0.1", port: 9_000 + k, public_key: publicKey }))
      const boot = (name: string, list: typeof members, secret: string) =>
        made(
          new StateNode(
            folder,
            name,
            { dwcp: { bind_port: 0, consensus: { byzantine_tolerance: true, members: list } } },
            { "consensus-key": secret }
          )
        ).ends()
      const few = await boot("few", members.slice(1), keys[1]!.privateKey)
      assert.strictEqual(few.code, 78, few.said)
      assert.include(few.said, "dwcp.consensus.members")
      assert.include(few.said, "there are 3 members")
      assert.include(few.said, "3f + 1")
      const strange = await boot("strange", members, keyPair().privateKey)
      assert.strictEqual(strange.code, 78, strange.said)
      assert.include(strange.said, "its key is not that of a member")
    },
    patience
  )
})
