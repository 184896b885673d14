import { LRUCache } from 'lru-cache'
import { fail, ok, type Result } from '../domain/result.ts'
import type { Egress, Fetched } from './egress.ts'

/** Why there is no copy: `transient` when asking again soon may help, otherwise whoever published it made a mistake. */
export interface NotRead {
  readonly transient: boolean
  /** A constant, for the log. */
  readonly reason: string
}

/** A copy of something published, parsed. */
export interface Copy<T> {
  readonly value: T
  /** ms since 1970. */
  readonly fetchedAt: number
  /** Until then nobody needs to ask again, ms since 1970. */
  readonly freshUntil: number
}

/** JSON that strangers publish at https addresses, kept by the rules of HTTP (RFC 9111) within our own bounds. */
export interface PublishedJson<T> {
  /** What is remembered, fresh or not; asks nobody. */
  peek(url: string): Copy<T> | undefined
  /**
   * A fresh copy, asked for unless there is one; any number of callers share one fetch. `notBefore` (ms since 1970) asks
   * again for a copy that is older. Failures are remembered for seconds, so that nobody can be hammered through us, and
   * never in place of a copy.
   */
  read(
    url: string,
    options?: { readonly caller?: string; readonly notBefore?: number },
  ): Promise<Result<Copy<T>, NotRead>>
}

export interface PublishedJsonOptions<T> {
  readonly egress: Egress
  readonly maxBytes: number
  readonly maxCopies: number
  /** Judges a body; fails with a constant sentence. */
  readonly parse: (body: unknown, url: string, fetchedAt: number) => Result<T, string>
  /** ms since 1970. */
  readonly now: () => number
}

const FETCH_TIMEOUT_MS = 5000
const MIN_FRESH_MS = 5 * 60_000
const MAX_FRESH_MS = 24 * 60 * 60_000
const DEFAULT_FRESH_MS = 60 * 60_000
const FAILURE_MS = 5000
const MAX_FAILURES = 10_000

/** A memory of published JSON, bounded and shared by all requests of this process. */
export function createPublishedJson<T extends object>(options: PublishedJsonOptions<T>): PublishedJson<T> {
  const { egress, now } = options
  const copies = new LRUCache<string, Copy<T>>({ max: options.maxCopies })
  const failures = new LRUCache<string, { readonly failure: NotRead; readonly until: number }>({ max: MAX_FAILURES })
  const underWay = new Map<string, Promise<Result<Copy<T>, NotRead>>>()

  async function fetchCopy(url: string, caller: string | undefined): Promise<Result<Copy<T>, NotRead>> {
    const { maxBytes } = options
    const from = caller === undefined ? {} : { caller }
    const fetched = await egress.get(url, {
      maxBytes,
      timeoutMs: FETCH_TIMEOUT_MS,
      accept: 'application/json',
      ...from,
    })
    const fetchedAt = now()
    const read = judge(fetched)
    const parsed = read.ok ? options.parse(read.value.body, url, fetchedAt) : read
    if (!parsed.ok) {
      const failure = typeof parsed.failure === 'string' ? { transient: false, reason: parsed.failure } : parsed.failure
      // A budget that somebody has spent says nothing about the address.
      if (fetched.outcome !== 'busy') failures.set(url, { failure, until: fetchedAt + FAILURE_MS })
      return fail(failure)
    }
    const headers = read.ok ? read.value.headers : new Map<string, string>()
    const copy = { value: parsed.value, fetchedAt, freshUntil: fetchedAt + freshMs(headers, fetchedAt) }
    copies.set(url, copy)
    failures.delete(url)
    return ok(copy)
  }

  return {
    peek: (url) => copies.get(url),
    async read(url, { caller, notBefore = 0 } = {}) {
      const copy = copies.get(url)
      if (copy && now() < copy.freshUntil && copy.fetchedAt >= notBefore) return ok(copy)
      const failed = failures.get(url)
      if (failed && now() < failed.until) return fail(failed.failure)
      const shared = underWay.get(url)
      if (shared) return shared
      const own = fetchCopy(url, caller).finally(() => underWay.delete(url))
      underWay.set(url, own)
      return own
    },
  }
}

type Readable = { readonly body: unknown; readonly headers: ReadonlyMap<string, string> }

function judge(fetched: Fetched): Result<Readable, NotRead> {
  if (fetched.outcome === 'refused') return fail({ transient: false, reason: fetched.reason })
  if (fetched.outcome !== 'answered') return fail({ transient: true, reason: fetched.reason })
  const { status, headers } = fetched
  // Some vendors turn away whole clouds with 403: that says nothing about the document.
  if (status !== 200)
    return fail({ transient: status >= 500 || [403, 408, 425, 429].includes(status), reason: 'not_200' })
  if (!isJson(headers.get('content-type') ?? '')) return fail({ transient: false, reason: 'not_json' })
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(fetched.body)
    return ok({ body: JSON.parse(text), headers })
  } catch {
    return fail({ transient: false, reason: 'not_json' })
  }
}

/** `application/json` or a type built on it (RFC 6839 §3.1). */
function isJson(contentType: string): boolean {
  return /^application\/(json|[a-z0-9!#$&^_.+-]+\+json)[ \t]*(;|$)/i.test(contentType)
}

/** How long the answer says it is fresh (RFC 9111 §4.2), bounded: nobody makes us ask all the time, or never again. */
function freshMs(headers: ReadonlyMap<string, string>, now: number): number {
  return Math.min(MAX_FRESH_MS, Math.max(MIN_FRESH_MS, declaredMs(headers, now)))
}

function declaredMs(headers: ReadonlyMap<string, string>, now: number): number {
  const control = (headers.get('cache-control') ?? '').toLowerCase()
  if (/(^|[ ,])no-(store|cache)\b/.test(control)) return 0
  const maxAge = /(?:^|[ ,])max-age="?([0-9]{1,10})/.exec(control)?.[1]
  if (maxAge !== undefined) return (Number(maxAge) - age(headers)) * 1000
  const expires = Date.parse(headers.get('expires') ?? '')
  if (headers.has('expires')) return Number.isNaN(expires) ? 0 : expires - now
  return DEFAULT_FRESH_MS
}

/** Seconds that the answer has spent in caches on its way (RFC 9111 §5.1). */
function age(headers: ReadonlyMap<string, string>): number {
  const seconds = headers.get('age') ?? ''
  return /^[0-9]{1,10}$/.test(seconds) ? Number(seconds) : 0
}
