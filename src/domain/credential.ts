import type { InjectedHeader } from './header-template.ts'
import { Secret } from './secret.ts'
import type { TokenExchangeRequest } from './token-exchange.ts'
import type { IssuedTo } from './upstream-client.ts'

/** What a route's MCP server gets (`credential` in gateway.yaml). */
export type CredentialRule =
  | { readonly kind: 'none' }
  /** `notice`: what the operator wants users to be told about the shared account. */
  | { readonly kind: 'static'; readonly value: Secret; readonly notice?: string }
  | { readonly kind: 'provider-token'; readonly provider: string }
  /** A token that the provider issues for this server, in exchange for its own (RFC 8693). */
  | { readonly kind: 'token-exchange'; readonly provider: string; readonly request: TokenExchangeRequest }
  /** A short-lived JWT about the user, signed by the gateway. `audience` is what the server checks. */
  | { readonly kind: 'signed-jwt'; readonly audience: string; readonly lifetimeMs: number }
  | {
      readonly kind: 'user-pat'
      /** What the token is called, such as `GitHub personal access token`. */
      readonly label: string
      /** Where users create one. */
      readonly createUrl?: string
      /** What it must be allowed to do, for people. */
      readonly help?: string
      readonly probe?: PatProbe
    }

/** Where a user's token is tried before it is kept, and where the answer names its account, scopes and end. */
export interface PatProbe {
  readonly url: string
  readonly headers: readonly InjectedHeader[]
  /** A dotted path into the JSON answer, or `header:NAME`. */
  readonly account?: string
  readonly scopes?: string
  readonly expires?: string
}

/** The provider whose tokens each grant on the route holds, to be sent or to be exchanged; undefined where none are held. */
export function tokenProviderOf(rule: CredentialRule): string | undefined {
  switch (rule.kind) {
    case 'provider-token':
    case 'token-exchange':
      return rule.provider
    case 'none':
    case 'static':
    case 'signed-jwt':
    case 'user-pat':
      return undefined
  }
}

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

/** Provider tokens as kept: when they were obtained decides when they are refreshed. */
export interface HeldTokens extends ProviderTokens {
  /** ms since 1970. */
  readonly obtainedAt: number
  /** Absent for those from before this was noted: they were issued to the one shared client. */
  readonly issuedTo?: IssuedTo
}

/** Share of its life after which a token is refreshed, early enough that one lost refresh hurts nobody. */
const REFRESH_FROM = 0.75
const REFRESH_SPREAD = 0.1

/**
 * Whether a held token should be refreshed by now; one without a known end never is until it is refused. When exactly
 * depends on its `credentialId`: tokens that were issued together are not refreshed together, after a restart neither (C21).
 */
export function isStale(tokens: HeldTokens, credentialId: string, now: number): boolean {
  if (tokens.expiresAt === undefined) return false
  const share = REFRESH_FROM + REFRESH_SPREAD * spread(credentialId)
  return now >= tokens.obtainedAt + (tokens.expiresAt - tokens.obtainedAt) * share
}

/** A number from 0 to 1 that stays the same for an id; ids are random. */
function spread(id: string): number {
  let sum = 0
  for (let index = 0; index < id.length; index += 1) sum = (sum * 31 + id.charCodeAt(index)) % 1009
  return sum / 1008
}

/** Whether a held token has run out. */
export function hasExpired(tokens: HeldTokens, now: number): boolean {
  return tokens.expiresAt !== undefined && now >= tokens.expiresAt
}

/** The plain form that the vault seals; it must never go anywhere else. */
export function serializeTokens(tokens: HeldTokens): string {
  return JSON.stringify({
    access_token: tokens.accessToken.reveal(),
    refresh_token: tokens.refreshToken?.reveal(),
    expires_at: tokens.expiresAt,
    obtained_at: tokens.obtainedAt,
    issued_to: tokens.issuedTo,
  })
}

/** Reads what {@link serializeTokens} wrote. Throws on anything else. */
export function parseTokens(plain: string): HeldTokens {
  const record: unknown = JSON.parse(plain)
  if (typeof record !== 'object' || record === null) throw new TypeError('not held tokens')
  const { access_token, refresh_token, expires_at, obtained_at, issued_to } = record as Record<string, unknown>
  if (typeof access_token !== 'string' || typeof obtained_at !== 'number') throw new TypeError('not held tokens')
  return {
    accessToken: new Secret(access_token),
    obtainedAt: obtained_at,
    ...(typeof refresh_token === 'string' ? { refreshToken: new Secret(refresh_token) } : {}),
    ...(typeof expires_at === 'number' ? { expiresAt: expires_at } : {}),
    ...(typeof issued_to === 'object' && issued_to !== null ? { issuedTo: issued_to as IssuedTo } : {}),
  }
}
