import type { Grant } from '../domain/grant.ts'

/** An {@link Interaction} at rest: its content is sealed, its version is the fence of every step. */
export interface InteractionRow {
  readonly id: string
  readonly version: number
  readonly sealed: string
  /** ms since 1970. */
  readonly expiresAt: number
}

/** An authorization code at rest (RFC 6749 §4.1.2): what its redemption must repeat. */
export interface CodeRow {
  readonly hash: string
  readonly grantId: string
  readonly clientId: string
  readonly redirectUri: string
  readonly codeChallenge: string
  /** ms since 1970. */
  readonly expiresAt: number
}

/** A code as found: `redeemedAt` (ms since 1970) once it was used. */
export interface FoundCode extends CodeRow {
  readonly redeemedAt?: number
}

/** An access token at rest. */
export interface AccessRow {
  readonly hash: string
  readonly grantId: string
  readonly scopes: readonly string[]
  /** ms since 1970. */
  readonly expiresAt: number
}

/** A sealed credential. `version` fences refreshes; `grantId` is set for those that belong to one grant. */
export interface CredentialRow {
  readonly id: string
  readonly grantId?: string
  readonly version: number
  readonly sealed: string
  /** When the provider's token ends, ms since 1970; absent when it does not say. */
  readonly expiresAt?: number
  /** `dead` is a tombstone: it was refused by its provider and is never sent again. */
  readonly state: 'live' | 'dead'
}

/** What a grant holds tokens for: the MCP server, or to ask the provider of its sign-in about the user again. */
export type CredentialPurpose = 'server' | 'sign-in'

/**
 * Who may refresh. `presentedAt` (ms since 1970): since then the provider may have exchanged the refresh token of this
 * version, and nobody learned what became of it. `relayedAt`: since then somebody else has answered for the provider.
 */
export type RefreshClaim =
  | { readonly outcome: 'won'; readonly presentedAt?: number; readonly relayedAt?: number }
  | { readonly outcome: 'lost' }

/**
 * What is known of a refresh token that was presented in vain: nothing (`doubtful`), that the provider never exchanged it
 * (`unspent`), or that somebody says so who cannot know for sure (`relayed`).
 */
export type PresentedInVain = 'doubtful' | 'unspent' | 'relayed'

/** A grant that has ended, with the credentials of its own that went with it: their tokens can be given back. */
export interface EndedGrant {
  readonly grant: Grant
  readonly credentials: readonly (CredentialRow & { readonly purpose: CredentialPurpose })[]
}

/** A credential whose refresh token was presented without anybody learning the outcome, at least not for sure. */
export interface InterruptedRefresh {
  readonly grantId: string
  readonly purpose: CredentialPurpose
  /** Since when, ms since 1970. */
  readonly presentedAt: number
}

/** A session that an MCP server opened, at rest: only requests under its grant may use it. */
export interface SessionRow {
  /** Over route and session id. */
  readonly hash: string
  /** Of a grant that has not ended, or {@link externalGrantId}. */
  readonly grantId: string
  /** ms since 1970. */
  readonly expiresAt: number
}

/** Since when something must have been unused to be collected, ms since 1970. */
export interface UnusedSince {
  readonly clients?: number
  readonly sharedCredentials?: number
}

/** What the gateway has registered of itself at a provider for one MCP client, sealed; `version` fences changes. */
export interface UpstreamClientRow {
  readonly provider: string
  /** Of the MCP client. */
  readonly clientId: string
  readonly version: number
  readonly sealed: string
  /** When a sign-in was last begun with it, ms since 1970. */
  readonly usedAt: number
}

/** Everything the check of one request needs, in one read. */
export interface FoundAccess {
  readonly access: AccessRow
  readonly grant: Grant
  readonly credential?: CredentialRow
}

/** What became invalid: caches in this process drop what they hold of it. */
export type Change =
  | { readonly kind: 'access'; readonly hash: string }
  | { readonly kind: 'grant'; readonly grantId: string }
  /** The grant lives on, and what is known of its user has changed. */
  | { readonly kind: 'identity'; readonly grantId: string }
  | { readonly kind: 'credential'; readonly credentialId: string }
