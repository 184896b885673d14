import type { SignInOutcome } from './provider.ts'
import { errorCode } from './provider-http.ts'

/** What a user or a provider answers who does not want to (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6). */
const REFUSALS = new Set([
  'access_denied',
  'account_selection_required',
  'consent_required',
  'interaction_required',
  'login_required',
])
const PASSING = new Set(['server_error', 'temporarily_unavailable'])

/** How a sign-in ended that came back with `error`; whatever else came along is not repeated (B124). */
export function outcomeOfAuthorizationError(error: unknown): SignInOutcome {
  const reason = errorCode(error)
  if (REFUSALS.has(reason)) return { outcome: 'denied', reason }
  return { outcome: PASSING.has(reason) ? 'unavailable' : 'refused', reason }
}
