import type { Identity } from './identity.ts'
import { Secret } from './secret.ts'
import { hashToken } from './token.ts'

/** A user's own token for one MCP server, with what its issuer told of it when it was tried. */
export interface PersonalAccessToken {
  readonly token: Secret
  /** The account it belongs to, where the probe names one. */
  readonly account?: string
  readonly scopes?: string
  /** When its issuer ends it, ms since 1970. */
  readonly expiresAt?: number
  /** ms since 1970. */
  readonly savedAt: number
}

/** What a token may look like: one header value, nothing that ends a line or hides (RFC 9110 §5.5). */
const TOKEN = /^[\x21-\x7e]{8,4096}$/

/** Whether `text` can be a personal access token at all. */
export function isPersonalAccessToken(text: string): boolean {
  return TOKEN.test(text)
}

/** The one place of a user's token for a route: the same for each client of that user, another for everybody else. */
export function patCredentialId(identity: Pick<Identity, 'provider' | 'subject'>, routePath: string): string {
  return hashToken(JSON.stringify(['user-pat', identity.provider, identity.subject, routePath]))
}

/** The plain form that the vault seals; it must never go anywhere else. */
export function serializePat(pat: PersonalAccessToken): string {
  return JSON.stringify({ ...pat, token: pat.token.reveal() })
}

/** Reads what {@link serializePat} wrote. Throws on anything else. */
export function parsePat(plain: string): PersonalAccessToken {
  const record = JSON.parse(plain) as Omit<PersonalAccessToken, 'token'> & { readonly token: unknown }
  if (typeof record.token !== 'string' || typeof record.savedAt !== 'number') throw new TypeError('not a stored token')
  return { ...record, token: new Secret(record.token) }
}
