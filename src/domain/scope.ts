import { type OAuthFailure, oauthFailure } from './errors.ts'
import { fail, ok, type Result } from './result.ts'

/** The one scope a route has unless it declares others: permission to use that MCP server. */
export const DEFAULT_SCOPE = 'mcp'

/** OpenID scopes that clients ask for out of habit; tolerated, they grant nothing here. */
const TOLERATED = new Set(['openid', 'profile', 'email', 'offline_access'])
/** RFC 6749 §3.3: scope-token. */
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/**
 * The scopes to grant for a requested `scope` parameter (RFC 6749 §3.3): none requested means `first`, unknown ones are
 * dropped, and `invalid_scope` is the answer only when nothing remains.
 */
export function grantScopes(
  requested: string | undefined,
  offered: readonly string[],
  first: readonly string[] = offered,
): Result<string[], OAuthFailure> {
  const tokens = (requested ?? '').split(' ').filter((token) => token !== '')
  if (tokens.some((token) => !SCOPE_TOKEN.test(token)))
    return fail(oauthFailure('invalid_scope', 'scope holds characters that are not allowed'))
  const meaningful = tokens.filter((token) => !TOLERATED.has(token))
  if (meaningful.length === 0) return ok([...first])
  const granted = offered.filter((scope) => meaningful.includes(scope))
  return granted.length > 0
    ? ok(granted)
    : fail(oauthFailure('invalid_scope', 'none of the requested scopes exists here'))
}

/**
 * The scopes of a refreshed access token (RFC 6749 §6): none requested means all of the grant; anything outside
 * the grant, other than a tolerated OpenID scope, is `invalid_scope`.
 */
export function narrowScopes(
  requested: string | undefined,
  granted: readonly string[],
): Result<string[], OAuthFailure> {
  const tokens = (requested ?? '').split(' ').filter((token) => token !== '' && !TOLERATED.has(token))
  if (tokens.length === 0) return ok([...granted])
  if (tokens.some((token) => !granted.includes(token)))
    return fail(oauthFailure('invalid_scope', 'scope exceeds what was granted'))
  return ok(granted.filter((scope) => tokens.includes(scope)))
}
