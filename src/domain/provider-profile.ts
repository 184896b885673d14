import type { Secret } from './secret.ts'
import type { TokenExchangeStyle } from './token-exchange.ts'

/**
 * How a provider deals with refresh tokens. `issued: never` means that none ever come; `graceMs` is how long a refresh
 * token that has been exchanged still gets an answer, 0 when nobody promises anything.
 */
export interface RefreshRules {
  readonly issued: 'always' | 'sometimes' | 'never'
  /** Whether an exchange replaces the refresh token; `sometimes` when it is a setting at the provider. */
  readonly rotates: 'always' | 'sometimes' | 'never'
  readonly graceMs: number
}

/** What giving tokens back ends: these tokens, or everything that this user has granted to our client there (C23). */
export type RevocationReach = 'tokens' | 'account'

/** How the gateway registers further clients of its own (RFC 7591 §3). */
export interface RegistrationRules {
  /** Absent: what the provider's metadata say. */
  readonly endpoint?: string
  readonly initialAccessToken?: Secret
  /** Whether a route has tokens of this provider exchanged: then clients have to be registered for that, too (RFC 7591 §2). */
  readonly exchanges: boolean
}

/** A plain OAuth 2.0 provider as data: everything in which one differs from the next (RFC 6749). */
export interface OAuth2Profile {
  readonly authorizationEndpoint: string
  readonly tokenEndpoint: string
  readonly scopes: readonly string[]
  /** Between scopes; RFC 6749 §3.3 says a space, not everybody listens. */
  readonly scopeSeparator: string
  /** The parameter that carries the scopes. */
  readonly scopeParameter: string
  /** Further parameters of the authorization request; those of the protocol itself cannot be changed. */
  readonly authorizationParameters: Readonly<Record<string, string>>
  /** Whether the provider knows PKCE with S256 (RFC 7636). */
  readonly pkce: boolean
  readonly clientAuthentication: ClientAuthentication
  readonly tokenRequest: { readonly format: BodyFormat; readonly headers: Readonly<Record<string, string>> }
  readonly tokenAnswer: TokenAnswerRules
  readonly identity: IdentityMapping
  readonly requiredClaims: RequiredClaims
  readonly refresh: RefreshRules
  readonly revocation?: RevocationRequest
  readonly tokenExchange: TokenExchangeStyle
}

/** RFC 6749 §2.3.1, in the names of RFC 7591 §2. */
export type ClientAuthentication = 'client_secret_basic' | 'client_secret_post'

export type BodyFormat = 'form' | 'json'

/** How to read what a token endpoint answers. */
export interface TokenAnswerRules {
  /** The member that holds the tokens in the answer to a code; absent: the answer itself. */
  readonly member?: string
  /** The same in the answer to a refresh token. */
  readonly refreshMember?: string
  /** Values of `token_type` in lower case; `absent` stands for an answer without one. */
  readonly tokenTypes: readonly string[]
  /** Whether an answer may be form-encoded instead of JSON. */
  readonly formEncoded: boolean
  /** Error codes that say what invalid_grant says: never again. */
  readonly deadCodes: readonly string[]
  /** Error codes that say "later". */
  readonly passingCodes: readonly string[]
}

/** Values of which a claim (or a path, see {@link IdentityMapping}) must have one, or nobody gets in (U-11). */
export type RequiredClaims = Readonly<Record<string, readonly string[]>>

/**
 * Who the user is, read from documents: the answers to `requests` by name, and the token answer under `token`. A path
 * such as `user.id`, `emails[primary&verified].email` or `teams[].slug` starts with the name of a document; `[a&b]` picks
 * the first entry of a list in which all of these are true, `[]` takes every entry.
 */
export interface IdentityMapping {
  readonly requests: Readonly<Record<string, IdentityRequest>>
  /** Paths whose values together, joined with a colon, are the subject. */
  readonly subject: readonly string[]
  /** The first of these that leads to text is the name. */
  readonly name: readonly string[]
  readonly email?: string
  /** A path that must lead to `true`; absent: the provider only shows addresses that it has verified. */
  readonly emailVerified?: string
  readonly groups?: string
}

/** A call with the user's access token. One that is `optional` may be refused without harm. */
export interface IdentityRequest {
  readonly url: string
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  /** Sent as it stands, as application/json. */
  readonly body?: string
  readonly optional: boolean
}

/**
 * How tokens are given back (RFC 7009, or the provider's own way). `url` may hold `{client_id}`; values of `parameters`
 * may hold `{access_token}`, `{token}` (the refresh token if there is one) and `{token_type_hint}` (which of the two).
 */
export interface RevocationRequest {
  readonly url: string
  readonly method: 'POST' | 'DELETE'
  /** `bearer`: the access token itself authenticates the request. */
  readonly authentication: ClientAuthentication | 'bearer'
  readonly format: BodyFormat
  readonly headers: Readonly<Record<string, string>>
  readonly parameters: Readonly<Record<string, string>>
  readonly ends: RevocationReach
}
