import type { Secret } from './secret.ts'

/** What a route's MCP server gets (`credential` in gateway.yaml). */
export type CredentialRule =
  | { readonly kind: 'none' }
  | { readonly kind: 'static'; readonly value: Secret }
  | { readonly kind: 'provider-token'; readonly provider: string }

/** Tokens of a provider, as its token endpoint answered (RFC 6749 §5.1). `expiresAt` in ms since 1970, absent if unknown. */
export interface ProviderTokens {
  readonly accessToken: Secret
  readonly refreshToken?: Secret
  readonly expiresAt?: number
}

/** Bearer tokens must survive as one header value (RFC 6750 §2.1, b64token); anything else is refused before it is stored. */
const B64TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/
const MAX_TOKEN_LENGTH = 8192

/** Whether a provider's access token can be sent as a Bearer credential. */
export function isSendableToken(token: string): boolean {
  return token.length <= MAX_TOKEN_LENGTH && B64TOKEN.test(token)
}

/** The plain form that the vault seals. */
export function serializeProviderTokens(tokens: ProviderTokens): string {
  return JSON.stringify({
    access_token: tokens.accessToken.reveal(),
    refresh_token: tokens.refreshToken?.reveal(),
    expires_at: tokens.expiresAt,
  })
}
