import { createHash, timingSafeEqual } from 'node:crypto'

/** RFC 7636 §4.2: BASE64URL of a SHA-256 is always 43 characters, unpadded. */
const S256_CHALLENGE = /^[A-Za-z0-9_-]{43}$/
/** RFC 7636 §4.1: 43 to 128 unreserved characters. */
const VERIFIER = /^[A-Za-z0-9._~-]{43,128}$/
/** The challenge of an empty verifier, which no honest client has: it would make PKCE mean nothing (B080). */
const CHALLENGE_OF_NOTHING = createHash('sha256').update('').digest('base64url')

/** Whether `value` can be an S256 code challenge (RFC 7636 §4.2). */
export function isS256Challenge(value: string): boolean {
  return S256_CHALLENGE.test(value) && value !== CHALLENGE_OF_NOTHING
}

/** Whether `verifier` hashes to `challenge` (RFC 7636 §4.6), compared in constant time. */
export function verifiesS256(verifier: string, challenge: string): boolean {
  if (!VERIFIER.test(verifier)) return false
  const computed = createHash('sha256').update(verifier, 'ascii').digest()
  const expected = Buffer.from(challenge, 'base64url')
  return computed.length === expected.length && timingSafeEqual(computed, expected)
}
