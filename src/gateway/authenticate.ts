import type { FastifyRequest } from 'fastify'
import { tokenProviderOf } from '../domain/credential.ts'
import { bearerChallenge } from '../domain/discovery.ts'
import { decide } from '../domain/policy.ts'
import type { ExternalAuthorization, Route } from '../domain/route.ts'
import { hashToken, looksLikeToken } from '../domain/token.ts'
import { circumstances } from '../http/circumstances.ts'
import type { RouteRefusal } from '../http/error-reply.ts'
import { rawQuery } from '../http/query.ts'
import { isStillKnown } from '../providers/provider.ts'
import { CannotOpen, openIdentity, openPat, openTokens } from '../vault.ts'
import type { OpenAccess } from './access-cache.ts'
import type { ExternalAccess } from './external-token.ts'
import type { Gateway } from './gateway.ts'

export type Authenticated =
  | { readonly ok: true; readonly access: OpenAccess }
  /** `reason` is a constant, for metrics and the log. */
  | { readonly ok: false; readonly reason: string; readonly refusal: RouteRefusal }

/**
 * Whether the request carries a token that is good here and now (RFC 6750, RFC 8707): form first, then one look-up,
 * alive, for this very route, and the policy still allows the user. What is cached is answered at once. Rejects with
 * StoreUnavailable or CannotOpen; then nothing may be forwarded.
 */
export function authenticate(
  gateway: Gateway,
  route: Route,
  request: FastifyRequest,
): Authenticated | Promise<Authenticated> {
  if (hasTokenInQuery(request.url))
    return refuse('token_in_query', 400, 'the access token belongs in the Authorization header')
  const { authorization } = request.headers
  const token = /^bearer +(.+)$/i.exec(authorization ?? '')?.[1]
  if (token === undefined) return challenge(gateway, route)
  if (route.authorization) return authenticateExternal(gateway, route, route.authorization, token)
  if (!looksLikeToken('access', token)) return challengeInvalid(gateway, route)

  const hash = hashToken(token)
  const known = gateway.cache.find(hash)
  if (known) return judgeAccess(gateway, route, request, known)
  return gateway.cache
    .load(hash, () => lookUp(gateway, route, hash, request))
    .then((found) => judgeAccess(gateway, route, request, found))
}

function judgeAccess(
  gateway: Gateway,
  route: Route,
  request: FastifyRequest,
  access: OpenAccess | undefined,
): Authenticated {
  if (access && access.grant.routePath !== route.path) noteOtherRoute(gateway, route, access, request)
  if (!access || access.grant.routePath !== route.path || access.access.expiresAt <= gateway.now()) {
    return challengeInvalid(gateway, route)
  }
  return { ok: true, access }
}

/** The same decision for a token of another authorization server: verified, alive, for this audience, allowed by policy. */
function authenticateExternal(
  gateway: Gateway,
  route: Route,
  authorization: ExternalAuthorization,
  token: string,
): Authenticated | Promise<Authenticated> {
  const verified = gateway.externalTokens.verify(route, authorization, token)
  return verified instanceof Promise
    ? verified.then((result) => judgeExternal(gateway, route, result))
    : judgeExternal(gateway, route, verified)
}

function judgeExternal(gateway: Gateway, route: Route, verified: ExternalAccess): Authenticated {
  if (verified.outcome === 'unavailable') {
    gateway.logger.warn({ route: route.path, reason: verified.reason }, 'a token could not be verified')
    return {
      ok: false,
      reason: 'keys_unavailable',
      refusal: { status: 503, message: 'the keys of the authorization server cannot be read; try again later' },
    }
  }
  if (verified.outcome === 'invalid') return challengeInvalid(gateway, route)
  const { access } = verified
  const decision = decide(route, access.identity)
  // A new token would not help, so there is nothing to challenge (RFC 6750 §3.1).
  if (!decision.allowed) return refuse('not_allowed', 403, 'this user may not use this MCP server')
  return { ok: true, access }
}

/** The 401 for a token that is not, or no longer, good here (RFC 6750 §3.1). */
export function invalidToken(gateway: Gateway, route: Route): RouteRefusal {
  const description = 'the access token is unknown or expired or revoked or meant for another server'
  return {
    status: 401,
    message: description,
    headers: { 'www-authenticate': bearerChallenge(gateway.issuer, route, { error: 'invalid_token', description }) },
  }
}

/** What no configured key, user, route or provider opens any more is as good as nothing: the user signs in again. */
async function lookUp(...lookedUp: Parameters<typeof openFound>): Promise<OpenAccess | undefined> {
  try {
    return await openFound(...lookedUp)
  } catch (error) {
    if (!(error instanceof CannotOpen)) throw error
    const [gateway, route] = lookedUp
    gateway.logger.warn({ route: route.path }, 'what is stored for a token cannot be opened')
    return undefined
  }
}

async function openFound(
  gateway: Gateway,
  route: Route,
  hash: string,
  request: FastifyRequest,
): Promise<OpenAccess | undefined> {
  const found = await gateway.store.findAccess(hash)
  if (found?.grant.status !== 'active' || found.grant.expiresAt <= gateway.now()) return undefined
  const { access, grant, credential } = found
  // The audience decides before anything is opened; a token of another route is as unknown as any.
  if (grant.routePath !== route.path) {
    noteOtherRoute(gateway, route, found, request)
    return undefined
  }
  const identity = await openIdentity(gateway.vault, grant)
  if (!decide(route, identity).allowed || !isStillKnown(gateway.providers, identity)) return undefined
  if (route.credential.kind === 'user-pat') {
    if (!credential || credential.id !== grant.sharedCredentialId) return undefined
    if (credential.state !== 'live')
      return { access, grant, identity, credential: { kind: 'user-pat', row: credential } }
    const pat = await openPat(gateway.vault, credential.id, identity, route.path, credential.sealed)
    return { access, grant, identity, credential: { kind: 'user-pat', row: credential, pat } }
  }
  const provider = tokenProviderOf(route.credential)
  // Everything else follows from configuration and identity.
  if (provider === undefined) return { access, grant, identity }
  if (credential?.state !== 'live') return undefined
  const owner = { id: credential.id, grantId: grant.id, routePath: route.path, provider }
  const tokens = await openTokens(gateway.vault, owner, credential.sealed)
  // Issued to a client that we are not any more: better a new sign-in now than a refresh that fails in an hour.
  if (!(await gateway.upstreamClients.recall(provider, grant.clientId, tokens.issuedTo))) return undefined
  return { access, grant, identity, credential: { kind: 'provider-token', row: credential, tokens } }
}

/** A live token of one server presented to another: a client's mistake, or somebody trying (RFC 8707 §2). */
function noteOtherRoute(
  gateway: Gateway,
  route: Route,
  { grant }: Pick<OpenAccess, 'grant'>,
  request: FastifyRequest,
): void {
  const { id: grantId, clientId } = grant
  gateway.audit({ event: 'audience_refused', ...circumstances(request), grantId, clientId, routePath: route.path })
}

/** RFC 6750 §3.1: a request without any token is told where to get one, and not that something was wrong. */
function challenge(gateway: Gateway, route: Route): Authenticated {
  return {
    ok: false,
    reason: 'no_token',
    refusal: {
      status: 401,
      message: 'an access token is required',
      headers: { 'www-authenticate': bearerChallenge(gateway.issuer, route) },
    },
  }
}

function challengeInvalid(gateway: Gateway, route: Route): Authenticated {
  return { ok: false, reason: 'invalid_token', refusal: invalidToken(gateway, route) }
}

function refuse(reason: string, status: 400 | 403, message: string): Authenticated {
  return { ok: false, reason, refusal: { status, message } }
}

/** RFC 6750 §2.3 is forbidden by MCP: tokens in URLs end up in logs. However the name is written, a server may read it so. */
function hasTokenInQuery(target: string): boolean {
  const query = rawQuery(target)
  return query !== '' && query.split(/[&;]/).some((pair) => decodedName(pair) === 'access_token')
}

function decodedName(pair: string): string {
  const name = pair.split('=', 1)[0] ?? ''
  return name.replaceAll(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))).toLowerCase()
}
