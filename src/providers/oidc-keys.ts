import { parseJsonObject } from './provider-http.ts'

/** The provider's signing keys (RFC 7517) as last read, shared by all sign-ins. */
export interface KeyCache {
  /** The key set to verify a token of key `kid` with; `load` asks the provider and throws what went wrong. */
  keysFor(kid: string | undefined, load: () => Promise<string>): Promise<string>
}

const FRESH_MS = 5 * 60 * 1000
/** A key id nobody knows causes one look at the provider in this time, not one for every token (B127). */
const COOL_DOWN_MS = 10_000
/** While the provider's keys cannot be read, the known ones verify for so long. */
const STALE_MS = 24 * 60 * 60 * 1000

/** An empty cache: known keys answer at once, an unknown one asks the provider, known ones survive its absence. */
export function createKeyCache(now: () => number): KeyCache {
  let known: { readonly set: string; readonly at: number } | undefined

  return {
    async keysFor(kid, load) {
      // A clock that was set back makes nothing young.
      const age = known ? Math.abs(now() - known.at) : Number.POSITIVE_INFINITY
      if (known && age < COOL_DOWN_MS) return known.set
      if (known && age < FRESH_MS && (kid === undefined || holdsKey(known.set, kid))) return known.set
      try {
        const set = await load()
        known = { set, at: now() }
        return set
      } catch (trouble) {
        if (known && age < STALE_MS) return known.set
        throw trouble
      }
    },
  }
}

function holdsKey(set: string, kid: string): boolean {
  const keys = parseJsonObject(set)?.keys
  return Array.isArray(keys) && keys.some((key) => key?.kid === kid)
}
