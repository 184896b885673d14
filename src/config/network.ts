import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'
import { ok, type Result } from '../domain/result.ts'
import { type Fault, fault } from './fault.ts'

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

const PRIVATE = new BlockList()
for (const [network, prefix] of [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const)
  PRIVATE.addSubnet(network, prefix, 'ipv4')
PRIVATE.addSubnet('fc00::', 7, 'ipv6')
PRIVATE.addSubnet('fe80::', 10, 'ipv6')

/** Names that no public DNS answers (RFC 6762, RFC 8375, the private-use TLD `internal`, and cluster-local services). */
const PRIVATE_NAME = /(^[^.]+|\.(internal|local|localhost|lan|home\.arpa|svc|test))$/

/** Whether `host`, as `URL.hostname` writes it or without brackets, can only be this machine. */
export function isLoopbackHost(host: string): boolean {
  const address = withoutBrackets(host)
  return address === 'localhost' || (isIP(address) !== 0 && LOOPBACK.check(address, family(address)))
}

/** Whether traffic to `host` stays on private networks as far as its name or address can tell. */
export function isPrivateHost(host: string): boolean {
  const address = withoutBrackets(host)
  if (isLoopbackHost(address)) return true
  return isIP(address) === 0 ? PRIVATE_NAME.test(address) : PRIVATE.check(address, family(address))
}

/** Whether listening on `host` means listening on every interface. */
export function isWildcardHost(host: string): boolean {
  const address = withoutBrackets(host)
  if (isIPv4(address)) return address === '0.0.0.0'
  return isIPv6(address) && ['[::]', '[::ffff:0:0]'].includes(new URL(`http://[${address}]`).hostname)
}

/** A peer whose forwarding headers may be believed: an address or a CIDR that does not mean half of the internet. */
export function parseTrustedProxy(text: string): Result<string, Fault> {
  const fix = 'write the address or network of your own reverse proxy, such as 10.0.0.0/8 or 192.168.1.7'
  const [address = '', prefix, ...more] = text.split('/')
  const kind = isIP(address)
  if (kind === 0 || more.length > 0 || address.includes('%')) return fault('is not an address or a CIDR', fix)
  if (prefix === undefined) return isWildcardHost(address) ? fault('is not the address of one peer', fix) : ok(text)
  const bits = /^[0-9]{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN
  if (!(bits <= (kind === 4 ? 32 : 128))) return fault('has a prefix length that does not exist', fix)
  const mapped = kind === 6 && bits <= 96 && new URL(`http://[${address}]`).hostname.startsWith('[::ffff:')
  return bits < (kind === 4 ? 8 : 7) || mapped
    ? fault('would let almost anybody claim any client address', fix)
    : ok(text)
}

function withoutBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6'
}
