import { createLocalJWKSet, type JSONWebKeySet } from 'jose'

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
/** An issuer that is away is left alone for so long, however many tokens come. */
const RETRY_AFTER_MS = 3000
/** While keys cannot be read, the known ones verify for so long. */
const STALE_MS = 24 * 60 * 60_000

/** Keys in front of `read`, which gets the JWK Set; any number of tokens share one attempt. `now` in ms since 1970. */
export function createIssuerKeys(read: () => Promise<unknown>, now: () => number): IssuerKeys {
  let known: { readonly set: KeySet; readonly at: number } | undefined
  let failed: { readonly trouble: unknown; readonly at: number } | undefined
  let pending: Promise<KeySet> | undefined

  /** A clock that was set back makes nothing young again. */
  const isYounger = (at: number | undefined, ms: number) => at !== undefined && Math.abs(now() - at) < ms

  function readAnew(): Promise<KeySet> {
    pending ??= read()
      .then((document) => {
        // Throws for what is no JWK Set; keys that are known are not given up for that.
        const set = createLocalJWKSet(document as JSONWebKeySet)
        known = { set, at: now() }
        failed = undefined
        return set
      })
      .catch((trouble: unknown) => {
        failed = { trouble, at: now() }
        throw trouble
      })
      .finally(() => {
        pending = undefined
      })
    return pending
  }

  return {
    async setFor(kid) {
      const holds = known !== undefined && (kid === undefined || holdsKey(known.set, kid))
      if (known && (isYounger(known.at, COOL_DOWN_MS) || (holds && isYounger(known.at, FRESH_MS)))) return known.set
      // A key that is not among the known ones may be new: nobody can say then that the token is bad.
      const stale = holds && isYounger(known?.at, STALE_MS) ? known?.set : undefined
      if (failed && isYounger(failed.at, RETRY_AFTER_MS)) {
        if (stale) return stale
        throw failed.trouble
      }
      const reading = stale ? readAnew().catch(() => stale) : readAnew()
      // Where the last attempt was in vain, the next one is not waited for.
      return failed && stale ? stale : reading
    },
  }
}

function holdsKey(set: KeySet, kid: string): boolean {
  return set.jwks().keys.some((key) => key.kid === kid)
}
