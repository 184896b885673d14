import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isLoopbackAddress, isPublicAddress, networkOf } from '../../src/http/address-guard.ts'

const hex = (high: number, low: number) => ((high << 8) | low).toString(16)

/** Every way in which an IPv6 address can carry an IPv4 one. */
const EMBEDDINGS: readonly [string, (v4: readonly [number, number, number, number]) => string][] = [
  ['mapped (RFC 4291 §2.5.5.2)', ([a, b, c, d]) => `::ffff:${a}.${b}.${c}.${d}`],
  ['mapped, in hexadecimal', ([a, b, c, d]) => `::ffff:${hex(a, b)}:${hex(c, d)}`],
  ['mapped, written out', ([a, b, c, d]) => `0:0:0:0:0:FFFF:${hex(a, b)}:${hex(c, d)}`],
  ['compatible (RFC 4291 §2.5.5.1)', ([a, b, c, d]) => `::${a}.${b}.${c}.${d}`],
  ['translated (RFC 2765)', ([a, b, c, d]) => `::ffff:0:${hex(a, b)}:${hex(c, d)}`],
  ['NAT64 (RFC 6052)', ([a, b, c, d]) => `64:ff9b::${hex(a, b)}:${hex(c, d)}`],
  ['local NAT64 (RFC 8215)', ([a, b, c, d]) => `64:ff9b:1::${hex(a, b)}:${hex(c, d)}`],
  ['6to4 (RFC 3056)', ([a, b, c, d]) => `2002:${hex(a, b)}:${hex(c, d)}::1`],
  ['a Teredo server (RFC 4380)', ([a, b, c, d]) => `2001:0:${hex(a, b)}:${hex(c, d)}::1`],
  ['a Teredo client (RFC 4380)', ([a, b, c, d]) => `2001::${hex(255 - a, 255 - b)}:${hex(255 - c, 255 - d)}`],
]

/** First and last address of ranges, with their public neighbours. */
const V4_RANGES: readonly [string, string, string, string][] = [
  ['this network', '0.0.0.0', '0.255.255.255', '1.0.0.0'],
  ['private 10/8', '10.0.0.0', '10.255.255.255', '11.0.0.0'],
  ['carrier-grade NAT', '100.64.0.0', '100.127.255.255', '100.128.0.0'],
  ['loopback', '127.0.0.0', '127.255.255.255', '128.0.0.0'],
  ['link-local, cloud metadata', '169.254.0.0', '169.254.255.255', '169.255.0.0'],
  ['private 172.16/12', '172.16.0.0', '172.31.255.255', '172.32.0.0'],
  ['protocol assignments', '192.0.0.0', '192.0.0.255', '192.0.1.0'],
  ['documentation 1', '192.0.2.0', '192.0.2.255', '192.0.3.0'],
  ['6to4 relays', '192.88.99.0', '192.88.99.255', '192.88.100.0'],
  ['private 192.168/16', '192.168.0.0', '192.168.255.255', '192.169.0.0'],
  ['benchmarking', '198.18.0.0', '198.19.255.255', '198.20.0.0'],
  ['documentation 2', '198.51.100.0', '198.51.100.255', '198.51.101.0'],
  ['documentation 3', '203.0.113.0', '203.0.113.255', '203.0.114.0'],
]

describe('addresses that the gateway may fetch from (R-35, RFC 6890)', () => {
  it.each(V4_RANGES)('knows the edges of %s', (_, first, last, neighbour) => {
    expect([isPublicAddress(first), isPublicAddress(last), isPublicAddress(neighbour)]).toEqual([false, false, true])
  })

  it.each([
    ['multicast', '224.0.0.1'],
    ['the last multicast address', '239.255.255.255'],
    ['reserved', '240.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['cloud metadata', '169.254.169.254'],
    ['cloud metadata elsewhere', '192.0.0.192'],
    ['unspecified', '::'],
    ['IPv6 loopback', '::1'],
    ['IPv6 loopback, written out', '0:0:0:0:0:0:0:1'],
    ['link-local', 'fe80::1'],
    ['link-local with a zone', 'fe80::1%eth0'],
    ['a public address with a zone', '2606:4700::1111%eth0'],
    ['site-local', 'fec0::1'],
    ['unique local', 'fc00::1'],
    ['unique local, the other half', 'fdff:ffff::1'],
    ['cloud metadata over IPv6', 'fd00:ec2::254'],
    ['IPv6 multicast', 'ff02::1'],
    ['discard-only', '100::1'],
    ['documentation', '2001:db8::1'],
    ['documentation, the new range', '3fff:fff::1'],
    ['benchmarking', '2001:2::1'],
    ['ORCHID', '2001:20::1'],
    ['segment routing', '5f00::1'],
    ['a name', 'localhost'],
    ['a short form', '127.1'],
    ['a number', '2130706433'],
    ['octal', '0177.0.0.1'],
    ['brackets', '[2606:4700::1111]'],
    ['nothing', ''],
  ])('refuses %s', (_, address) => expect(isPublicAddress(address)).toBe(false))

  it.each(['1.1.1.1', '8.8.8.8', '93.184.215.14', '2606:4700::1111', '2001:4860:4860::8888', '2a00:1450:4001::8'])(
    'allows %s',
    (address) => expect(isPublicAddress(address)).toBe(true),
  )

  it.each(EMBEDDINGS)('refuses every IPv4 address in IPv6 clothes: %s', (_, embed) => {
    const byte = fc.integer({ min: 0, max: 255 })
    const anything = fc.tuple(byte, byte, byte, byte)
    const inside = fc.constantFrom(
      [127, 0, 0, 1],
      [10, 0, 0, 1],
      [169, 254, 169, 254],
      [192, 168, 1, 1],
      [100, 64, 0, 1],
    )
    fc.assert(
      fc.property(fc.oneof(anything, inside), (v4) => {
        expect(isPublicAddress(embed(v4 as [number, number, number, number]))).toBe(false)
      }),
    )
  })

  it('allows every address of global unicast space outside the special ranges, and none outside that space', () => {
    const group = fc.integer({ min: 0, max: 0xffff })
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffff }),
        fc.array(group, { minLength: 7, maxLength: 7 }),
        (first, rest) => {
          const address = [first, ...rest].map((part) => part.toString(16)).join(':')
          const isGlobal = first >= 0x2000 && first <= 0x3fff
          const mayBeSpecial = [0x2001, 0x2002, 0x2620, 0x3fff].includes(first)
          if (!isGlobal) expect(isPublicAddress(address)).toBe(false)
          else if (!mayBeSpecial) expect(isPublicAddress(address)).toBe(true)
        },
      ),
    )
  })

  it('knows this computer only by its plain addresses', () => {
    expect(['127.0.0.1', '127.8.8.8', '::1'].map(isLoopbackAddress)).toEqual([true, true, true])
    expect(['0.0.0.0', '::ffff:127.0.0.1', '10.0.0.1', '8.8.8.8', '::', 'localhost'].map(isLoopbackAddress)).toEqual(
      Array(6).fill(false),
    )
  })
})

describe('who is behind an address', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
  ])('counts %s as %s', (address, network) => expect(networkOf(address)).toBe(network))
})
