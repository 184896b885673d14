import type { CustomFetchOptions } from 'openid-client'
import { wasNeverSent } from './never-sent.ts'

/** The part of `fetch` that providers use; an egress guard can stand in for it. */
export type Fetch = typeof fetch

/** An answer that nobody has judged yet. */
export interface PlainAnswer {
  readonly status: number
  readonly body: string
  /** It is a page for people. */
  readonly isPage?: boolean
  /** How long the server wants to be left alone, ms. */
  readonly retryAfterMs?: number | undefined
}

/** Headers of a token endpoint that say something; for `keep` of {@link fetchWhole}. */
export const TOKEN_HEADERS: readonly string[] = ['retry-after']

/** What a failed answer means for whoever waits for it, in the words of {@link RefreshOutcome}. */
export type TroubleEffect = 'dead' | 'misconfigured' | 'unavailable'

/** Thrown inside this directory only: why a provider's answer cannot be used. `reason` is a constant or an OAuth code. */
export class ProviderTrouble extends Error {
  override readonly name = 'ProviderTrouble'
  readonly effect: TroubleEffect
  readonly reason: string
  /** The provider surely did not do what it was asked to; by default it may have. */
  readonly undone: boolean
  /** Something between us and the provider says so, and cannot know what the provider did. */
  readonly relayed: boolean
  /** How long it wants to be left alone, ms. */
  readonly retryAfterMs: number | undefined

  constructor(
    effect: TroubleEffect,
    reason: string,
    about: { undone?: boolean; relayed?: boolean; retryAfterMs?: number | undefined } = {},
  ) {
    super(reason)
    this.effect = effect
    this.reason = reason
    this.undone = about.undone ?? false
    this.relayed = about.relayed ?? false
    this.retryAfterMs = about.retryAfterMs
  }
}

/** Our own verdict, however deep a library has wrapped it; else the constant code of its complaint. */
export function troubleOf(error: unknown): ProviderTrouble {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (cause instanceof ProviderTrouble) return cause
  const code = error instanceof Error && 'code' in error ? String(error.code).toLowerCase() : ''
  return new ProviderTrouble('misconfigured', errorCode(code))
}

/** Enough for metadata, keys and tokens of any provider; more is an attack or a mistake (C26). */
const MAX_ANSWER_BYTES = 1024 * 1024
/** Statuses with which a server says "not now" and nothing about us or the user. */
const PASSING = new Set([408, 425, 429])
/** What intermediaries answer for a server that did not, or whose answer broke off (RFC 9110 §15.6.3, §15.6.5; Cloudflare). */
const RELAYED = new Set([502, 504, 520, 524])

/**
 * One request whose whole answer has been read: no redirects, 1 MiB at most, over by `deadline`, whatever it is
 * waiting for. Only status, content type, the headers in `keep` and body are kept. Throws {@link ProviderTrouble} `unavailable`.
 */
export async function fetchWhole(
  fetch: Fetch,
  url: string,
  options: CustomFetchOptions,
  deadline: AbortSignal,
  keep: readonly string[] = [],
): Promise<Response> {
  const { method, headers, body = null } = options
  try {
    const init = { method, headers, body, redirect: 'manual', signal: deadline } as const
    const response = await fetch(url, init as RequestInit)
    const bytes = await readBounded(response)
    const kept = ['content-type', ...keep].flatMap((name): [string, string][] => {
      const value = response.headers.get(name)
      return value === null ? [] : [[name, value]]
    })
    return new Response(bytes.length > 0 ? bytes : null, {
      status: response.status === 0 ? 302 : response.status,
      headers: kept,
    })
  } catch (cause) {
    if (cause instanceof ProviderTrouble) throw cause
    if (deadline.aborted) throw new ProviderTrouble('unavailable', 'timeout')
    throw new ProviderTrouble('unavailable', 'unreachable', { undone: wasNeverSent(cause) })
  }
}

/** Lets only a JSON object, or a JWT, with status 200 pass. Throws {@link ProviderTrouble} for everything else. */
export async function requireJsonAnswer(response: Response): Promise<Response> {
  if (response.status !== 200) throw troubleOfStatus(response.status)
  if (response.headers.get('content-type')?.startsWith('application/jwt')) return response
  if (parseJsonObject(await response.clone().text()) === undefined)
    throw new ProviderTrouble('unavailable', 'answer_not_json')
  return response
}

/**
 * What a status other than 2xx means by itself: 4xx is about us, except where it says "later". Whoever answers so says that
 * nothing was done, and is believed: an outage that answers 500 or 502 for hours must not cost anybody their sign-in. Where
 * an intermediary says it, the provider may have done it all the same.
 */
export function troubleOfStatus(status: number, retryAfterMs?: number): ProviderTrouble {
  const ours = status >= 400 && status < 500 && !PASSING.has(status)
  const about = { undone: status >= 300, relayed: RELAYED.has(status), retryAfterMs }
  return new ProviderTrouble(ours ? 'misconfigured' : 'unavailable', `http_${status}`, about)
}

/** A response of {@link fetchWhole} as plain values; `now` in ms. */
export async function plainAnswer(response: Response, now: number): Promise<PlainAnswer> {
  const retryAfterMs = readRetryAfter(response.headers.get('retry-after'), now)
  const body = await response.text()
  // Some servers call their JSON so; the beginning of it is an answer all the same.
  const isPage = response.headers.get('content-type')?.startsWith('text/html') === true && !/^\s*\{/.test(body)
  return { status: response.status, body, isPage, retryAfterMs }
}

/** The members of a JSON object, or undefined for any other text. */
export function parseJsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

/** An OAuth error code if it is a harmless word; everything else a provider writes stays out of logs. */
export function errorCode(value: unknown): string {
  return typeof value === 'string' && /^[a-z_]{1,40}$/.test(value) ? value : 'unknown_error'
}

async function readBounded(response: Response): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body ?? []) {
    length += chunk.length
    // Leaving the loop cancels the body and with it the connection.
    if (length > MAX_ANSWER_BYTES) throw new ProviderTrouble('unavailable', 'answer_too_large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** `Retry-After` (RFC 9110 §10.2.3) in ms from `now`, or undefined. */
function readRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined
  const ms = /^[0-9]{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now
  return Number.isNaN(ms) || ms < 0 ? undefined : ms
}
