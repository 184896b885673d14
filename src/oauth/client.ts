import { timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import type { AuthorizationRequest } from '../domain/authorization-request.ts'
import type { Client } from '../domain/client.ts'
import { JWT_BEARER } from '../domain/client-assertion.ts'
import { isClientIdUrl } from '../domain/client-id-url.ts'
import { type OAuthFailure, oauthFailure } from '../domain/errors.ts'
import { type RequestParameters, single } from '../domain/request-parameters.ts'
import { fail, ok, type Result } from '../domain/result.ts'
import { hashToken } from '../domain/token.ts'
import type { NotRead } from '../http/published-json.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { claimedClient, verifyClientAssertion } from './client-assertion.ts'

const MAX_CLIENT_ID_LENGTH = 2048

/**
 * The client of that id, declared, registered, or named by a metadata document that somebody signed in with; no document
 * is waited for. Rejects with StoreUnavailable: an outage is never "no such client".
 */
export async function findClient(server: AuthorizationServer, clientId: string): Promise<Client | undefined> {
  if (clientId === '' || clientId.length > MAX_CLIENT_ID_LENGTH) return undefined
  const declared = server.staticClients.get(clientId)
  if (declared) return declared
  return isClientIdUrl(clientId) ? server.metadataClients?.recall(clientId) : server.store.findClient(clientId)
}

/**
 * The client of a new authorization; unlike {@link findClient} it may have to read a metadata document first, on behalf of
 * the peer at `caller`. Fails with the reason why a document was of no use, or with undefined for an unknown client.
 */
export async function resolveClient(
  server: AuthorizationServer,
  clientId: string,
  caller: string,
): Promise<Result<Client, NotRead | undefined>> {
  // What the operator declared stands, also under the address of a document: a pinned copy.
  const isDescribed = isClientIdUrl(clientId) && !server.staticClients.has(clientId)
  if (isDescribed && server.metadataClients) return server.metadataClients.resolve(clientId, caller)
  const client = await findClient(server, clientId)
  return client ? ok(client) : fail(undefined)
}

/** The client that the user was asked about, as it was then (B049). Rejects with StoreUnavailable. */
export async function askingClient(
  server: AuthorizationServer,
  asked: AuthorizationRequest,
): Promise<Client | undefined> {
  return asked.client ?? findClient(server, asked.clientId)
}

/** What came with a request instead of a proven client. */
type Presented =
  | { readonly method: 'none'; readonly clientId: string }
  | {
      readonly method: 'client_secret_basic' | 'client_secret_post'
      readonly clientId: string
      readonly secret: string
    }
  | { readonly method: 'private_key_jwt'; readonly clientId: string; readonly assertion: string }

/**
 * Authenticates the caller of the token, revocation or introspection endpoint (RFC 6749 §2.3) by the method it registered,
 * no other. Fails with `invalid_request` for a malformed attempt, `temporarily_unavailable` while the client's keys cannot
 * be read, and `invalid_client` for everything that did not prove itself, the same words whether the client is unknown or
 * the secret is wrong.
 */
export async function authenticateClient(
  server: AuthorizationServer,
  request: FastifyRequest,
  parameters: RequestParameters,
): Promise<Result<Client, OAuthFailure>> {
  const presented = readPresented(request.headers.authorization, parameters)
  if (!presented.ok) return presented
  const client = await findClient(server, presented.value.clientId)
  if (presented.value.method === 'private_key_jwt') {
    if (client?.tokenEndpointAuthMethod !== 'private_key_jwt') return fail(INVALID_CLIENT)
    const proof = await verifyClientAssertion(server, client, presented.value.assertion, request.ip)
    if (proof.ok) return ok(client)
    request.log.info({ clientId: client.clientId, reason: proof.failure.reason }, 'client assertion refused')
    return fail(proof.failure.transient ? KEYS_UNAVAILABLE : INVALID_CLIENT)
  }
  const { method } = presented.value
  const proven = method === 'none' || isSameHash(hashToken(presented.value.secret), client?.secretHash ?? '')
  if (!client || client.tokenEndpointAuthMethod !== method || !proven) return fail(INVALID_CLIENT)
  return ok(client)
}

const INVALID_CLIENT = oauthFailure('invalid_client', 'the client is unknown or did not prove itself as registered')
const KEYS_UNAVAILABLE = oauthFailure('temporarily_unavailable', 'the keys of the client cannot be read right now')
const MALFORMED_BASIC = oauthFailure(
  'invalid_client',
  'the Authorization header is not well-formed Basic authentication',
)
const TWO_METHODS = oauthFailure('invalid_request', 'use one client authentication method, not two')
const OTHER_CLIENT = oauthFailure('invalid_request', 'client_id differs from the authenticated client')

function readPresented(
  authorization: string | undefined,
  parameters: RequestParameters,
): Result<Presented, OAuthFailure> {
  const clientId = single(parameters, 'client_id')
  const secret = single(parameters, 'client_secret')
  const assertion = single(parameters, 'client_assertion')
  const type = single(parameters, 'client_assertion_type')
  const isAssertion = assertion !== undefined || type !== undefined
  // RFC 6749 §2.3: one method per request.
  const methods = [authorization !== undefined, secret !== undefined, isAssertion].filter(Boolean)
  if (methods.length > 1) return fail(TWO_METHODS)
  if (isAssertion) return readAssertion(clientId, assertion, type)
  if (authorization === undefined) {
    if (clientId === undefined) return fail(oauthFailure('invalid_request', 'client_id is missing'))
    return ok(secret === undefined ? { method: 'none', clientId } : { method: 'client_secret_post', clientId, secret })
  }
  const basic = parseBasic(authorization)
  if (!basic) return fail(MALFORMED_BASIC)
  // A client_id that repeats the authenticated one is harmless and common.
  if (clientId !== undefined && clientId !== basic.clientId) return fail(OTHER_CLIENT)
  return ok({ method: 'client_secret_basic', ...basic })
}

/** RFC 7523 §2.2; `client_id` may be absent, the assertion names the client (RFC 7521 §4.2). */
function readAssertion(
  clientId: string | undefined,
  assertion: string | undefined,
  type: string | undefined,
): Result<Presented, OAuthFailure> {
  if (assertion === undefined || type === undefined)
    return fail(oauthFailure('invalid_request', 'client_assertion and client_assertion_type belong together'))
  const claimed = type === JWT_BEARER ? claimedClient(assertion) : undefined
  if (claimed === undefined) return fail(INVALID_CLIENT)
  return clientId === undefined || clientId === claimed
    ? ok({ method: 'private_key_jwt', clientId: claimed, assertion })
    : fail(OTHER_CLIENT)
}

/** RFC 6749 §2.3.1: both halves are form-urlencoded before they are joined and base64-encoded (RFC 7617 §2). */
function parseBasic(authorization: string): { clientId: string; secret: string } | undefined {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)?.[1]
  if (encoded === undefined) return undefined
  const decoded = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  if (colon < 1) return undefined
  try {
    const [clientId, secret] = [decoded.slice(0, colon), decoded.slice(colon + 1)].map((half) =>
      decodeURIComponent(half.replaceAll('+', ' ')),
    )
    return clientId && secret !== undefined ? { clientId, secret } : undefined
  } catch {
    return undefined
  }
}

function isSameHash(presented: string, expected: string): boolean {
  const left = Buffer.from(presented)
  const right = Buffer.from(expected)
  return left.length === right.length && timingSafeEqual(left, right)
}
