import { isSendableToken } from '../domain/credential.ts'
import { Secret } from '../domain/secret.ts'
import {
  ACCESS_TOKEN_TYPE,
  JWT_TYPE,
  type TokenExchangeRequest,
  type TokenExchangeStyle,
} from '../domain/token-exchange.ts'
import type { ExchangedToken, ExchangeOutcome } from './provider.ts'
import { errorCode, type PlainAnswer, type ProviderTrouble, parseJsonObject, troubleOfStatus } from './provider-http.ts'
import { isPassingCode, type Members, readLifeSeconds } from './token-answer.ts'

/** RFC 8693 §2.1. */
const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
/** RFC 7523 §2.1. */
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
/**
 * What providers answer when the token that was offered is not good. RFC 8693 §2.2.2 wants invalid_request for that, but the
 * code says more often that the question was wrong, and so it is taken.
 */
const SUBJECT_CODES = ['invalid_grant', 'invalid_token']
/** OpenID Connect Core §3.1.2.6; Entra answers some of them to an exchange, also as `suberror` of invalid_grant. */
const INTERACTION_CODES = ['interaction_required', 'consent_required', 'login_required', 'account_selection_required']

/** A way of asking for a token that a provider knows. */
export type KnownExchangeStyle = Exclude<TokenExchangeStyle, 'none'>

/** The `grant_type` of an exchange. */
export function exchangeGrantType(style: KnownExchangeStyle): string {
  return style === 'on-behalf-of' ? JWT_BEARER : TOKEN_EXCHANGE
}

/** The form of an exchange, without what authenticates the client; names may repeat (RFC 8693 §2.1). */
export function exchangeForm(
  style: KnownExchangeStyle,
  subjectToken: Secret,
  request: TokenExchangeRequest,
): [string, string][] {
  const { audiences, resources, scopes, requestedTokenType, subjectTokenType } = request
  const scope: [string, string][] = scopes.length === 0 ? [] : [['scope', scopes.join(' ')]]
  const requested: [string, string][] =
    requestedTokenType === undefined ? [] : [['requested_token_type', requestedTokenType]]
  if (style === 'on-behalf-of')
    return [
      ['grant_type', exchangeGrantType(style)],
      ['assertion', subjectToken.reveal()],
      ['requested_token_use', 'on_behalf_of'],
      ...scope,
    ]
  return [
    ['grant_type', exchangeGrantType(style)],
    ['subject_token', subjectToken.reveal()],
    ['subject_token_type', subjectTokenType],
    ...audiences.map((audience): [string, string] => ['audience', audience]),
    ...resources.map((resource): [string, string] => ['resource', resource]),
    ...scope,
    ...requested,
  ]
}

/** What a token endpoint answered to {@link exchangeForm} (RFC 8693 §2.2). `now` in ms. Never throws. */
export function readExchange(
  style: KnownExchangeStyle,
  request: TokenExchangeRequest,
  { status, body, retryAfterMs }: PlainAnswer,
  now: number,
): ExchangeOutcome {
  const members = parseJsonObject(body)
  if (status >= 500 || status === 429) return failedExchange(troubleOfStatus(status, retryAfterMs))
  if (members && typeof members.error === 'string') return readRefusal(members)
  if (status < 200 || status > 299) return failedExchange(troubleOfStatus(status))
  if (!members) return { outcome: 'unavailable', reason: 'answer_not_json' }
  return readToken(style, request, members, now)
}

/** The outcome of an exchange whose answer never came, or cannot be read. */
export function failedExchange({ effect, reason, retryAfterMs }: ProviderTrouble): ExchangeOutcome {
  const outcome = effect === 'dead' ? 'subject_refused' : effect
  return { outcome, reason, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
}

function readRefusal(members: Members): ExchangeOutcome {
  const reason = errorCode(members.error)
  const more = errorCode(members.suberror)
  if (INTERACTION_CODES.includes(more)) return { outcome: 'interaction_required', reason: more }
  if (INTERACTION_CODES.includes(reason)) return { outcome: 'interaction_required', reason }
  // Entra: a challenge that only the user can meet (conditional access), whatever the error is called.
  if (typeof members.claims === 'string' && members.claims !== '')
    return { outcome: 'interaction_required', reason: 'claims_challenge' }
  if (SUBJECT_CODES.includes(reason)) return { outcome: 'subject_refused', reason }
  return { outcome: isPassingCode(reason) ? 'unavailable' : 'misconfigured', reason }
}

/** RFC 8693 §2.2.1, held against what was asked for: a token of another kind is not what the server expects. */
function readToken(
  style: KnownExchangeStyle,
  { requestedTokenType }: TokenExchangeRequest,
  { access_token: token, token_type: tokenType, issued_token_type: issuedType, expires_in: life }: Members,
  now: number,
): ExchangeOutcome {
  const unusable = (reason: string): ExchangeOutcome => ({ outcome: 'misconfigured', reason })
  const issued = style === 'on-behalf-of' ? ACCESS_TOKEN_TYPE : issuedType
  const wanted = requestedTokenType === undefined ? [ACCESS_TOKEN_TYPE, JWT_TYPE] : [requestedTokenType]
  if (typeof issued !== 'string' || !wanted.includes(issued)) return unusable('issued_token_type_unexpected')
  if (!isUsableAs(tokenType, issued)) return unusable('token_type_unusable')
  if (typeof token !== 'string' || !isSendableToken(token)) return unusable('access_token_unusable')
  const seconds = readLifeSeconds(life)
  const exchanged: ExchangedToken = {
    token: new Secret(token),
    ...(seconds === undefined ? {} : { expiresAt: now + seconds * 1000 }),
  }
  return { outcome: 'exchanged', exchanged }
}

/** `N_A` is for what is no access token (RFC 8693 §2.2.1); any type but Bearer needs a proof that we cannot give (DPoP). */
function isUsableAs(tokenType: unknown, issued: string): boolean {
  if (typeof tokenType !== 'string') return false
  const type = tokenType.toLowerCase()
  return type === 'bearer' || (type === 'n_a' && issued !== ACCESS_TOKEN_TYPE)
}
