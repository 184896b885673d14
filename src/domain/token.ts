import { createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { Secret } from './secret.ts'

/** What we mint; the prefix tells the kinds apart, for us and for secret scanners. */
const PREFIXES = { access: 'mgh_at_', code: 'mgh_ac_' } as const
const REFRESH_PREFIX = 'mgh_rt_'
const RANDOM_BYTES = 32
const FORMS = { access: /^mgh_at_[A-Za-z0-9_-]{43}$/, code: /^mgh_ac_[A-Za-z0-9_-]{43}$/ } as const

const GRANT_ID_BYTES = 16
const GENERATION_BYTES = 4
const MAC_BYTES = 32

/** A fresh access token or authorization code: prefix and 256 random bits (RFC 6749 §10.10). */
export function mintToken(kind: keyof typeof PREFIXES): { readonly token: Secret; readonly hash: string } {
  const token = PREFIXES[kind] + randomBytes(RANDOM_BYTES).toString('base64url')
  return { token: new Secret(token), hash: hashToken(token) }
}

/** Whether `token` has the form of that kind; a cheap test before any hashing or look-up. */
export function looksLikeToken(kind: keyof typeof PREFIXES, token: string): boolean {
  return FORMS[kind].test(token)
}

/** What is stored instead of a token: SHA-256, base64url. Enough for 256 random bits; never for passwords. */
export function hashToken(token: string): string {
  return hash('sha256', token, 'base64url')
}

/** A random identifier of 128 bits, base64url, for grants, interactions and records. */
export function newId(): string {
  return randomBytes(GRANT_ID_BYTES).toString('base64url')
}

/** Whether `value` has the form of {@link newId}. */
export function isId(value: string): boolean {
  return /^[A-Za-z0-9_-]{22}$/.test(value)
}

/** Which refresh token of which grant: the first one issued has generation 1. */
export interface RefreshTokenClaim {
  readonly grantId: string
  readonly generation: number
}

/**
 * The refresh token of a generation: grant id, generation and an HMAC-SHA-256 over both. It is derived, not stored, so
 * that a lost answer can be given again, byte for byte.
 */
export function refreshToken(key: Uint8Array, claim: RefreshTokenClaim): Secret {
  const body = Buffer.alloc(GRANT_ID_BYTES + GENERATION_BYTES)
  Buffer.from(claim.grantId, 'base64url').copy(body)
  body.writeUInt32BE(claim.generation, GRANT_ID_BYTES)
  return new Secret(REFRESH_PREFIX + Buffer.concat([body, mac(key, body)]).toString('base64url'))
}

/**
 * The claim of a refresh token whose MAC verifies under one of `keys`, else undefined. Junk and forgeries are told apart
 * from real tokens here, before any record is read: they can never revoke anything.
 */
export function verifyRefreshToken(keys: readonly Uint8Array[], token: string): RefreshTokenClaim | undefined {
  if (!token.startsWith(REFRESH_PREFIX)) return undefined
  const text = token.slice(REFRESH_PREFIX.length)
  const bytes = Buffer.from(text, 'base64url')
  // Re-encoding refuses look-alikes that decode to the same bytes.
  if (bytes.length !== GRANT_ID_BYTES + GENERATION_BYTES + MAC_BYTES || bytes.toString('base64url') !== text)
    return undefined
  const body = bytes.subarray(0, GRANT_ID_BYTES + GENERATION_BYTES)
  const presented = bytes.subarray(body.length)
  if (!keys.some((key) => timingSafeEqual(mac(key, body), presented))) return undefined
  return {
    grantId: body.subarray(0, GRANT_ID_BYTES).toString('base64url'),
    generation: body.readUInt32BE(GRANT_ID_BYTES),
  }
}

function mac(key: Uint8Array, body: Uint8Array): Buffer {
  return createHmac('sha256', key).update(body).digest()
}
