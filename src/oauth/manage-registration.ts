import { timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { auditedClient } from '../audit.ts'
import type { Client } from '../domain/client.ts'
import { oauthFailure } from '../domain/errors.ts'
import { hashToken } from '../domain/token.ts'
import { circumstances } from '../http/circumstances.ts'
import { replyOAuthError } from '../http/error-reply.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { answerClientInformation, readRegistration } from './register.ts'

const UNAUTHORIZED = oauthFailure('invalid_token', 'the registration access token does not belong to this client')

/** `GET /register/:client_id`: what is registered (RFC 7592 §2.1). */
export function readRegistrationEndpoint(server: AuthorizationServer) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const managed = await authenticateManager(server, request)
    return managed ? answerClientInformation(server, reply, 200, managed, echo(request)) : refuse(reply)
  }
}

/** `PUT /register/:client_id`: replaces the registration whole; ids and secrets stay the server's (RFC 7592 §2.2). */
export function updateRegistrationEndpoint(server: AuthorizationServer) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const managed = await authenticateManager(server, request)
    if (!managed) return refuse(reply)
    const metadata = readRegistration(server, request.body)
    if (!metadata.ok) return replyOAuthError(reply, metadata.failure)
    if (!namesItself(request.body, managed.clientId)) return replyOAuthError(reply, OTHER_CLIENT)
    // A public client that became confidential would need a secret that nobody gave it.
    if (metadata.value.tokenEndpointAuthMethod !== managed.tokenEndpointAuthMethod)
      return replyOAuthError(reply, OTHER_METHOD)
    const updated: Client = {
      ...metadata.value,
      clientId: managed.clientId,
      origin: managed.origin,
      createdAt: managed.createdAt,
      ...(managed.secretHash === undefined ? {} : { secretHash: managed.secretHash }),
      ...(managed.registrationTokenHash === undefined ? {} : { registrationTokenHash: managed.registrationTokenHash }),
    }
    if (!(await server.store.updateClient(updated))) return refuse(reply)
    server.audit({ event: 'client_updated', ...circumstances(request), client: auditedClient(updated) })
    return answerClientInformation(server, reply, 200, updated, echo(request))
  }
}

/** `DELETE /register/:client_id`: the client goes, and every grant it has (RFC 7592 §2.3). */
export function deleteRegistrationEndpoint(server: AuthorizationServer) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const managed = await authenticateManager(server, request)
    const ended = managed && (await server.store.deleteClient(managed.clientId))
    if (!ended) return refuse(reply)
    // In this order, because tokens are given back as the client that they were issued to.
    void server.grantEnds.settle(ended).then(() => server.mirroredClients.clientGone(managed.clientId))
    server.audit({ event: 'client_deleted', ...circumstances(request), client: auditedClient(managed) })
    return reply.code(204).header('cache-control', 'no-store').send()
  }
}

const OTHER_CLIENT = oauthFailure('invalid_client_metadata', 'client_id must be the one that is being updated')
const OTHER_METHOD = oauthFailure('invalid_client_metadata', 'token_endpoint_auth_method cannot change; register anew')

/** The client whose own token came with the request; unknown clients and foreign tokens look the same (RFC 7592 §2). */
async function authenticateManager(server: AuthorizationServer, request: FastifyRequest): Promise<Client | undefined> {
  const { clientId } = request.params as { readonly clientId?: string }
  const token = presentedToken(request)
  const client = clientId === undefined || token === undefined ? undefined : await server.store.findClient(clientId)
  const expected = Buffer.from(client?.registrationTokenHash ?? '')
  const presented = Buffer.from(hashToken(token ?? ''))
  return client && expected.length === presented.length && timingSafeEqual(expected, presented) ? client : undefined
}

/** RFC 7592 §3 wants the token in every answer. Only its hash is stored, so the holder gets back what it has just shown. */
function echo(request: FastifyRequest): { registrationToken?: string } {
  const registrationToken = presentedToken(request)
  return registrationToken === undefined ? {} : { registrationToken }
}

function presentedToken(request: FastifyRequest): string | undefined {
  return /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
}

function namesItself(body: unknown, clientId: string): boolean {
  return typeof body === 'object' && body !== null && (body as { client_id?: unknown }).client_id === clientId
}

function refuse(reply: FastifyReply): FastifyReply {
  return replyOAuthError(reply.header('www-authenticate', 'Bearer error="invalid_token"'), UNAUTHORIZED, 401)
}
