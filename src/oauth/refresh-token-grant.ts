import { auditedClient, auditedUpstreamClient, auditedUser } from '../audit.ts'
import { tokenProviderOf } from '../domain/credential.ts'
import { type OAuthFailure, oauthFailure } from '../domain/errors.ts'
import { refreshDeadline } from '../domain/grant.ts'
import { single } from '../domain/request-parameters.ts'
import { fail, ok, type Result } from '../domain/result.ts'
import { narrowScopes } from '../domain/scope.ts'
import { refreshToken, verifyRefreshToken } from '../domain/token.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { allowedUser } from './grant-user.ts'
import { findHolding } from './held-credential.ts'
import { accessFor, checkResource } from './issue-access.ts'
import type { IssuedTokens, TokenRequest } from './token.ts'

const INVALID = oauthFailure('invalid_grant', 'the refresh token is unknown, used, expired or revoked')

/**
 * The refresh_token grant (RFC 6749 §6) with rotation (RFC 9700 §4.14.2). The token names its generation: the current
 * one advances; the one before it, within the grace, gets the same successor again, because answers are lost; one that
 * was on its way while others rotated gets the newest, because clients race with themselves; anything older is reuse and ends the grant. Checks come before the rotation, so that a refused request
 * costs nobody a token.
 */
export async function refreshTokenGrant(
  server: AuthorizationServer,
  request: TokenRequest,
): Promise<Result<IssuedTokens, OAuthFailure>> {
  const presented = single(request.parameters, 'refresh_token')
  if (presented === undefined) return fail(oauthFailure('invalid_request', 'refresh_token is missing'))
  const claim = verifyRefreshToken(server.vault.refreshMacKeys, presented)
  const grant = claim && (await server.store.findGrant(claim.grantId))
  if (!claim || !grant || grant.clientId !== request.client.clientId || grant.status !== 'active') return fail(INVALID)
  if (server.now() >= refreshDeadline(grant, server.lifetimes.refreshIdleTtlMs)) return fail(INVALID)
  const route = server.routes.find((candidate) => candidate.path === grant.routePath)
  const identity = route && (await allowedUser(server, route, grant))
  const holding = identity && (await findHolding(server, route, grant))
  if (!holding) return fail(INVALID)
  const target = checkResource(server, request.parameters, grant)
  if (target) return fail(target)
  const scopes = narrowScopes(single(request.parameters, 'scope'), grant.scopes)
  if (!scopes.ok) return scopes

  // Who is let in by a list or a claim is asked about at every rotation; a repeated request has been through it.
  if (claim.generation === grant.generation && (await server.recheckUser(grant)) === 'ended') return fail(INVALID)

  const access = accessFor(server, grant.id, scopes.value, grant.expiresAt)
  const { refreshGraceMs } = server.lifetimes
  server.failpoint?.('token.checked')
  const outcome = await server.store.advanceGeneration(
    grant.id,
    claim.generation,
    access.row,
    server.now(),
    refreshGraceMs,
    request.arrivedAt,
  )
  server.failpoint?.('token.rotated')
  const about = { client: auditedClient(request.client), routePath: grant.routePath, grantId: grant.id }
  if (outcome === 'reused') {
    await server.grantEnds.endUnnoted(grant)
    server.audit({ event: 'refresh_token_reused', ...request.circumstances, ...about })
  }
  if (outcome === 'reused' || outcome === 'gone') return fail(INVALID)
  // One that was overtaken by several rotations gets the newest token: its own successor is history already.
  const newest = outcome === 'overtaken' ? (await server.store.findGrant(grant.id))?.generation : claim.generation + 1
  if (newest === undefined) return fail(INVALID)
  const event = outcome === 'rotated' ? 'token_refreshed' : 'token_retried'
  const provider = tokenProviderOf(route.credential) ?? route.signIn
  const at = auditedUpstreamClient(provider, holding.issuedTo)
  server.audit({ event, ...request.circumstances, user: auditedUser(identity), ...about, ...at })
  return ok({
    accessToken: access.token,
    refreshToken: refreshToken(server.vault.refreshMacKeys[0], { grantId: grant.id, generation: newest }),
    expiresInSeconds: access.expiresInSeconds,
    scopes: scopes.value,
  })
}
