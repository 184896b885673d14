import { ASSERTION_ALGORITHMS, type Client, displayName, GRANT_TYPES } from './client.ts'
import { type PublicKeys, parsePublicKeys } from './client-keys.ts'
import { acceptRedirectUri, type RedirectTarget } from './redirect-uri.ts'
import { fail, ok, type Result } from './result.ts'

/** The largest document that is read, in bytes; what the draft recommends. */
export const MAX_DOCUMENT_BYTES = 5 * 1024

const MAX_REDIRECT_URIS = 20
const MAX_STRING = 2000

type Members = Readonly<Record<string, unknown>>

/**
 * The client that a metadata document describes (draft-ietf-oauth-client-id-metadata-document §4). `url` is the client id
 * as the client presented it, `fetchedAt` in ms since 1970. Members that mean nothing here are ignored.
 * Fails with a constant sentence that names the broken rule.
 */
export function parseMetadataDocument(body: unknown, url: string, fetchedAt: number): Result<Client, string> {
  if (!isRecord(body)) return fail('the document is not a JSON object')
  if (body.client_id !== url) return fail('client_id is not exactly the address of the document')
  const name = typeof body.client_name === 'string' && body.client_name.length <= MAX_STRING ? body.client_name : ''
  const clientName = displayName(name)
  if (clientName === '') return fail('client_name is missing or cannot be shown')
  if (hasSharedSecret(body)) return fail('the document holds a client secret, which everybody can read')
  const redirects = parseRedirectUris(body.redirect_uris)
  if (!redirects.ok) return redirects
  if (!allowsCode(body)) return fail('grant_types or response_types exclude the authorization code grant')
  const authentication = parseAuthentication(body)
  if (!authentication.ok) return authentication
  const { uris, targets } = redirects.value
  return ok({
    clientId: url,
    origin: 'metadata-document',
    clientName,
    redirectUris: uris,
    ...authentication.value,
    grantTypes: [...GRANT_TYPES],
    applicationType: targets.some((target) => target.kind !== 'https') ? 'native' : 'web',
    ...optional('clientUri', readClientUri(body)),
    ...optional('scope', typeof body.scope === 'string' && body.scope.length <= MAX_STRING ? body.scope : undefined),
    createdAt: fetchedAt,
  })
}

/** `client_secret_expires_at` alone shows that there is a secret somewhere. */
function hasSharedSecret(body: Members): boolean {
  return body.client_secret !== undefined || body.client_secret_expires_at !== undefined
}

function parseRedirectUris(value: unknown): Result<{ uris: string[]; targets: RedirectTarget[] }, string> {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_REDIRECT_URIS)
    return fail('redirect_uris must be a list of 1 to 20 URIs')
  const uris: string[] = []
  const targets: RedirectTarget[] = []
  for (const uri of value) {
    const accepted = typeof uri === 'string' ? acceptRedirectUri(uri) : fail('redirect_uris must be a list of strings')
    if (!accepted.ok) return accepted
    uris.push(uri)
    targets.push(accepted.value)
  }
  return ok({ uris: [...new Set(uris)], targets })
}

/** Absent lists mean the code grant (RFC 7591 §2); other entries are not our business. */
function allowsCode(body: Members): boolean {
  const includes = (list: unknown, entry: string) => list === undefined || (Array.isArray(list) && list.includes(entry))
  return includes(body.grant_types, 'authorization_code') && includes(body.response_types, 'code')
}

/** A public document can hold no secret, so the default of RFC 7591 §2 (client_secret_basic) cannot be meant. */
function parseAuthentication(
  body: Members,
): Result<{ tokenEndpointAuthMethod: 'none' | 'private_key_jwt'; keys?: PublicKeys }, string> {
  const keys = parsePublicKeys(body)
  if (!keys.ok) return keys
  const algorithm = body.token_endpoint_auth_signing_alg
  if (algorithm !== undefined && !ASSERTION_ALGORITHMS.includes(String(algorithm)))
    return fail('token_endpoint_auth_signing_alg must be an asymmetric algorithm')
  switch (body.token_endpoint_auth_method) {
    case undefined:
    case 'none':
      return ok({ tokenEndpointAuthMethod: 'none' })
    case 'private_key_jwt':
      return keys.value
        ? ok({ tokenEndpointAuthMethod: 'private_key_jwt', keys: keys.value })
        : fail('private_key_jwt needs jwks or jwks_uri')
    default:
      return fail('token_endpoint_auth_method must be none or private_key_jwt')
  }
}

/** Shown as text, never linked or loaded; what is no plain https address is left out. */
function readClientUri(body: Members): string | undefined {
  const uri = body.client_uri
  if (typeof uri !== 'string' || uri.length > MAX_STRING || !/^https:\/\/[\x21-\x7e]+$/.test(uri)) return undefined
  return URL.canParse(uri) && new URL(uri).username === '' ? uri : undefined
}

function optional<N extends string>(name: N, value: string | undefined): { [K in N]?: string } {
  return value === undefined ? {} : ({ [name]: value } as { [K in N]?: string })
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
