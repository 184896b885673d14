import dns, { type LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'

/** How long a connection waits for DNS where it is known what it said before (RFC 8767 §5). */
const PATIENCE_MS = 1000
/** For how long that is believed. */
const STALE_MS = 5 * 60_000

/** A question to the system that is under way, for everybody who asks the same. */
interface Flight {
  readonly startedAt: number
  readonly answer: Promise<readonly LookupAddress[]>
}

const underWay = new Map<string, Flight>()
/** By name; names come from the configuration, so there are few. */
const known = new Map<string, { readonly addresses: readonly LookupAddress[]; readonly at: number }>()

/**
 * The addresses of a name as the system knows them, its hosts file included; in the manner of `dns.lookup`. Each question
 * occupies one of the few threads that passwords and files need as well, so a name is asked for once at a time, however many
 * wait; and a DNS server that is slow or away keeps nobody from servers that were found a moment ago (C67).
 */
export const lookup: LookupFunction = (hostname, options, callback) => {
  addressesOf(hostname).then(
    (addresses) => {
      const [first] = addresses
      if (options.all || !first) callback(null, [...addresses])
      else callback(null, first.address, first.family)
    },
    (error: NodeJS.ErrnoException) => callback(error, []),
  )
}

async function addressesOf(hostname: string): Promise<readonly LookupAddress[]> {
  const flight = underWay.get(hostname) ?? takeOff(hostname)
  const before = known.get(hostname)
  if (!before || performance.now() - before.at > STALE_MS) return flight.answer
  const { promise: late, resolve } = Promise.withResolvers<readonly LookupAddress[]>()
  const timer = setTimeout(resolve, flight.startedAt + PATIENCE_MS - performance.now(), before.addresses)
  try {
    return await Promise.race([flight.answer, late])
  } catch (error) {
    // "There is no such name" is an answer; "not now" is none.
    if ((error as NodeJS.ErrnoException).code === 'EAI_AGAIN') return before.addresses
    throw error
  } finally {
    clearTimeout(timer)
  }
}

function takeOff(hostname: string): Flight {
  const { promise: answer, resolve, reject } = Promise.withResolvers<readonly LookupAddress[]>()
  // Whoever has gone on with what was known does not hear of it.
  answer.catch(() => undefined)
  const flight = { startedAt: performance.now(), answer }
  underWay.set(hostname, flight)
  dns.lookup(hostname, { all: true }, (error, addresses) => {
    underWay.delete(hostname)
    if (!error) known.set(hostname, { addresses, at: performance.now() })
    else if (error.code === 'ENOTFOUND') known.delete(hostname)
    if (error) reject(error)
    else resolve(addresses)
  })
  return flight
}
