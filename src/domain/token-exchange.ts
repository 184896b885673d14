/**
 * How a provider is asked for a token in place of another one. `rfc8693`: token exchange by its RFC. `on-behalf-of`:
 * Entra's own grant, RFC 7523 §2.1 with a parameter more. `none`: it surely does neither.
 */
export type TokenExchangeStyle = 'rfc8693' | 'on-behalf-of' | 'none'

/** What a provider shall issue in exchange for a user's access token (RFC 8693 §2.1). */
export interface TokenExchangeRequest {
  /** Names of the services that the token is for. */
  readonly audiences: readonly string[]
  /** Addresses of them (RFC 8707 §2). */
  readonly resources: readonly string[]
  readonly scopes: readonly string[]
  /** Absent: the provider decides. */
  readonly requestedTokenType?: string
  /** What our token is called there: an access token, or a JWT. */
  readonly subjectTokenType: string
}

/** RFC 8693 §3. */
export const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token'
export const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt'
