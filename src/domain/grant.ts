import type { Identity } from './identity.ts'
import { hashToken } from './token.ts'

/**
 * This user allowed this client on this route with these scopes: the unit of everything. Codes, access tokens, refresh
 * generations and credentials hang on it. Nothing is ever keyed by (client, user): installations share client ids.
 */
export interface Grant {
  readonly id: string
  readonly clientId: string
  readonly routePath: string
  readonly resource: string
  readonly scopes: readonly string[]
  /** The credential it shares with the user's other grants on this route, such as a token of their own. */
  readonly sharedCredentialId?: string
  /** The {@link Identity}, sealed by the vault. */
  readonly sealedIdentity: string
  /** `pending` until its code is redeemed; `revoked` is final. */
  readonly status: 'pending' | 'active' | 'revoked'
  /** Generation of the newest refresh token, 0 while pending. */
  readonly generation: number
  /** When the newest refresh token was issued, ms since 1970. */
  readonly rotatedAt: number
  readonly createdAt: number
  /** The absolute end, however often it is refreshed, ms since 1970. */
  readonly expiresAt: number
}

const EXTERNAL = 'external-'

/** What stands for a grant where another authorization server issues the tokens: one for this user, client and route. */
export function externalGrantId({ provider, subject }: Identity, clientId: string, routePath: string): string {
  return EXTERNAL + hashToken(JSON.stringify([provider, subject, clientId, routePath]))
}

/** Whether `id` is one of {@link externalGrantId}: no record of such a grant is kept here, and none ends here. */
export function isExternalGrantId(id: string): boolean {
  return id.startsWith(EXTERNAL)
}

/** When the grant's newest refresh token stops working: idle for too long, or at the absolute end (RFC 9700 §4.14.2). */
export function refreshDeadline(grant: Pick<Grant, 'rotatedAt' | 'expiresAt'>, idleTtlMs: number): number {
  return Math.min(grant.expiresAt, grant.rotatedAt + idleTtlMs)
}
