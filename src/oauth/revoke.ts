import type { FastifyReply, FastifyRequest } from 'fastify'
import { auditedClient } from '../audit.ts'
import type { Client } from '../domain/client.ts'
import { oauthFailure } from '../domain/errors.ts'
import { single } from '../domain/request-parameters.ts'
import { hashToken, looksLikeToken, verifyRefreshToken } from '../domain/token.ts'
import { circumstances } from '../http/circumstances.ts'
import { replyOAuthError } from '../http/error-reply.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { authenticateClient } from './client.ts'
import { readForm } from './token.ts'

/**
 * `POST /revoke` (RFC 7009 §2): an access token alone, or with a refresh token its whole grant. Unknown tokens and those
 * of other clients are answered with the same 200 and change nothing.
 */
export function revokeEndpoint(server: AuthorizationServer) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const parameters = readForm(request)
    if (!parameters.ok) return replyOAuthError(reply, parameters.failure)
    const client = await authenticateClient(server, request, parameters.value)
    if (!client.ok) return replyOAuthError(reply, client.failure)
    const token = single(parameters.value, 'token')
    if (token === undefined) return replyOAuthError(reply, oauthFailure('invalid_request', 'token is missing'))
    if (looksLikeToken('access', token)) await revokeAccess(server, request, client.value, hashToken(token))
    else await revokeGrant(server, request, client.value, token)
    return reply.code(200).header('cache-control', 'no-store').send()
  }
}

async function revokeAccess(
  server: AuthorizationServer,
  request: FastifyRequest,
  client: Client,
  hash: string,
): Promise<void> {
  const found = await server.store.findAccess(hash)
  if (found?.grant.clientId !== client.clientId) return
  await server.store.revokeAccess(hash)
  const { id: grantId, routePath } = found.grant
  server.audit({ event: 'token_revoked', ...circumstances(request), client: auditedClient(client), grantId, routePath })
}

async function revokeGrant(
  server: AuthorizationServer,
  request: FastifyRequest,
  client: Client,
  token: string,
): Promise<void> {
  const claim = verifyRefreshToken(server.vault.refreshMacKeys, token)
  const grant = claim && (await server.store.findGrant(claim.grantId))
  if (grant?.clientId !== client.clientId) return
  await server.grantEnds.end(grant, { ...circumstances(request), reason: 'client' })
}
