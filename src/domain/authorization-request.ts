import type { Client } from './client.ts'
import { type OAuthFailure, oauthFailure } from './errors.ts'
import { isS256Challenge } from './pkce.ts'
import { acceptRedirectUri, matchRedirectUri } from './redirect-uri.ts'
import { hasRepeated, type RequestParameters, single } from './request-parameters.ts'
import { fail, ok, type Result } from './result.ts'
import { findRouteByResource, type Route } from './route.ts'
import { grantScopes } from './scope.ts'

/** A validated request of RFC 6749 §4.1.1 with RFC 7636 and RFC 8707; nothing behind it looks at parameters again. */
export interface AuthorizationRequest {
  readonly clientId: string
  /** As its metadata document described it when it asked; absent for clients that are stored or declared. */
  readonly client?: Client
  /** As presented: the answer goes to exactly this string. */
  readonly redirectUri: string
  readonly state?: string
  readonly codeChallenge: string
  /** Paths of the routes it may become a grant for: one when `resource` named it, all when the user has to choose. */
  readonly routePaths: readonly string[]
  /** The client asked that the user be asked (`prompt`), whatever was remembered. */
  readonly forceConsent: boolean
  /** The raw `scope`, resolved against the route once that is known. */
  readonly scope?: string
}

const MAX_STATE_LENGTH = 2048
const MAX_SCOPE_LENGTH = 2048

/**
 * The redirect URI to answer to (RFC 6749 §3.1.2.3): exact, or a loopback port variant; when omitted, the client's only
 * one unless that is a loopback URI. Failures must be shown to the user, never redirected.
 */
export function resolveRedirectUri(parameters: RequestParameters, client: Client): Result<string, string> {
  const presented = parameters.get('redirect_uri')
  if (presented === undefined || (presented.length === 1 && presented[0] === '')) {
    const only = client.redirectUris.length === 1 ? client.redirectUris[0] : undefined
    if (only === undefined || only.startsWith('http:'))
      return fail('The request does not say where the answer should go (redirect_uri is missing).')
    return stillAcceptable(only)
  }
  const [uri, ...more] = presented
  if (uri === undefined || more.length > 0) return fail('The request names more than one redirect_uri.')
  if (matchRedirectUri(client.redirectUris, uri) === undefined)
    return fail('The redirect_uri is not one that this client has registered.')
  return stillAcceptable(uri)
}

/** What was registered under other rules, or got into the database in another way, is judged by today's (B076). */
function stillAcceptable(uri: string): Result<string, string> {
  return acceptRedirectUri(uri).ok ? ok(uri) : fail('The redirect_uri is of a kind that is not accepted any more.')
}

/** One rule on the parameters; the first that fails decides the answer. */
type Check = (parameters: RequestParameters, routes: readonly Route[]) => OAuthFailure | undefined

const CHECKS: readonly Check[] = [
  refuseRepeated,
  refuseRequestObjects,
  requireCodeResponse,
  requireQueryResponseMode,
  requirePkce,
  refuseSilence,
  limitState,
  limitScope,
]

/** Validates everything after client and redirect URI; its failures may be redirected (RFC 6749 §4.1.2.1). */
export function validateAuthorizationRequest(
  parameters: RequestParameters,
  client: Client,
  redirectUri: string,
  routes: readonly Route[],
): Result<AuthorizationRequest, OAuthFailure> {
  for (const check of CHECKS) {
    const failure = check(parameters, routes)
    if (failure) return fail(failure)
  }
  const target = resolveRoutes(parameters, routes)
  if (!target.ok) return target
  const scope = single(parameters, 'scope')
  const grantable = target.value.some((route) => grantScopes(scope, route.scopes).ok)
  if (!grantable) return fail(oauthFailure('invalid_scope', 'none of the requested scopes exists here'))
  const state = single(parameters, 'state')
  return ok({
    clientId: client.clientId,
    ...(client.origin === 'metadata-document' ? { client } : {}),
    redirectUri,
    codeChallenge: single(parameters, 'code_challenge') ?? '',
    routePaths: target.value.map((route) => route.path),
    forceConsent: single(parameters, 'prompt') !== undefined,
    ...(state === undefined ? {} : { state }),
    ...(scope === undefined ? {} : { scope }),
  })
}

/** RFC 6749 §3.1: parameters must not occur more than once; RFC 8707 §2 allows it for `resource` alone. */
function refuseRepeated(parameters: RequestParameters): OAuthFailure | undefined {
  return hasRepeated(parameters, ['resource'])
    ? oauthFailure('invalid_request', 'a parameter occurs more than once')
    : undefined
}

/** RFC 9101 §10.1: we take no request objects, and never fetch one. */
function refuseRequestObjects(parameters: RequestParameters): OAuthFailure | undefined {
  if (isSent(parameters, 'request')) return oauthFailure('request_not_supported', 'request objects are not supported')
  if (isSent(parameters, 'request_uri'))
    return oauthFailure('request_uri_not_supported', 'request_uri is not supported')
  return undefined
}

/** RFC 6749 §3.1: a parameter without a value counts as absent. */
function isSent(parameters: RequestParameters, name: string): boolean {
  return parameters.get(name)?.some((value) => value !== '') === true
}

/** RFC 6749 §3.1.1. */
function requireCodeResponse(parameters: RequestParameters): OAuthFailure | undefined {
  return single(parameters, 'response_type') === 'code'
    ? undefined
    : oauthFailure('unsupported_response_type', 'response_type must be code')
}

/** OAuth 2.0 Multiple Response Types §2.1: codes travel in the query. */
function requireQueryResponseMode(parameters: RequestParameters): OAuthFailure | undefined {
  const mode = single(parameters, 'response_mode')
  return mode === undefined || mode === 'query'
    ? undefined
    : oauthFailure('invalid_request', 'response_mode must be query')
}

/** RFC 7636 §4.3 and §4.4.1; an absent method would mean `plain`, which is never accepted. */
function requirePkce(parameters: RequestParameters): OAuthFailure | undefined {
  const challenge = single(parameters, 'code_challenge')
  if (challenge === undefined) return oauthFailure('invalid_request', 'code_challenge is required')
  if (single(parameters, 'code_challenge_method') !== 'S256')
    return oauthFailure('invalid_request', 'code_challenge_method must be S256')
  return isS256Challenge(challenge)
    ? undefined
    : oauthFailure('invalid_request', 'code_challenge must be 43 base64url characters')
}

/** OpenID Connect Core §3.1.2.1: we never authorize without asking. */
function refuseSilence(parameters: RequestParameters): OAuthFailure | undefined {
  const prompts = single(parameters, 'prompt')?.split(' ') ?? []
  return prompts.includes('none') ? oauthFailure('consent_required', 'the user must be asked') : undefined
}

function limitState(parameters: RequestParameters): OAuthFailure | undefined {
  const state = single(parameters, 'state')
  return state !== undefined && state.length > MAX_STATE_LENGTH
    ? oauthFailure('invalid_request', 'state is too long')
    : undefined
}

function limitScope(parameters: RequestParameters): OAuthFailure | undefined {
  const scope = single(parameters, 'scope')
  return scope !== undefined && scope.length > MAX_SCOPE_LENGTH
    ? oauthFailure('invalid_scope', 'scope is too long')
    : undefined
}

/** RFC 8707 §2. Several values are fine as long as they mean one route; none leaves the choice to the user. */
function resolveRoutes(
  parameters: RequestParameters,
  routes: readonly Route[],
): Result<readonly Route[], OAuthFailure> {
  const named = (parameters.get('resource') ?? []).filter((value) => value !== '')
  if (named.length === 0) return ok(routes)
  const found = new Set(named.map((resource) => findRouteByResource(routes, resource)))
  const [route] = found
  return route !== undefined && found.size === 1
    ? ok([route])
    : fail(oauthFailure('invalid_target', 'resource does not name one MCP server of this gateway'))
}
