import { auditedClient, auditedUser } from '../audit.ts'
import { type OAuthFailure, oauthFailure } from '../domain/errors.ts'
import { verifiesS256 } from '../domain/pkce.ts'
import { single } from '../domain/request-parameters.ts'
import { fail, ok, type Result } from '../domain/result.ts'
import { hashToken, looksLikeToken, refreshToken } from '../domain/token.ts'
import type { FoundCode } from '../storage/records.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { userOf } from './grant-user.ts'
import { accessFor, checkResource } from './issue-access.ts'
import type { IssuedTokens, TokenRequest } from './token.ts'

const INVALID = oauthFailure('invalid_grant', 'the code is unknown, used, expired, or was issued for another request')

/**
 * The authorization_code grant (RFC 6749 §4.1.3, RFC 7636 §4.6, RFC 8707 §2.2). Everything is checked before the code
 * is touched, so that nobody can spend the code of another. A code that is presented again, by someone who passes all
 * checks and began after it was redeemed, ends its grant (RFC 6749 §10.5).
 */
export async function authorizationCodeGrant(
  server: AuthorizationServer,
  request: TokenRequest,
): Promise<Result<IssuedTokens, OAuthFailure>> {
  const presented = single(request.parameters, 'code')
  if (presented === undefined) return fail(oauthFailure('invalid_request', 'code is missing'))
  if (!looksLikeToken('code', presented)) return fail(INVALID)
  const code = await server.store.findCode(hashToken(presented))
  if (!code || !isSameRequest(code, request)) return fail(INVALID)
  const grant = await server.store.findGrant(code.grantId)
  if (!grant) return fail(INVALID)
  const target = checkResource(server, request.parameters, grant)
  if (target) return fail(target)
  const identity = await userOf(server, grant)
  if (!identity) return fail(INVALID)

  const access = accessFor(server, grant.id, grant.scopes, grant.expiresAt)
  const about = { client: auditedClient(request.client), routePath: grant.routePath, grantId: grant.id }
  const redeemed = await server.store.redeemCode(code.hash, access.row, server.now())
  server.failpoint?.('token.redeemed')
  if (redeemed.outcome === 'replayed' && redeemed.redeemedAt <= request.arrivedAt) {
    await server.grantEnds.endUnnoted(grant)
    server.audit({ event: 'code_replayed', ...request.circumstances, ...about })
  }
  if (redeemed.outcome !== 'redeemed') return fail(INVALID)
  server.audit({ event: 'token_issued', ...request.circumstances, user: auditedUser(identity), ...about })
  return ok({
    accessToken: access.token,
    refreshToken: refreshToken(server.vault.refreshMacKeys[0], { grantId: grant.id, generation: 1 }),
    expiresInSeconds: access.expiresInSeconds,
    scopes: grant.scopes,
  })
}

/** Whether the token request continues the authorization request of the code: client, redirect URI, PKCE verifier. */
function isSameRequest(code: FoundCode, request: TokenRequest): boolean {
  const redirectUri = single(request.parameters, 'redirect_uri')
  const verifier = single(request.parameters, 'code_verifier')
  return (
    code.clientId === request.client.clientId &&
    // OAuth 2.1 drops the parameter; who still sends it must repeat it exactly.
    (redirectUri === undefined || redirectUri === code.redirectUri) &&
    verifier !== undefined &&
    verifiesS256(verifier, code.codeChallenge)
  )
}
