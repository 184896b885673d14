import type { RefreshRules } from './provider-profile.ts'

/** A refresh token that the provider may have exchanged already, with nobody having learned the outcome. */
export interface DoubtfulToken {
  /** Since when it is presented, ms since 1970. */
  readonly presentedAt: number
  /** Whether the access token beside it still works. */
  readonly accessAlive: boolean
}

/** Where nothing is known of a provider, nothing is promised. */
const UNKNOWN: RefreshRules = { issued: 'sometimes', rotates: 'sometimes', graceMs: 0 }
/** The grace must not have ended when the request arrives. */
const ON_THE_WAY_MS = 1000

/**
 * What to do with a doubtful refresh token. Within the provider's grace, or where none is ever replaced, presenting it
 * again gets a successor. Otherwise it may be taken for theft and end everything, so the access token serves for as long as
 * it lives (`wait`). Then there is nothing left to lose: where it is not known whether the provider replaces refresh tokens,
 * it is presented once more; where it surely does, the token is spent or reuse, and only a new sign-in helps (`give-up`).
 */
export function judgeDoubtful(
  rules: RefreshRules = UNKNOWN,
  token: DoubtfulToken,
  now: number,
): 'present' | 'wait' | 'give-up' {
  if (rules.rotates === 'never' || graceLeft(rules, token.presentedAt, now) > 0) return 'present'
  if (token.accessAlive) return 'wait'
  return rules.rotates === 'always' ? 'give-up' : 'present'
}

/**
 * For how many ms from `now` a refresh token that was first presented then may surely be presented again; 0 when not. A clock
 * that was set back makes no grace longer.
 */
export function graceLeft({ graceMs }: RefreshRules = UNKNOWN, presentedAt: number, now: number): number {
  return Math.max(0, graceMs - ON_THE_WAY_MS - Math.abs(now - presentedAt))
}
