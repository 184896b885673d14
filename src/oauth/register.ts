import { randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { auditedClient } from '../audit.ts'
import type { Client } from '../domain/client.ts'
import type { OAuthFailure } from '../domain/errors.ts'
import { type ClientMetadata, parseClientMetadata, refuseUnapproved } from '../domain/registration.ts'
import { fail, type Result } from '../domain/result.ts'
import { hashToken, newId } from '../domain/token.ts'
import { circumstances } from '../http/circumstances.ts'
import { replyOAuthError } from '../http/error-reply.ts'
import type { AuthorizationServer } from './authorization-server.ts'

/** Registered clients that are kept; beyond that the oldest that nobody ever used makes room. */
const MAX_CLIENTS = 100_000

/** What only the answer to a registration says: secrets are stored as hashes. */
interface IssuedOnce {
  readonly secret?: string
  readonly registrationToken?: string
}

/** `POST /register`: Dynamic Client Registration (RFC 7591 §3), with the means to manage it (RFC 7592 §3). */
export function registerEndpoint(server: AuthorizationServer) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const metadata = readRegistration(server, request.body)
    if (!metadata.ok) {
      server.metrics.registrations.inc({ outcome: 'refused' })
      return replyOAuthError(reply, metadata.failure)
    }
    const method = metadata.value.tokenEndpointAuthMethod
    const hasSecret = method === 'client_secret_basic' || method === 'client_secret_post'
    const secret = hasSecret ? randomBytes(32).toString('base64url') : undefined
    const registrationToken = randomBytes(32).toString('base64url')
    const client: Client = {
      ...metadata.value,
      // Never a URL: those name metadata documents.
      clientId: `client-${newId()}`,
      origin: 'registered',
      createdAt: server.now(),
      registrationTokenHash: hashToken(registrationToken),
      ...(secret === undefined ? {} : { secretHash: hashToken(secret) }),
    }
    await server.store.createClient(client, MAX_CLIENTS)
    server.metrics.registrations.inc({ outcome: 'registered' })
    server.audit({ event: 'client_registered', ...circumstances(request), client: auditedClient(client) })
    return answerClientInformation(server, reply, 201, client, {
      registrationToken,
      ...(secret === undefined ? {} : { secret }),
    })
  }
}

/** The metadata of a registration request, as far as the operator lets clients register themselves. */
export function readRegistration(server: AuthorizationServer, body: unknown): Result<ClientMetadata, OAuthFailure> {
  const metadata = parseClientMetadata(body)
  if (!metadata.ok || server.approvedRedirects === undefined) return metadata
  const refused = refuseUnapproved(metadata.value.redirectUris, server.approvedRedirects)
  return refused ? fail(refused) : metadata
}

/** The client information response (RFC 7591 §3.2.1, RFC 7592 §3): everything as registered, not as asked for. */
export function answerClientInformation(
  server: AuthorizationServer,
  reply: FastifyReply,
  status: 200 | 201,
  client: Client,
  issued: IssuedOnce,
): FastifyReply {
  const { secret, registrationToken } = issued
  return reply
    .code(status)
    .headers({ 'cache-control': 'no-store', pragma: 'no-cache' })
    .send({
      client_id: client.clientId,
      client_id_issued_at: Math.floor(client.createdAt / 1000),
      ...(secret === undefined ? {} : { client_secret: secret, client_secret_expires_at: 0 }),
      client_name: client.clientName,
      client_uri: client.clientUri,
      redirect_uris: client.redirectUris,
      grant_types: client.grantTypes,
      response_types: ['code'],
      token_endpoint_auth_method: client.tokenEndpointAuthMethod,
      ...(client.keys?.kind === 'jwks' ? { jwks: { keys: client.keys.jwks } } : {}),
      ...(client.keys?.kind === 'jwks_uri' ? { jwks_uri: client.keys.url } : {}),
      application_type: client.applicationType,
      scope: client.scope,
      registration_client_uri: `${server.issuer}/register/${client.clientId}`,
      ...(registrationToken === undefined ? {} : { registration_access_token: registrationToken }),
    })
}
