import type { PublicKeys } from './client-keys.ts'

/** How a client proves itself at the token endpoint (RFC 6749 §2.3, RFC 7591 §2). */
export type TokenEndpointAuthMethod = 'none' | 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'

export const TOKEN_ENDPOINT_AUTH_METHODS: readonly TokenEndpointAuthMethod[] = [
  'none',
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
]
/** Signatures on client assertions (RFC 7523 §3): asymmetric ones only, what we do not know we cannot confuse. */
export const ASSERTION_ALGORITHMS: readonly string[] = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]
export const GRANT_TYPES = ['authorization_code', 'refresh_token'] as const

/** An MCP client, wherever its record comes from. */
export interface Client {
  readonly clientId: string
  /**
   * `registered` by itself (RFC 7591), `static`, declared by the operator, or described by the document that its id is
   * the address of: then the host of the id vouches for it.
   */
  readonly origin: 'registered' | 'static' | 'metadata-document'
  /** What it calls itself, cleaned for display; nobody vouches for it. */
  readonly clientName?: string
  readonly redirectUris: readonly string[]
  readonly tokenEndpointAuthMethod: TokenEndpointAuthMethod
  /** SHA-256 (base64url) of the client secret; absent for public clients. */
  readonly secretHash?: string
  /** Present for `private_key_jwt`: what its assertions are verified with (RFC 7591 §2, jwks or jwks_uri). */
  readonly keys?: PublicKeys
  readonly grantTypes: readonly string[]
  readonly applicationType: 'native' | 'web'
  readonly clientUri?: string
  readonly scope?: string
  /** SHA-256 (base64url) of the registration access token (RFC 7592 §3); absent for clients that cannot manage themselves. */
  readonly registrationTokenHash?: string
  /** ms since 1970; for a metadata document, when it was fetched. */
  readonly createdAt: number
}

/** Control, bidirectional and invisible characters, with which a name could pretend to be another. */
const DECEPTIVE = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu
const MAX_NAME_LENGTH = 100

/** `name` as it may be shown to people (RFC 7591 §5): one line, nothing invisible, 100 characters at most. */
export function displayName(name: string): string {
  const clean = name.toWellFormed().replaceAll(DECEPTIVE, ' ').replaceAll(/\s+/g, ' ').trim()
  return [...clean].slice(0, MAX_NAME_LENGTH).join('')
}
