import { isIPv4, isIPv6 } from 'node:net'
import { ok, type Result } from '../domain/result.ts'
import { type Fault, fault } from './fault.ts'
import type { ListenAddress } from './gateway-config.ts'
import { isLoopbackHost, isWildcardHost } from './network.ts'

const FIX = 'write host:port, such as 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080'
const HOST_NAME =
  /^(?=.{1,253}$)(?=.*[A-Za-z])[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/

/** Where to listen: `host:port` with an IPv6 address in brackets. Port 0 lets the system choose a free one. */
export function parseListenAddress(text: string): Result<ListenAddress, Fault> {
  const match = /^(\[[^\]]*\]|[^:[\]]*):([0-9]{1,5})$/.exec(text)
  const [, host = '', portText] = match ?? []
  if (host === '') return fault('is not an address to listen on', FIX)
  const port = Number(portText)
  if (port > 65_535) return fault('has a port that does not exist', 'write a port from 1 to 65535')
  if (host.startsWith('[')) {
    const address = host.slice(1, -1)
    return isIPv6(address) && !address.includes('%')
      ? ok({ host: address, port })
      : fault('is not an IPv6 address', FIX)
  }
  return isIPv4(host) || HOST_NAME.test(host) ? ok({ host, port }) : fault('has a host that is none', FIX)
}

/** {@link parseListenAddress} for operations: one interface, never all of them. */
export function parseOperationsAddress(text: string): Result<ListenAddress, Fault> {
  const address = parseListenAddress(text)
  if (!address.ok || !isWildcardHost(address.value.host)) return address
  return fault(
    'would offer health and metrics on every interface',
    "name one interface's address, such as 127.0.0.1:9090, or 10.0.0.5:9090 for a scraper elsewhere",
  )
}

/** Whether two listeners would want the same port of the same interface. */
export function collide(one: ListenAddress, other: ListenAddress): boolean {
  if (one.port !== other.port || one.port === 0) return false
  if (isWildcardHost(one.host) || isWildcardHost(other.host)) return true
  const [a, b] = [one.host.toLowerCase(), other.host.toLowerCase()]
  return a === b || (isLoopbackHost(a) && isLoopbackHost(b) && (a === 'localhost' || b === 'localhost'))
}

/** Whether a request to `url` from this machine would arrive at the listener on `address`. */
export function leadsTo(url: URL, address: ListenAddress): boolean {
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
  const here = isWildcardHost(host) ? '127.0.0.1' : host
  if (port === 0 || port !== address.port) return false
  if (here === address.host.toLowerCase()) return true
  return isLoopbackHost(here) && (isWildcardHost(address.host) || collide({ host: here, port }, address))
}
