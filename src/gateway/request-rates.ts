import { LRUCache } from 'lru-cache'
import type { RouteRefusal } from '../http/error-reply.ts'
import type { OpenAccess } from './access-cache.ts'

/** How many requests one user, and one client, may send; whoever sends more waits, and holds up nobody else. */
export interface RequestRates {
  /** Counts a request of `access`, or says whose budget is used up and what to answer; then nothing is counted. */
  take(access: OpenAccess): Exceeded | undefined
}

export interface Exceeded {
  readonly reason: 'user_rate' | 'client_rate'
  readonly refusal: RouteRefusal
}

/** Requests a minute; absent: any number. */
export interface RateLimits {
  readonly requestsPerUser?: number
  readonly requestsPerClient?: number
}

const MINUTE_MS = 60_000
/** Users, and clients, that are counted at once; the least recently seen go first, with a budget that is nearly full. */
const COUNTED = 20_000

/**
 * Budgets that fill up evenly and hold a minute's requests at the most. `uptime` (ms) never goes back, as a clock may.
 * Undefined without any limit, so that nobody pays for what is not asked for.
 */
export function createRequestRates(
  { requestsPerUser, requestsPerClient }: RateLimits,
  uptime: () => number = () => performance.now(),
): RequestRates | undefined {
  if (requestsPerUser === undefined && requestsPerClient === undefined) return undefined
  const ofUser = requestsPerUser === undefined ? undefined : budgets(requestsPerUser)
  const ofClient = requestsPerClient === undefined ? undefined : budgets(requestsPerClient)
  return {
    take({ identity, grant }) {
      const now = uptime()
      const user = `${identity.provider} ${identity.subject}`
      const userWaits = ofUser?.wait(user, now) ?? 0
      if (userWaits > 0) return exceeded('user_rate', 'this user', userWaits)
      const clientWaits = ofClient?.wait(grant.clientId, now) ?? 0
      if (clientWaits > 0) return exceeded('client_rate', 'this client', clientWaits)
      ofUser?.spend(user, now)
      ofClient?.spend(grant.clientId, now)
      return undefined
    },
  }
}

/** One number for each key: until when its requests so far have used it up (generic cell rate algorithm). */
function budgets(perMinute: number) {
  const usedUntil = new LRUCache<string, number>({ max: COUNTED })
  const costMs = MINUTE_MS / perMinute
  const after = (key: string, now: number) => Math.max(now, usedUntil.get(key) ?? 0) + costMs
  return {
    /** ms until the next request has its place; 0: now. */
    wait: (key: string, now: number) => Math.max(0, after(key, now) - now - MINUTE_MS),
    spend: (key: string, now: number) => void usedUntil.set(key, after(key, now)),
  }
}

function exceeded(reason: Exceeded['reason'], who: string, waitMs: number): Exceeded {
  const headers = { 'retry-after': String(Math.ceil(waitMs / 1000)) }
  return { reason, refusal: { status: 429, message: `too many requests of ${who} within a minute`, headers } }
}
