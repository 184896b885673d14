import {
  ASSERTION_ALGORITHMS,
  type Client,
  displayName,
  GRANT_TYPES,
  TOKEN_ENDPOINT_AUTH_METHODS,
  type TokenEndpointAuthMethod,
} from './client.ts'
import { type PublicKeys, parsePublicKeys } from './client-keys.ts'
import { type OAuthFailure, oauthFailure } from './errors.ts'
import { acceptRedirectUri, type RedirectTarget } from './redirect-uri.ts'
import { fail, ok, type Result } from './result.ts'

/** The part of a client record that a registration request decides; ids and secrets are the server's. */
export type ClientMetadata = Omit<Client, 'clientId' | 'origin' | 'secretHash' | 'createdAt'>

const MAX_REDIRECT_URIS = 20
const MAX_STRING = 2000
/** What strangers may make us keep for one client. */
const MAX_RECORD_LENGTH = 16_384
const URI_FIELDS = ['client_uri', 'logo_uri', 'policy_uri', 'tos_uri', 'jwks_uri']

/**
 * Reads a registration request (RFC 7591 §2). Unknown members are ignored and unsupported grant and response types are
 * dropped, so that the answer tells what was registered. Fails with `invalid_redirect_uri` or `invalid_client_metadata`.
 */
export function parseClientMetadata(body: unknown): Result<ClientMetadata, OAuthFailure> {
  if (!isRecord(body)) return fail(oauthFailure('invalid_client_metadata', 'the body must be a JSON object'))
  const redirects = parseRedirectUris(body.redirect_uris)
  if (!redirects.ok) return redirects
  const { uris, targets } = redirects.value
  if (JSON.stringify([redirects.value.uris, body.jwks ?? null]).length > MAX_RECORD_LENGTH)
    return fail(
      oauthFailure('invalid_client_metadata', 'redirect_uris and jwks may have 16384 characters together at most'),
    )
  const broken = findBrokenString(body)
  if (broken) return fail(oauthFailure('invalid_client_metadata', broken))
  const badUri = findBadMetadataUri(body)
  if (badUri) return fail(oauthFailure('invalid_client_metadata', badUri))
  const isNative = targets.every((target) => target.kind !== 'https')
  const asksNative = body.application_type === 'native'
  const method = parseAuthMethod(body, isNative || asksNative)
  if (!method.ok) return method
  const keys = parseKeys(body, method.value)
  if (!keys.ok) return keys
  const grantTypes = parseGrantTypes(body)
  if (!grantTypes.ok) return grantTypes
  const name = optionalString(body.client_name)
  const clientName = name === undefined ? '' : displayName(name)
  const clientUri = optionalString(body.client_uri)
  const scope = optionalString(body.scope)
  return ok({
    redirectUris: uris,
    tokenEndpointAuthMethod: method.value,
    ...(keys.value ? { keys: keys.value } : {}),
    grantTypes: grantTypes.value,
    // Cursor registers `web` with private-use schemes: what the redirects say wins (OpenID Connect Registration §2).
    applicationType: asksNative || targets.some((target) => target.kind !== 'https') ? 'native' : 'web',
    ...(clientName === '' ? {} : { clientName }),
    ...(clientUri === undefined ? {} : { clientUri }),
    ...(scope === undefined ? {} : { scope }),
  })
}

/**
 * The refusal of a registration whose redirect URIs are not all among those the operator approved: each approved entry is
 * a whole URI, an origin such as `https://claude.ai` or `http://localhost`, or a scheme such as `cursor:`.
 */
export function refuseUnapproved(
  redirectUris: readonly string[],
  approved: readonly string[],
): OAuthFailure | undefined {
  const isApproved = (uri: string) =>
    approved.some((entry) => {
      if (entry === uri) return true
      if (/^[a-z][a-z0-9+.-]*:$/.test(entry)) return uri.startsWith(entry)
      if (!/^https?:\/\/[^/]+$/.test(entry) || !uri.startsWith(entry)) return false
      // After a loopback host any port may follow (RFC 8252 §7.3), after an origin only a path or a query.
      const rest = uri.slice(entry.length)
      return /^(?:$|[/?])/.test(rest) || (entry.startsWith('http:') && /^:[0-9]+(?:$|[/?])/.test(rest))
    })
  return redirectUris.every(isApproved)
    ? undefined
    : oauthFailure(
        'invalid_redirect_uri',
        'this gateway registers only clients whose redirect URIs its operator approved',
      )
}

function parseRedirectUris(value: unknown): Result<{ uris: string[]; targets: RedirectTarget[] }, OAuthFailure> {
  if (!Array.isArray(value) || value.length === 0) {
    return fail(oauthFailure('invalid_redirect_uri', 'redirect_uris must be a list of at least one URI'))
  }
  if (value.length > MAX_REDIRECT_URIS)
    return fail(oauthFailure('invalid_redirect_uri', 'redirect_uris may hold 20 URIs at most'))
  const uris: string[] = []
  const targets: RedirectTarget[] = []
  for (const uri of value) {
    if (typeof uri !== 'string')
      return fail(oauthFailure('invalid_redirect_uri', 'redirect_uris must be a list of strings'))
    const accepted = acceptRedirectUri(uri)
    if (!accepted.ok) return fail(oauthFailure('invalid_redirect_uri', accepted.failure))
    uris.push(uri)
    targets.push(accepted.value)
  }
  return ok({ uris: [...new Set(uris)], targets })
}

function parseAuthMethod(
  body: Record<string, unknown>,
  isNative: boolean,
): Result<TokenEndpointAuthMethod, OAuthFailure> {
  const asked = body.token_endpoint_auth_method
  // RFC 7591 §2 makes client_secret_basic the default, but native clients then lose the secret: they are public.
  if (asked === undefined || asked === null) return ok(isNative ? 'none' : 'client_secret_basic')
  const method = TOKEN_ENDPOINT_AUTH_METHODS.find((known) => known === asked)
  return method
    ? ok(method)
    : fail(
        oauthFailure(
          'invalid_client_metadata',
          `token_endpoint_auth_method must be one of ${TOKEN_ENDPOINT_AUTH_METHODS.join(', ')}`,
        ),
      )
}

/** RFC 7591 §2: only `private_key_jwt` needs keys, and without them nobody could ever prove to be that client. */
function parseKeys(
  body: Record<string, unknown>,
  method: TokenEndpointAuthMethod,
): Result<PublicKeys | undefined, OAuthFailure> {
  const refused = (description: string) => fail(oauthFailure('invalid_client_metadata', description))
  if (method !== 'private_key_jwt') return ok(undefined)
  const keys = parsePublicKeys(body)
  if (!keys.ok) return refused(keys.failure)
  const algorithm = body.token_endpoint_auth_signing_alg
  if (algorithm !== undefined && !ASSERTION_ALGORITHMS.includes(String(algorithm)))
    return refused('token_endpoint_auth_signing_alg must be an asymmetric algorithm')
  return keys.value ? keys : refused('private_key_jwt needs jwks or jwks_uri')
}

function parseGrantTypes(body: Record<string, unknown>): Result<string[], OAuthFailure> {
  const responseTypes = body.response_types
  if (Array.isArray(responseTypes) && responseTypes.length > 0 && !responseTypes.includes('code')) {
    return fail(oauthFailure('invalid_client_metadata', 'response_types must include code'))
  }
  const asked = body.grant_types
  if (!Array.isArray(asked) || asked.length === 0) return ok([...GRANT_TYPES])
  if (!asked.includes('authorization_code')) {
    return fail(oauthFailure('invalid_client_metadata', 'grant_types must include authorization_code'))
  }
  // Refresh tokens are always issued: clients that forget to ask for them would be logged out every hour.
  return ok([...GRANT_TYPES])
}

/** NUL and lone surrogates cannot be stored by every database; over-long strings are somebody's abuse. */
function findBrokenString(body: Record<string, unknown>): string | undefined {
  for (const [name, value] of Object.entries(body)) {
    if (typeof value !== 'string') continue
    if (value.length > MAX_STRING) return 'a text member may have 2000 characters at most'
    if (value.includes('\0') || !value.isWellFormed() || !name.isWellFormed())
      return 'text must be well-formed Unicode without NUL'
  }
  return undefined
}

/** Language variants such as `logo_uri#de` are judged too (RFC 7591 §2.2). */
function findBadMetadataUri(body: Record<string, unknown>): string | undefined {
  for (const [name, value] of Object.entries(body)) {
    if (!URI_FIELDS.includes(name.split('#', 1)[0] ?? '') || value === undefined || value === null || value === '')
      continue
    if (typeof value !== 'string' || !URL.canParse(value))
      return 'client_uri, logo_uri, policy_uri, tos_uri and jwks_uri must be URLs'
    const url = new URL(value)
    if (url.protocol !== 'https:' || url.username !== '' || isLocalHost(url.hostname)) {
      return 'client_uri, logo_uri, policy_uri, tos_uri and jwks_uri must be public https URLs'
    }
  }
  return undefined
}

function isLocalHost(hostname: string): boolean {
  return (
    hostname.startsWith('[') ||
    /^[0-9.]+$/.test(hostname) ||
    hostname === 'localhost' ||
    /\.(localhost|local|internal)$/.test(hostname)
  )
}

function optionalString(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
