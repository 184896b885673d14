import { displayName } from '../domain/client.ts'
import type { Identity } from '../domain/identity.ts'

/** Claims of an id_token or of a userinfo answer, as they arrived. */
export type Claims = Readonly<Record<string, unknown>>

const MAX_SUBJECT_LENGTH = 255
const MAX_EMAIL_LENGTH = 254
const MAX_GROUPS = 1000
const MAX_GROUP_LENGTH = 256

/** Whether the userinfo endpoint could tell more than the id_token: no e-mail, or no groups. */
export function lacksClaims(claims: Claims, groupsClaim: string): boolean {
  return !Object.hasOwn(claims, 'email') || !Object.hasOwn(claims, groupsClaim)
}

/**
 * The identity that `sources` (id_token first, then userinfo) vouch for, or undefined when the subject is not a string
 * of 1 to 255 characters. E-mail and its verification are taken from one source, never mixed (OpenID Connect Core §5.7).
 */
export function readIdentity(provider: string, sources: readonly Claims[], groupsClaim: string): Identity | undefined {
  const subject = sources[0]?.sub
  if (typeof subject !== 'string' || subject === '' || subject.length > MAX_SUBJECT_LENGTH) return undefined
  const email = first(sources, readVerifiedEmail)
  const name = first(sources, readName)
  const withGroups = sources.find((claims) => Object.hasOwn(claims, groupsClaim))
  return {
    provider,
    subject,
    ...(email === undefined ? {} : { email }),
    ...(name === undefined ? {} : { name }),
    groups: readGroups(withGroups?.[groupsClaim]),
  }
}

function first<T>(sources: readonly Claims[], read: (claims: Claims) => T | undefined): T | undefined {
  for (const claims of sources) {
    const value = read(claims)
    if (value !== undefined) return value
  }
  return undefined
}

function readVerifiedEmail({ email, email_verified }: Claims): string | undefined {
  if (email_verified !== true || typeof email !== 'string') return undefined
  const trimmed = email.trim()
  return trimmed.length <= MAX_EMAIL_LENGTH && /^[^\s@]+@[^\s@]+$/.test(trimmed) ? trimmed : undefined
}

function readName(claims: Claims): string | undefined {
  const name = claims.name ?? claims.preferred_username
  const shown = typeof name === 'string' ? displayName(name.slice(0, 1000)) : ''
  return shown === '' ? undefined : shown
}

/** A list that is not wholly understood counts as no groups: policy only ever grants by them (B130). */
function readGroups(value: unknown): readonly string[] {
  const groups = typeof value === 'string' ? [value] : value
  if (!Array.isArray(groups) || groups.length > MAX_GROUPS) return []
  const usable = groups.every((group) => typeof group === 'string' && group !== '' && group.length <= MAX_GROUP_LENGTH)
  return usable ? groups : []
}
