import { lookup, Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'

/** All addresses of a host, IPv4 first; rejects when there is none. `signal` ends the waiting. */
export type Resolve = (hostname: string, signal: AbortSignal) => Promise<readonly string[]>

const QUERY_TIMEOUT_MS = 1500
const QUERY_TRIES = 2

/**
 * Asks DNS servers directly. Not getaddrinfo, which occupies a thread of the pool that also hashes passwords and reads
 * files: a name whose servers do not answer would stop the whole gateway.
 */
export const resolvePublicName: Resolve = async (hostname, signal) => {
  signal.throwIfAborted()
  // One each, because cancelling ends all queries of a resolver.
  const resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES })
  const cancel = () => resolver.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    const answers = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)])
    const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
    if (addresses.length === 0) throw new Error('the name has no address')
    return addresses
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

/** Asks the system, which knows `localhost` and the hosts file; only for the few names that the operator has listed. */
export const resolveLocalName: Resolve = async (hostname) => {
  const answers = await lookup(hostname, { all: true, order: 'ipv4first' })
  return answers.map(({ address }) => address)
}

/** The address that a URL's host is, without brackets, or undefined when it is a name. */
export function addressLiteral(hostname: string): string | undefined {
  const bare = hostname.replace(/^\[(.*)\]$/, '$1')
  return isIP(bare) === 0 ? undefined : bare
}
