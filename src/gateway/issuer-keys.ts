import { createLocalJWKSet, type JSONWebKeySet } from 'jose'
import { createLastRead, isYounger } from '../providers/last-read.ts'

/** Finds the key of a token among those of its issuer (RFC 7517 §5). */
export type KeySet = ReturnType<typeof createLocalJWKSet>

/** The keys of one authorization server as last read, shared by all tokens. */
export interface IssuerKeys {
  /** The set to verify a token of key `kid` with. Rejects when it would have to be read and cannot be. */
  setFor(kid: string | undefined): Promise<KeySet>
}

/** A key that its issuer publishes no more verifies for so long. */
const FRESH_MS = 10 * 60_000
/** A key id nobody knows causes one look at the issuer in this time, not one for every token (B127). */
const COOL_DOWN_MS = 30_000
/** While keys cannot be read, the known ones verify for so long. */
const STALE_MS = 24 * 60 * 60_000

/** Keys in front of `read`, which gets the JWK Set; any number of tokens share one attempt. `now` in ms since 1970. */
export function createIssuerKeys(read: () => Promise<unknown>, now: () => number): IssuerKeys {
  // Rejects for what is no JWK Set; keys that are known are not given up for that.
  const last = createLastRead(async () => createLocalJWKSet((await read()) as JSONWebKeySet), now)

  return {
    async setFor(kid) {
      const { known, failed } = last
      const holds = known !== undefined && (kid === undefined || holdsKey(known.value, kid))
      if (known && (isYounger(known, COOL_DOWN_MS, now) || (holds && isYounger(known, FRESH_MS, now))))
        return known.value
      // A key that is not among the known ones may be new: nobody can say then that the token is bad.
      const stale = holds && isYounger(known, STALE_MS, now) ? known.value : undefined
      if (last.isHeldOff()) {
        if (stale) return stale
        throw failed?.value
      }
      const reading = stale ? last.readAnew().catch(() => stale) : last.readAnew()
      // Where the last attempt was in vain, the next one is not waited for.
      return failed && stale ? stale : reading
    },
  }
}

function holdsKey(set: KeySet, kid: string): boolean {
  return set.jwks().keys.some((key) => key.kid === kid)
}
