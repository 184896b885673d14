import { compactVerify, decodeJwt, decodeProtectedHeader, importJWK } from 'jose'
import { ASSERTION_ALGORITHMS, type Client } from '../domain/client.ts'
import { judgeAssertion } from '../domain/client-assertion.ts'
import type { PublicJwk } from '../domain/client-keys.ts'
import { fail, ok, type Result } from '../domain/result.ts'
import { hashToken } from '../domain/token.ts'
import type { AuthorizationServer } from './authorization-server.ts'

/** Why an assertion proves nothing: `transient` when the client's keys cannot be read right now. */
export interface Unproven {
  readonly transient: boolean
  /** A constant, for the log. */
  readonly reason: string
}

const MAX_ASSERTION_LENGTH = 16 * 1024
/** Types that a client assertion may say it is; tokens for other purposes are no proof (RFC 8725 §3.11). */
const TYPES: readonly unknown[] = [undefined, 'jwt', 'client-authentication+jwt']

/** The client that an assertion claims to come from, not yet proven; undefined when it is nothing that could be. */
export function claimedClient(assertion: string): string | undefined {
  if (assertion.length > MAX_ASSERTION_LENGTH) return undefined
  try {
    return decodeJwt(assertion).sub
  } catch {
    return undefined
  }
}

/**
 * Verifies a client assertion (RFC 7523 §3) with the client's keys, and consumes its `jti`: it is good once. When no key
 * fits, the keys are looked at again before it is refused. Rejects with StoreUnavailable.
 */
export async function verifyClientAssertion(
  server: AuthorizationServer,
  client: Client,
  assertion: string,
  caller: string,
): Promise<Result<undefined, Unproven>> {
  const header = readHeader(assertion)
  if (!header) return refused('the header names no algorithm or type that is accepted')
  const keys = await server.clientKeys.current(client, caller)
  let payload = keys.ok ? await verifyWith(keys.value, header, assertion) : undefined
  if (!payload) {
    const renewed = await server.clientKeys.renewed(client, caller)
    if (!renewed.ok) return fail(renewed.failure)
    payload = await verifyWith(renewed.value, header, assertion)
  }
  if (!payload) return refused('no key of the client verifies it')
  const judged = judgeAssertion(payload, { clientId: client.clientId, issuer: server.issuer, now: server.now() })
  if (!judged.ok) return refused(judged.failure)
  const { jti, expiresAt } = judged.value
  const key = `jti ${hashToken(JSON.stringify([client.clientId, jti]))}`
  return (await server.store.consumeOnce(key, expiresAt, server.now())) ? ok(undefined) : refused('jti was used before')
}

interface Header {
  readonly alg: string
  readonly kid?: string
}

function readHeader(assertion: string): Header | undefined {
  try {
    const { alg, kid, typ } = decodeProtectedHeader(assertion)
    const isKnown = alg !== undefined && ASSERTION_ALGORITHMS.includes(alg) && TYPES.includes(typ?.toLowerCase())
    if (!isKnown || (kid !== undefined && typeof kid !== 'string')) return undefined
    return { alg, ...(kid === undefined ? {} : { kid }) }
  } catch {
    return undefined
  }
}

/** The claims, if one of the keys that the header can mean verifies the signature (RFC 7515 §6). */
async function verifyWith(
  keys: readonly PublicJwk[],
  { alg, kid }: Header,
  assertion: string,
): Promise<Record<string, unknown> | undefined> {
  const candidates = keys.filter(
    (key) =>
      (kid === undefined || key.kid === kid) &&
      (key.alg === undefined || key.alg === alg) &&
      (key.use === undefined || key.use === 'sig'),
  )
  for (const candidate of candidates) {
    try {
      await compactVerify(assertion, await importJWK({ ...candidate }, alg), { algorithms: [alg] })
      return decodeJwt(assertion)
    } catch {
      // Another key with the same id may be the one.
    }
  }
  return undefined
}

function refused(reason: string): Result<undefined, Unproven> {
  return fail({ transient: false, reason })
}
