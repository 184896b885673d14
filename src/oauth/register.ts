import { randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Client } from '../domain/client.ts'
import { parseClientMetadata } from '../domain/registration.ts'
import { hashToken, newId } from '../domain/token.ts'
import { replyOAuthError } from '../http/error-reply.ts'
import type { AuthorizationServer } from './authorization-server.ts'

/** `POST /register`: Dynamic Client Registration (RFC 7591 §3). */
export function registerEndpoint(server: AuthorizationServer) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const metadata = parseClientMetadata(request.body)
    if (!metadata.ok) {
      server.metrics.registrations.inc({ outcome: 'refused' })
      return replyOAuthError(reply, metadata.failure)
    }
    const isConfidential = metadata.value.tokenEndpointAuthMethod !== 'none'
    const secret = isConfidential ? randomBytes(32).toString('base64url') : undefined
    const client: Client = {
      ...metadata.value,
      // Never a URL: those name metadata documents.
      clientId: `client-${newId()}`,
      origin: 'registered',
      createdAt: server.now(),
      ...(secret === undefined ? {} : { secretHash: hashToken(secret) }),
    }
    await server.store.createClient(client)
    server.metrics.registrations.inc({ outcome: 'registered' })
    const { clientId, clientName } = client
    server.audit({
      event: 'client_registered',
      requestId: request.id,
      clientId,
      ...(clientName === undefined ? {} : { clientName }),
    })
    return reply
      .code(201)
      .header('cache-control', 'no-store')
      .header('pragma', 'no-cache')
      .send(clientInformation(client, secret))
  }
}

/** The client information response (RFC 7591 §3.2.1): everything as it was registered, not as it was asked for. */
function clientInformation(client: Client, secret: string | undefined): Record<string, unknown> {
  return {
    client_id: client.clientId,
    client_id_issued_at: Math.floor(client.createdAt / 1000),
    ...(secret === undefined ? {} : { client_secret: secret, client_secret_expires_at: 0 }),
    client_name: client.clientName,
    client_uri: client.clientUri,
    redirect_uris: client.redirectUris,
    grant_types: client.grantTypes,
    response_types: ['code'],
    token_endpoint_auth_method: client.tokenEndpointAuthMethod,
    application_type: client.applicationType,
    scope: client.scope,
  }
}
