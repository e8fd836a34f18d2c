import { BlockList } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Exit, Option, Schema } from "effect"
import * as fc from "fast-check"
import * as Cidr from "../../src/network/Cidr.ts"

const networkOf = (text: string) => Option.getOrThrowWith(Cidr.parse(text), () => new Error(`${text} is no network`))

const shortAddress = fc.ipV4()
const longAddress = fc.ipV6()

/** A network of the family, made from an address and a prefix. */
const around = (address: string, prefix: number): Cidr.Network => {
  const { bits, family } = networkOf(address)
  const behind = BigInt((family === 4 ? 32 : 128) - prefix)
  return { family, prefix, bits: (bits >> behind) << behind }
}

/** The same network, as Node understands it. */
const listOf = (network: Cidr.Network) => {
  const list = new BlockList()
  const [address = ""] = Cidr.show(network).split("/")
  list.addSubnet(address, network.prefix, network.family === 4 ? "ipv4" : "ipv6")
  return list
}

const isMapped = (address: string) => networkOf(address).family === 4

describe("a network", () => {
  it("includes an address of four numbers exactly when Node says so", () => {
    let included = 0
    fc.assert(
      fc.property(shortAddress, shortAddress, fc.integer({ min: 0, max: 32 }), (base, address, prefix) => {
        const network = around(base, prefix)
        const expected = listOf(network).check(address, "ipv4")
        if (expected) included++
        assert.strictEqual(Cidr.includes(network, address), expected)
        assert.isTrue(Cidr.includes(network, base))
      })
    )
    assert.isAbove(included, 3)
  })

  it("includes a long address exactly when Node says so", () => {
    fc.assert(
      fc.property(longAddress, longAddress, fc.integer({ min: 0, max: 128 }), (base, address, prefix) => {
        fc.pre(!isMapped(base) && !isMapped(address))
        const network = around(base, prefix)
        assert.strictEqual(Cidr.includes(network, address), listOf(network).check(address, "ipv6"))
        assert.isTrue(Cidr.includes(network, base))
      })
    )
  })

  it("is the same after it was written and read", () => {
    const anyNetwork = fc.oneof(
      fc.tuple(shortAddress, fc.integer({ min: 0, max: 32 })),
      fc.tuple(
        longAddress.filter((address) => !isMapped(address)),
        fc.integer({ min: 0, max: 128 })
      )
    )
    fc.assert(
      fc.property(anyNetwork, ([address, prefix]) => {
        const network = around(address, prefix)
        fc.pre(network.family === 4 || network.bits >> 32n !== 0xffffn)
        assert.deepStrictEqual(Cidr.parse(Cidr.show(network)), Option.some(network))
      })
    )
  })

  it("holds for an address in either of its forms", () => {
    fc.assert(
      fc.property(shortAddress, fc.integer({ min: 0, max: 32 }), (address, prefix) => {
        const network = around(address, prefix)
        const long = `::ffff:${address}`
        assert.isTrue(Cidr.includes(network, long))
        assert.deepStrictEqual(networkOf(long), networkOf(address))
        const mapped = Cidr.parse(`::ffff:${Cidr.show(network).replace(/\/\d+$/, "")}/${prefix + 96}`)
        assert.deepStrictEqual(mapped, Option.some(network))
      })
    )
  })

  it("is read in all ways that people write it", () => {
    assert.isTrue(Cidr.includes(networkOf("10.0.0.0/8"), "10.255.0.1"))
    assert.isFalse(Cidr.includes(networkOf("10.0.0.0/8"), "11.0.0.0"))
    assert.isTrue(Cidr.includes(networkOf("192.0.2.7"), "192.0.2.7"))
    assert.isFalse(Cidr.includes(networkOf("192.0.2.7"), "192.0.2.6"))
    assert.isTrue(Cidr.includes(networkOf("0.0.0.0/0"), "203.0.113.9"))
    assert.isFalse(Cidr.includes(networkOf("0.0.0.0/0"), "::1"))
    assert.isTrue(Cidr.includes(networkOf(" ::/0 "), "2001:db8::1"))
    assert.isFalse(Cidr.includes(networkOf("::/0"), "10.0.0.1"))
    assert.isTrue(Cidr.includes(networkOf("FE80::/10"), "fe80::1%eth0"))
    assert.isFalse(Cidr.includes(networkOf("::/0"), "no address"))
  })

  it("is refused when it is none, or when it is not clear which one is meant", () => {
    const wrong = [
      "",
      "10.0.0.0/33",
      "10.0.0.1/8",
      "10.0.0/8",
      "010.0.0.0/8",
      "256.0.0.0/8",
      "10.0.0.0/",
      "10.0.0.0/08",
      "10.0.0.0/8/8",
      "10.0.0.0/-1",
      "::/129",
      "1::2::3",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7:8::",
      "12345::",
      "fd00::1/8",
      "::ffff:10.0.0.0/90",
      "localhost"
    ]
    for (const text of wrong) assert.isTrue(Option.isNone(Cidr.parse(text)), text)
  })

  it("is written into a file and read from one", () => {
    const network = Schema.decodeSync(Cidr.Cidr)("fd00::/8")
    assert.strictEqual(network.prefix, 8)
    assert.strictEqual(Schema.encodeSync(Cidr.Cidr)(network), "fd00:0:0:0:0:0:0:0/8")
    const wrong = Schema.decodeUnknownExit(Cidr.Cidr)("10.0.0.1/8")
    assert.isTrue(Exit.isFailure(wrong) && String(wrong.cause).includes("no bits set behind its prefix"))
  })
})
