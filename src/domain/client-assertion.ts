import { fail, ok, type Result } from './result.ts'

/** The value of `client_assertion_type` that goes with a JWT (RFC 7523 §2.2). */
export const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** What a client assertion has to match; `now` in ms since 1970. */
export interface ExpectedAssertion {
  readonly clientId: string
  readonly issuer: string
  readonly now: number
}

const MAX_LIFE_SECONDS = 5 * 60
/** How far the clock of an honest client may be from ours. */
const SKEW_SECONDS = 60
const MAX_JTI_LENGTH = 256

/**
 * Judges the claims of an assertion whose signature is good (RFC 7523 §3): from and about the client, for us alone, alive,
 * short-lived, and with an id that can be consumed. Times are NumericDates, `expiresAt` is ms since 1970.
 * Fails with a constant sentence.
 */
export function judgeAssertion(
  claims: Readonly<Record<string, unknown>>,
  expected: ExpectedAssertion,
): Result<{ readonly jti: string; readonly expiresAt: number }, string> {
  const { iss, sub, aud, exp, iat, nbf, jti } = claims
  if (iss !== expected.clientId || sub !== expected.clientId) return fail('iss and sub must both be the client id')
  if (!isForUs(aud, expected.issuer)) return fail('aud must be this issuer or its token endpoint, and nothing else')
  const now = Math.floor(expected.now / 1000)
  if (!isTime(exp) || exp <= now) return fail('exp is missing or over')
  if (exp - now >= MAX_LIFE_SECONDS + SKEW_SECONDS) return fail('exp is more than five minutes away')
  if (iat !== undefined && (!isTime(iat) || iat > now + SKEW_SECONDS)) return fail('iat is in the future')
  if (iat !== undefined && exp - iat >= MAX_LIFE_SECONDS + SKEW_SECONDS)
    return fail('the assertion was made to live for more than five minutes')
  if (nbf !== undefined && (!isTime(nbf) || nbf > now + SKEW_SECONDS)) return fail('nbf is in the future')
  if (typeof jti !== 'string' || jti === '' || jti.length > MAX_JTI_LENGTH) return fail('jti is missing or too long')
  // NumericDates may have fractions (RFC 7519 §2), our times have none.
  return ok({ jti, expiresAt: Math.ceil(exp * 1000) })
}

/** One audience only: an assertion that others take too could be passed on by them. */
function isForUs(aud: unknown, issuer: string): boolean {
  const audiences = [aud].flat()
  return audiences.length === 1 && [issuer, `${issuer}/`, `${issuer}/token`].some((own) => own === audiences[0])
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}
