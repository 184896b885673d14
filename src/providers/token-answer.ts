import { isSendableToken, type ProviderTokens } from '../domain/credential.ts'
import type { TokenAnswerRules } from '../domain/provider-profile.ts'
import { Secret } from '../domain/secret.ts'
import { errorCode, type PlainAnswer, ProviderTrouble, parseJsonObject, troubleOfStatus } from './provider-http.ts'

/** A token endpoint's answer (RFC 6749 §5.1), validated before anybody stores it. */
export interface TokenAnswer extends ProviderTokens {
  readonly idToken?: string
}

/** A longer life is not believed: after a year the token is refreshed, which does no harm. */
const MAX_LIFE_SECONDS = 365 * 24 * 3600
const MAX_REFRESH_TOKEN_LENGTH = 16_384
/** Codes that say "later", although RFC 6749 §5.2 does not know them here. */
const PASSING_CODES = ['temporarily_unavailable', 'server_error', 'slow_down']
const PAGE = { undone: true, relayed: true } as const
/** What the RFC has every provider answer. */
const STANDARD: TokenAnswerRules = {
  tokenTypes: ['bearer'],
  formEncoded: false,
  deadCodes: [],
  passingCodes: [],
}

/** Members of an answer, as they arrived. */
export type Members = Readonly<Record<string, unknown>>

/**
 * Reads a token endpoint's answer. `now` (ms) turns `expires_in` into a time. Throws {@link ProviderTrouble}: `dead` for
 * invalid_grant alone, `unavailable` for what passes, `misconfigured` for every other refusal and for tokens that could
 * never be sent. An `error` counts with status 200 too (B131).
 */
export function readTokenAnswer(answer: PlainAnswer, now: number): TokenAnswer {
  return readTokens(readTokenMembers(answer, STANDARD), now, STANDARD)
}

/** The members of a token endpoint's answer that is not an error by `rules`; throws as {@link readTokenAnswer} does. */
export function readTokenMembers(
  { status, body, isPage, retryAfterMs }: PlainAnswer,
  rules: TokenAnswerRules,
): Members {
  const members = parseJsonObject(body) ?? (rules.formEncoded ? parseFormAnswer(body) : undefined)
  if (status >= 500 || status === 429) throw troubleOfStatus(status, retryAfterMs)
  if (members && typeof members.error === 'string') throw troubleOfCode(errorCode(members.error), rules)
  if (status < 200 || status > 299) throw troubleOfStatus(status, retryAfterMs)
  // No token endpoint answers with a page: something stands before it, such as a notice of maintenance.
  if (!members) throw new ProviderTrouble('unavailable', 'answer_not_json', isPage ? PAGE : {})
  return members
}

/** Whether an error code says "later" at any provider. */
export function isPassingCode(code: string): boolean {
  return PASSING_CODES.includes(code)
}

/** What an OAuth error code means, by RFC 6749 §5.2 and the provider's own words. */
export function troubleOfCode(code: string, { deadCodes, passingCodes }: TokenAnswerRules = STANDARD): ProviderTrouble {
  if (code === 'invalid_grant' || deadCodes.includes(code)) return new ProviderTrouble('dead', code)
  const passes = isPassingCode(code) || passingCodes.includes(code)
  // Whoever names an error has not done it.
  return new ProviderTrouble(passes ? 'unavailable' : 'misconfigured', code, { undone: true })
}

/** The tokens among `members`, validated; throws {@link ProviderTrouble} `misconfigured` when they are of no use. */
export function readTokens(members: Members, now: number, rules: TokenAnswerRules): TokenAnswer {
  const { access_token, token_type = 'absent', expires_in, refresh_token, id_token } = members
  if (typeof token_type !== 'string' || !rules.tokenTypes.includes(token_type.toLowerCase()))
    throw new ProviderTrouble('misconfigured', 'token_type_unusable')
  if (typeof access_token !== 'string' || !isSendableToken(access_token))
    throw new ProviderTrouble('misconfigured', 'access_token_unusable')
  const refreshToken = readRefreshToken(refresh_token)
  const life = readLifeSeconds(expires_in)
  return {
    accessToken: new Secret(access_token),
    ...(refreshToken === undefined ? {} : { refreshToken }),
    ...(life === undefined ? {} : { expiresAt: now + life * 1000 }),
    ...(typeof id_token === 'string' && id_token !== '' ? { idToken: id_token } : {}),
  }
}

/** A form that says something about tokens; any other text would parse as a form too. */
function parseFormAnswer(body: string): Members | undefined {
  const form = new URLSearchParams(body)
  if (!form.has('access_token') && !form.has('error')) return undefined
  return [...form.keys()].some((name, index, names) => names.indexOf(name) !== index)
    ? undefined
    : Object.fromEntries(form)
}

function readRefreshToken(value: unknown): Secret | undefined {
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value !== 'string' || value.length > MAX_REFRESH_TOKEN_LENGTH)
    throw new ProviderTrouble('misconfigured', 'refresh_token_unusable')
  return new Secret(value)
}

/**
 * `expires_in` in seconds, or undefined for "does not say". Some servers write it as a string. Less than one is not
 * believed: read as an end they would cause a refresh on every request, and the MCP server notices a dead token anyway.
 */
export function readLifeSeconds(value: unknown): number | undefined {
  const seconds = typeof value === 'string' && /^[0-9]{1,12}$/.test(value) ? Number(value) : value
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds < 1) return undefined
  return Math.min(Math.floor(seconds), MAX_LIFE_SECONDS)
}
