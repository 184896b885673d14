import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Client } from '../domain/client.ts'
import { oauthFailure } from '../domain/errors.ts'
import { type Grant, refreshDeadline } from '../domain/grant.ts'
import { single } from '../domain/request-parameters.ts'
import { hashToken, looksLikeToken, verifyRefreshToken } from '../domain/token.ts'
import { replyOAuthError } from '../http/error-reply.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { authenticateClient } from './client.ts'
import { allowedUser } from './grant-user.ts'
import { findHolding } from './held-credential.ts'
import { readForm } from './token.ts'

const SECRET_NEEDED = oauthFailure('invalid_client', 'introspection is for clients that can prove themselves')

/**
 * `POST /introspect` (RFC 7662 §2): for clients that authenticate, about their own tokens. Everything else, and every token
 * that would be refused on its route, is `{"active":false}` and no more.
 */
export function introspectEndpoint(server: AuthorizationServer) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const parameters = readForm(request)
    if (!parameters.ok) return replyOAuthError(reply, parameters.failure)
    const client = await authenticateClient(server, request, parameters.value)
    if (!client.ok) return replyOAuthError(reply, client.failure)
    if (client.value.tokenEndpointAuthMethod === 'none') return replyOAuthError(reply, SECRET_NEEDED)
    const token = single(parameters.value, 'token')
    if (token === undefined) return replyOAuthError(reply, oauthFailure('invalid_request', 'token is missing'))
    const described = looksLikeToken('access', token)
      ? await describeAccess(server, client.value, token)
      : await describeRefresh(server, client.value, token)
    return reply.header('cache-control', 'no-store').send(described ?? { active: false })
  }
}

type Description = Record<string, unknown>

async function describeAccess(
  server: AuthorizationServer,
  client: Client,
  token: string,
): Promise<Description | undefined> {
  const found = await server.store.findAccess(hashToken(token))
  if (!found || found.access.expiresAt <= server.now()) return undefined
  const subject = await openSubject(server, client, found.grant)
  return (
    subject && {
      ...subject,
      scope: found.access.scopes.join(' '),
      token_type: 'Bearer',
      exp: seconds(found.access.expiresAt),
    }
  )
}

async function describeRefresh(
  server: AuthorizationServer,
  client: Client,
  token: string,
): Promise<Description | undefined> {
  const claim = verifyRefreshToken(server.vault.refreshMacKeys, token)
  const grant = claim && (await server.store.findGrant(claim.grantId))
  if (!claim || !grant || grant.generation !== claim.generation) return undefined
  const deadline = refreshDeadline(grant, server.lifetimes.refreshIdleTtlMs)
  if (deadline <= server.now()) return undefined
  const subject = await openSubject(server, client, grant)
  return subject && { ...subject, scope: grant.scopes.join(' '), exp: seconds(deadline) }
}

/** What both kinds of token say of their grant, if it is the caller's and its user may still use the route. */
async function openSubject(
  server: AuthorizationServer,
  client: Client,
  grant: Grant,
): Promise<Description | undefined> {
  const route = server.routes.find((candidate) => candidate.path === grant.routePath)
  if (!route || grant.clientId !== client.clientId || grant.status !== 'active' || grant.expiresAt <= server.now())
    return undefined
  const identity = await allowedUser(server, route, grant)
  if (!identity || !(await findHolding(server, route, grant))) return undefined
  return {
    active: true,
    client_id: grant.clientId,
    sub: identity.subject,
    aud: grant.resource,
    iss: server.issuer,
    iat: seconds(grant.createdAt),
  }
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000)
}
