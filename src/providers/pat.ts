import type { PatProbe } from '../domain/credential.ts'
import { renderHeader } from '../domain/header-template.ts'
import type { Secret } from '../domain/secret.ts'
import { deadlineIn } from './deadline.ts'
import { type Fetch, fetchWhole, ProviderTrouble, parseJsonObject } from './provider-http.ts'

/**
 * What became of trying a token where it should work. `refused` carries the status: 401, the token is not known; 403, it
 * is known and may not do this. `unavailable`: nothing was learned about the token.
 */
export type ProbeOutcome =
  | { readonly outcome: 'accepted'; readonly account?: string; readonly scopes?: string; readonly expiresAt?: number }
  | { readonly outcome: 'refused'; readonly status: 401 | 403 }
  | { readonly outcome: 'unavailable'; readonly reason: string }

const TIMEOUT_MS = 8000
const MAX_SHOWN = 200

/** Tries `token` at the probe of a route; never throws, and never follows a redirect with the token in hand. */
export async function probePat(probe: PatProbe, token: Secret, fetchFrom: Fetch = fetch): Promise<ProbeOutcome> {
  const headers = new Headers({ accept: 'application/json', 'user-agent': 'mcp-gatehouse' })
  for (const { name, template } of probe.headers) {
    const value = renderHeader(template, { credential: token.reveal() })
    if (value === undefined) return { outcome: 'refused', status: 401 }
    headers.set(name, value)
  }
  try {
    const kept = [probe.account, probe.scopes, probe.expires].flatMap((path) => headerOf(path) ?? [])
    const options = {
      method: 'GET',
      headers: Object.fromEntries(headers),
      redirect: 'manual',
      body: undefined,
    } as const
    const response = await fetchWhole(fetchFrom, probe.url, options, deadlineIn(TIMEOUT_MS), kept)
    if (response.status === 401 || response.status === 403) return { outcome: 'refused', status: response.status }
    if (response.status !== 200) return { outcome: 'unavailable', reason: `http_${response.status}` }
    const body = parseJsonObject(await response.text())
    if (!body) return { outcome: 'unavailable', reason: 'answer_not_json' }
    return accepted(probe, response.headers, body)
  } catch (error) {
    return { outcome: 'unavailable', reason: error instanceof ProviderTrouble ? error.reason : 'unreachable' }
  }
}

function accepted(probe: PatProbe, headers: Headers, body: Readonly<Record<string, unknown>>): ProbeOutcome {
  const read = (path: string | undefined) => {
    const header = headerOf(path)
    const value = header === undefined ? memberAt(body, path) : headers.get(header)
    return typeof value === 'string' || typeof value === 'number' ? String(value).slice(0, MAX_SHOWN) : undefined
  }
  const account = read(probe.account)
  // An answer without the account that it should name is no proof that the token belongs to anybody.
  if (probe.account !== undefined && (account ?? '').trim() === '')
    return { outcome: 'unavailable', reason: 'no_account' }
  const scopes = read(probe.scopes)
  const expiresAt = readTime(read(probe.expires) ?? '')
  return {
    outcome: 'accepted',
    ...(account === undefined ? {} : { account }),
    ...(scopes === undefined || scopes === '' ? {} : { scopes }),
    ...(Number.isNaN(expiresAt) ? {} : { expiresAt }),
  }
}

/** A time in ms since 1970; NaN for what is none. Some APIs write seconds since 1970 instead of a date. */
function readTime(text: string): number {
  if (/^[0-9]{9,11}$/.test(text)) return Number(text) * 1000
  return /^[0-9]*$/.test(text) ? Number.NaN : Date.parse(text)
}

/** The header that a path such as `header:x-oauth-scopes` names. */
function headerOf(path: string | undefined): string | undefined {
  return path?.startsWith('header:') ? path.slice('header:'.length) : undefined
}

/** The member at a dotted path such as `user.login`. */
function memberAt(body: Readonly<Record<string, unknown>>, path: string | undefined): unknown {
  let value: unknown = path === undefined ? undefined : body
  for (const name of path?.split('.') ?? []) {
    value =
      typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined
  }
  return value
}
