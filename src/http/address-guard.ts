import { BlockList, isIP } from 'node:net'

/** IPv4 ranges of the IANA special-purpose registry (RFC 6890) and multicast; nothing there is a public server. */
const SPECIAL_V4 = `
  0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.31.196.0/24
  192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24
  224.0.0.0/4 240.0.0.0/4`
/**
 * What is global unicast at all (RFC 4291 §2.4): everything outside is refused, which covers unspecified, loopback, mapped,
 * compatible, NAT64, discard-only, segment routing, unique local, link-local, site-local and multicast addresses.
 */
const GLOBAL_V6 = '2000::/3'
/** Special ranges inside: IETF protocol assignments with Teredo, ORCHID and benchmarking, documentation, 6to4, AS112. */
const SPECIAL_V6 = '2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20'

const specialV4 = ranges(SPECIAL_V4, 'ipv4')
const globalV6 = ranges(GLOBAL_V6, 'ipv6')
const specialV6 = ranges(SPECIAL_V6, 'ipv6')

/**
 * Whether `address` is one that a server on the public internet can have: in no special-purpose range (RFC 6890), and no
 * IPv6 form that carries an IPv4 address to a translator or tunnel. False for everything that is not an IP address.
 */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return !specialV4.check(address, 'ipv4')
  // A zone (fe80::1%eth0) belongs to local addresses alone.
  if (family !== 6 || address.includes('%')) return false
  return globalV6.check(address, 'ipv6') && !specialV6.check(address, 'ipv6')
}

const loopback = ranges('127.0.0.0/8', 'ipv4')

/** Whether `address` is this computer: 127.0.0.0/8 or ::1, in no disguise. */
export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || (isIP(address) === 4 && loopback.check(address, 'ipv4'))
}

/** The party behind an address, for counting: an IPv4 address itself, of IPv6 the /64, which is one customer's. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:([0-9.]+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (isIP(address) !== 6) return address
  const [head = '', tail] = address.split('%', 1)[0]?.split('::') ?? []
  const before = head.split(':').filter((group) => group !== '')
  const after = (tail ?? '').split(':').filter((group) => group !== '')
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length
  const groups = [...before, ...Array<string>(Math.max(0, zeros)).fill('0'), ...after]
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}

function ranges(text: string, family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList()
  for (const range of text.trim().split(/\s+/)) {
    const [network = '', prefix = ''] = range.split('/')
    list.addSubnet(network, Number(prefix), family)
  }
  return list
}
