import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose'
import { LRUCache } from 'lru-cache'
import { externalGrantId } from '../domain/grant.ts'
import type { Identity } from '../domain/identity.ts'
import type { ExternalAuthorization, Route } from '../domain/route.ts'
import { DEFAULT_SCOPE } from '../domain/scope.ts'
import { hashToken } from '../domain/token.ts'
import { readIssuerKeys } from '../providers/issuer-keys.ts'
import { readIdentity } from '../providers/oidc-identity.ts'
import type { OpenAccess } from './access-cache.ts'
import { createIssuerKeys, type IssuerKeys, type KeySet } from './issuer-keys.ts'

/** What became of a JWT: access like that of our own tokens, or why there is none. */
export type ExternalAccess =
  | { readonly outcome: 'open'; readonly access: OpenAccess }
  | { readonly outcome: 'invalid'; readonly reason: string }
  | { readonly outcome: 'unavailable'; readonly reason: string }

/** Verifies access tokens of other authorization servers (RFC 9068 §4). */
export interface ExternalTokens {
  /** Never rejects. What was verified lately is answered at once. */
  verify(route: Route, authorization: ExternalAuthorization, token: string): ExternalAccess | Promise<ExternalAccess>
  /** Whether `access` is one that would be answered at once. */
  remembers(access: OpenAccess): boolean
}

/** Asymmetric algorithms only: a shared secret would let the resource server make its own tokens (RFC 8725 §3.2). */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
const CLOCK_TOLERANCE_SECONDS = 60
const MAX_TOKEN_LENGTH = 16_384
const MAX_REMEMBERED = 10_000
/** How long a verified token is believed without asking again whether its key is still published. */
const REMEMBER_MS = 5 * 60_000

/** A verifier with the keys of issuers and what it verified lately; both bounded. */
export function createExternalTokens(now: () => number): ExternalTokens {
  const verified = new LRUCache<string, { readonly access: OpenAccess; readonly until: number }>({
    max: MAX_REMEMBERED,
  })
  const keysOfIssuers = new Map<string, IssuerKeys>()

  /** Only for issuers that the configuration names. */
  function keysOf(issuer: string): IssuerKeys {
    const present = keysOfIssuers.get(issuer)
    if (present) return present
    const keys = createIssuerKeys(() => readIssuerKeys(issuer), now)
    keysOfIssuers.set(issuer, keys)
    return keys
  }

  async function check(
    route: Route,
    authorization: ExternalAuthorization,
    token: string,
    hash: string,
  ): Promise<ExternalAccess> {
    const issuer = claimedIssuer(token)
    if (issuer === undefined || !authorization.issuers.includes(issuer)) return invalid('issuer')
    const { type, kid } = claimedHeader(token)
    if (type === undefined || !authorization.tokenTypes.includes(type)) return invalid('typ')
    const payload = await verifyWith(await keysOf(issuer).setFor(kid), token, {
      issuer,
      audience: authorization.audience,
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      requiredClaims: ['exp', 'sub', 'iat'],
      currentDate: new Date(now()),
    })
    // One token for several servers is one that each of them could use at the others (RFC 8707 §3).
    if (Array.isArray(payload.aud) && payload.aud.length !== 1) return invalid('several_audiences')
    const identity = readIdentity(issuer, [payload], authorization.groupsClaim)
    if (!identity || payload.exp === undefined) return invalid('subject')
    return { outcome: 'open', access: openAccess(route, identity, payload, hash) }
  }

  async function checkAnew(...checked: Parameters<typeof check>): Promise<ExternalAccess> {
    try {
      const result = await check(...checked)
      if (result.outcome === 'open') {
        const { access } = result
        verified.set(access.access.hash, { access, until: Math.min(access.access.expiresAt, now() + REMEMBER_MS) })
      }
      return result
    } catch (error) {
      return isTokensFault(error) ? invalid(error.code) : { outcome: 'unavailable', reason: 'issuer_keys' }
    }
  }

  function remembered(hash: string): OpenAccess | undefined {
    const present = verified.get(hash)
    return present && present.until > now() ? present.access : undefined
  }

  return {
    verify(route, authorization, token) {
      if (token.length > MAX_TOKEN_LENGTH) return invalid('too_long')
      const hash = hashToken(`${route.path} ${token}`)
      const access = remembered(hash)
      return access ? { outcome: 'open', access } : checkAnew(route, authorization, token, hash)
    },
    remembers: (access) => remembered(access.access.hash) === access,
  }
}

/** Errors that say something about the token; all others say that its issuer's keys could not be had. */
function isTokensFault(error: unknown): error is errors.JOSEError {
  const isAboutKeys = error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid
  return error instanceof errors.JOSEError && !isAboutKeys && error.code !== 'ERR_JOSE_GENERIC'
}

/** The `iss` of a token before anything is verified: it only chooses whose keys are asked. */
function claimedIssuer(token: string): string | undefined {
  const [, payload = ''] = token.split('.')
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
    const issuer = typeof claims === 'object' && claims !== null ? Reflect.get(claims, 'iss') : undefined
    return typeof issuer === 'string' ? issuer : undefined
  } catch {
    return undefined
  }
}

/** The `kid` and the `typ`, without `application/` (RFC 7515 §4.1.9), where there is a header that says them. */
function claimedHeader(token: string): { readonly type?: string; readonly kid?: string } {
  try {
    const { typ, kid }: Record<string, unknown> = decodeProtectedHeader(token)
    return {
      ...(typeof typ === 'string' ? { type: typ.toLowerCase().replace(/^application\//, '') } : {}),
      ...(typeof kid === 'string' ? { kid } : {}),
    }
  } catch {
    return {}
  }
}

/** The claims of a token that one of `keys` verifies. Rejects as jwtVerify does. */
async function verifyWith(keys: KeySet, token: string, options: JWTVerifyOptions): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, keys, options)).payload
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    // Where the header can mean several keys, any of them may be the one (RFC 7515 §6).
    for await (const key of error) {
      const verified = await jwtVerify(token, key, options).catch(orOtherKey)
      if (verified) return verified.payload
    }
    throw new errors.JWSSignatureVerificationFailed()
  }
}

function orOtherKey(error: unknown): undefined {
  if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error
}

/** The same shape as for our own tokens; the grant's id stays the same for this user, client and route. */
function openAccess(route: Route, identity: Identity, payload: JWTPayload, hash: string): OpenAccess {
  const client = payload.client_id ?? payload.azp ?? payload.appid
  const clientId = typeof client === 'string' ? client.slice(0, 255) : 'unknown'
  const expiresAt = (payload.exp ?? 0) * 1000
  const issuedAt = (payload.iat ?? 0) * 1000
  const id = externalGrantId(identity, clientId, route.path)
  const scopes = grantedScopes(route, payload.scope)
  return {
    access: { hash, grantId: id, scopes, expiresAt },
    grant: {
      id,
      clientId,
      routePath: route.path,
      resource: route.resource,
      scopes,
      sealedIdentity: '',
      status: 'active',
      generation: 0,
      rotatedAt: issuedAt,
      createdAt: issuedAt,
      expiresAt,
    },
    identity,
  }
}

/** Scopes that the route knows; a route without scopes of its own asks for none. */
function grantedScopes(route: Route, scope: unknown): readonly string[] {
  if (route.scopes.length === 1 && route.scopes[0] === DEFAULT_SCOPE) return route.scopes
  const named = typeof scope === 'string' ? scope.split(' ') : []
  return route.scopes.filter((known) => named.includes(known))
}

function invalid(reason: string): ExternalAccess {
  return { outcome: 'invalid', reason }
}
