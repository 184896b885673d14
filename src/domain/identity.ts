/**
 * Who a provider says the user is. The key is (provider, subject), never the e-mail address (OpenID Connect Core §5.7).
 * `email` is present only when the provider vouches for it.
 */
export interface Identity {
  readonly provider: string
  readonly subject: string
  readonly email?: string
  readonly name?: string
  readonly groups: readonly string[]
  /** Those that the id_token told; absent where none did. All others are the API's, such as the userinfo endpoint. */
  readonly inIdToken?: readonly ToldClaim[]
  /** Since when something of this, or of what is required, was not said again, ms since 1970. */
  readonly unreadSince?: number
}

export type ToldClaim = 'email' | 'name' | 'groups'

/** What was learned of a user of whom not everybody spoke who had at the sign-in. */
export interface PartlyRead {
  /** As far as it was told; absent when nobody spoke at all. */
  readonly identity?: Identity
  /** Who did not speak. A refresh may be answered without an id_token (OpenID Connect Core §12.2). */
  readonly silent: readonly ('id_token' | 'api')[]
  /** Claims about which those who spoke said nothing. */
  readonly unsaid: readonly ToldClaim[]
}

/** For so long what nobody says any more is believed. */
export const BELIEVED_MS = 24 * 60 * 60_000

/**
 * The user as known when only a part was read `now` (ms): what somebody told before who is silent now stays as it was,
 * unless another says it, until that has gone on for {@link BELIEVED_MS} (`expired`). What is not said by those who do
 * speak has gone away. `isUnconfirmed`: something that everybody must have was not said.
 */
export function carryOver(
  before: Identity,
  { identity, silent, unsaid }: PartlyRead,
  { now, isUnconfirmed }: { readonly now: number; readonly isUnconfirmed: boolean },
): { readonly identity: Identity; readonly expired: boolean } {
  const tellerOf = (claim: ToldClaim) => (before.inIdToken?.includes(claim) ? 'id_token' : 'api')
  const missed = unsaid.filter((claim) => silent.includes(tellerOf(claim)) && has(before, claim))
  const isMissed = missed.length > 0 || isUnconfirmed
  const unreadSince = isMissed ? (before.unreadSince ?? now) : now
  const expired = now - unreadSince >= BELIEVED_MS
  const kept = expired ? [] : missed
  const { provider, subject } = before
  const told = identity ?? { provider, subject, groups: [] }
  const from = (claim: ToldClaim): Identity => (kept.includes(claim) ? before : told)
  const { email } = from('email')
  const { name } = from('name')
  const inIdToken = CLAIMS.filter((claim) => from(claim).inIdToken?.includes(claim))
  const known = {
    provider,
    subject: told.subject,
    ...(email === undefined ? {} : { email }),
    ...(name === undefined ? {} : { name }),
    groups: from('groups').groups,
    ...(inIdToken.length === 0 ? {} : { inIdToken }),
    ...(isMissed ? { unreadSince } : {}),
  }
  return { identity: known, expired }
}

function has(identity: Identity, claim: ToldClaim): boolean {
  const value = identity[claim]
  return value !== undefined && value.length > 0
}

const CLAIMS: readonly ToldClaim[] = ['email', 'name', 'groups']
