import type { CustomFetchOptions } from 'openid-client'

/** The part of `fetch` that providers use; an egress guard can stand in for it. */
export type Fetch = typeof fetch

/** An answer that nobody has judged yet. */
export interface PlainAnswer {
  readonly status: number
  readonly body: string
}

/** What a failed answer means for whoever waits for it, in the words of {@link RefreshOutcome}. */
export type TroubleEffect = 'dead' | 'misconfigured' | 'unavailable'

/** Thrown inside this directory only: why a provider's answer cannot be used. `reason` is a constant or an OAuth code. */
export class ProviderTrouble extends Error {
  override readonly name = 'ProviderTrouble'
  readonly effect: TroubleEffect
  readonly reason: string

  constructor(effect: TroubleEffect, reason: string) {
    super(reason)
    this.effect = effect
    this.reason = reason
  }
}

/** Enough for metadata, keys and tokens of any provider; more is an attack or a mistake (C26). */
const MAX_ANSWER_BYTES = 1024 * 1024
/** Statuses with which a server says "not now" and nothing about us or the user. */
const PASSING = new Set([408, 425, 429])

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
    throw new ProviderTrouble('unavailable', deadline.aborted ? 'timeout' : 'unreachable')
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

/** What a status other than 2xx means by itself: 4xx is about us, except where it says "later". */
export function troubleOfStatus(status: number): ProviderTrouble {
  const ours = status >= 400 && status < 500 && !PASSING.has(status)
  return new ProviderTrouble(ours ? 'misconfigured' : 'unavailable', `http_${status}`)
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
