import { timingSafeEqual } from 'node:crypto'
import type { Client } from '../domain/client.ts'
import { type OAuthFailure, oauthFailure } from '../domain/errors.ts'
import { type RequestParameters, single } from '../domain/request-parameters.ts'
import { fail, ok, type Result } from '../domain/result.ts'
import { hashToken } from '../domain/token.ts'
import type { AuthorizationServer } from './authorization-server.ts'

const MAX_CLIENT_ID_LENGTH = 2048

/** The client of that id, declared or registered. Rejects with StoreUnavailable: an outage is never "no such client". */
export async function findClient(server: AuthorizationServer, clientId: string): Promise<Client | undefined> {
  if (clientId === '' || clientId.length > MAX_CLIENT_ID_LENGTH) return undefined
  return server.staticClients.get(clientId) ?? (await server.store.findClient(clientId))
}

interface Presented {
  readonly method: 'none' | 'client_secret_basic' | 'client_secret_post'
  readonly clientId: string
  readonly secret: string
}

/**
 * Authenticates the caller of the token or revocation endpoint (RFC 6749 §2.3) by the method it registered, no other.
 * Fails with `invalid_request` for a malformed attempt and `invalid_client` for everything that did not prove itself,
 * the same words whether the client is unknown or the secret is wrong.
 */
export async function authenticateClient(
  server: AuthorizationServer,
  authorization: string | undefined,
  parameters: RequestParameters,
): Promise<Result<Client, OAuthFailure>> {
  const presented = readPresented(authorization, parameters)
  if (!presented.ok) return presented
  const { method, clientId, secret } = presented.value
  const client = await findClient(server, clientId)
  const expected = client?.secretHash ?? ''
  const proven = method === 'none' || isSameHash(hashToken(secret), expected)
  if (!client || client.tokenEndpointAuthMethod !== method || !proven) return fail(INVALID_CLIENT)
  return ok(client)
}

const INVALID_CLIENT = oauthFailure('invalid_client', 'the client is unknown or did not prove itself as registered')
const MALFORMED_BASIC = oauthFailure(
  'invalid_client',
  'the Authorization header is not well-formed Basic authentication',
)

function readPresented(
  authorization: string | undefined,
  parameters: RequestParameters,
): Result<Presented, OAuthFailure> {
  const clientId = single(parameters, 'client_id')
  const secret = single(parameters, 'client_secret')
  if (authorization === undefined) {
    if (clientId === undefined) return fail(oauthFailure('invalid_request', 'client_id is missing'))
    return ok({ method: secret === undefined ? 'none' : 'client_secret_post', clientId, secret: secret ?? '' })
  }
  const basic = parseBasic(authorization)
  if (!basic) return fail(MALFORMED_BASIC)
  // RFC 6749 §2.3: one method per request. A client_id that repeats the authenticated one is harmless and common.
  if (secret !== undefined)
    return fail(oauthFailure('invalid_request', 'use one client authentication method, not two'))
  if (clientId !== undefined && clientId !== basic.clientId) {
    return fail(oauthFailure('invalid_request', 'client_id differs from the authenticated client'))
  }
  return ok({ method: 'client_secret_basic', ...basic })
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
