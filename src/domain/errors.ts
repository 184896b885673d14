/**
 * Error codes that leave the authorization server: RFC 6749 §4.1.2.1 and §5.2, RFC 7591 §3.2.2, RFC 8707 §2, RFC 6750 §3.1,
 * RFC 9101 §10.1 and OpenID Connect Core §3.1.2.6.
 */
export type OAuthErrorCode =
  | 'access_denied'
  | 'consent_required'
  | 'invalid_client'
  | 'invalid_client_metadata'
  | 'invalid_grant'
  | 'invalid_redirect_uri'
  | 'invalid_request'
  | 'invalid_scope'
  | 'invalid_target'
  | 'invalid_token'
  | 'request_not_supported'
  | 'request_uri_not_supported'
  | 'server_error'
  | 'temporarily_unavailable'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'unsupported_response_type'

/**
 * A refusal in OAuth's words. `description` is a constant that names the rule, never what the caller sent:
 * it must stay inside the characters of RFC 6749 §5.2 (no `"` and no `\`).
 */
export interface OAuthFailure {
  readonly error: OAuthErrorCode
  readonly description: string
}

export function oauthFailure(error: OAuthErrorCode, description: string): OAuthFailure {
  return { error, description }
}
