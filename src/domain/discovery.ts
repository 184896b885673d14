import { ASSERTION_ALGORITHMS, GRANT_TYPES, TOKEN_ENDPOINT_AUTH_METHODS } from './client.ts'
import type { Route } from './route.ts'
import { DEFAULT_SCOPE } from './scope.ts'

/** Path prefix of RFC 9728 §3.1. */
export const PROTECTED_RESOURCE_PATH = '/.well-known/oauth-protected-resource'

/** Where the metadata of a route is published (RFC 9728 §3.1): the well-known part goes between host and path. */
export function protectedResourceMetadataUrl(issuer: string, route: Pick<Route, 'path'>): string {
  return `${issuer}${PROTECTED_RESOURCE_PATH}${route.path}`
}

/** The protected resource metadata of a route (RFC 9728 §2); `offline_access` never appears in it. */
export function protectedResourceMetadata(issuer: string, route: Route): Record<string, unknown> {
  return {
    resource: route.resource,
    authorization_servers: route.authorization?.issuers ?? [issuer],
    ...(advertisedScopes(route).length === 0 ? {} : { scopes_supported: advertisedScopes(route) }),
    bearer_methods_supported: ['header'],
    resource_name: route.title,
  }
}

/** Scopes to ask for. Another authorization server knows nothing of the scope that merely means our routes. */
function advertisedScopes(route: Route): readonly string[] {
  const scopes = route.defaultScopes ?? route.scopes
  return route.authorization ? scopes.filter((scope) => scope !== DEFAULT_SCOPE) : scopes
}

/** The authorization server metadata (RFC 8414 §2, RFC 9207 §3), the same for every route. */
export function authorizationServerMetadata(
  issuer: string,
  options: {
    readonly scopes: readonly string[]
    readonly registration: boolean
    /** Whether clients may be named by metadata documents. */
    readonly metadataDocuments: boolean
  },
): Record<string, unknown> {
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    ...(options.registration ? { registration_endpoint: `${issuer}/register` } : {}),
    ...(options.metadataDocuments ? { client_id_metadata_document_supported: true } : {}),
    revocation_endpoint: `${issuer}/revoke`,
    revocation_endpoint_auth_methods_supported: TOKEN_ENDPOINT_AUTH_METHODS,
    revocation_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    introspection_endpoint: `${issuer}/introspect`,
    introspection_endpoint_auth_methods_supported: TOKEN_ENDPOINT_AUTH_METHODS.filter((method) => method !== 'none'),
    introspection_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    scopes_supported: [...options.scopes, 'offline_access'],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: GRANT_TYPES,
    token_endpoint_auth_methods_supported: TOKEN_ENDPOINT_AUTH_METHODS,
    token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  }
}

/** Why a request is challenged; without one the request simply had no token (RFC 6750 §3.1). */
export interface ChallengeError {
  readonly error: 'invalid_token' | 'insufficient_scope'
  readonly description: string
  /** What to ask for instead of the route's first scopes. */
  readonly scopes?: readonly string[]
}

/**
 * The one `WWW-Authenticate` line of a 401 or 403 (RFC 6750 §3, RFC 9728 §5.1). Values come from configuration and constants
 * only and hold no quotes, backslashes or commas, which real clients' parsers cannot read.
 */
export function bearerChallenge(issuer: string, route: Route, failure?: ChallengeError): string {
  const scopes = failure?.scopes ?? advertisedScopes(route)
  const attributes = [
    ...(failure ? [`error="${failure.error}"`, `error_description="${failure.description}"`] : []),
    `resource_metadata="${protectedResourceMetadataUrl(issuer, route)}"`,
    ...(scopes.length === 0 ? [] : [`scope="${scopes.join(' ')}"`]),
  ]
  return `Bearer ${attributes.join(', ')}`
}
