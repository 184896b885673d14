import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, preHandlerAsyncHookHandler } from 'fastify'

/** Counts a request, and refuses it when there were too many. */
export type RateLimit = preHandlerAsyncHookHandler

/** Client addresses that are counted at once; the least recently seen go first, so that a crowd cannot fill the memory. */
const COUNTED_ADDRESSES = 20_000

/**
 * Prepares rate limits on `app`; endpoints without one are not limited. A refusal is an error of status 429 that the error
 * handler words; `Retry-After` is set. Addresses are counted as the configuration lets us know them, IPv6 by /64.
 */
export async function acceptRateLimits(app: FastifyInstance): Promise<void> {
  await app.register(rateLimit, {
    global: false,
    cache: COUNTED_ADDRESSES,
    addHeadersOnExceeding: { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false },
    addHeaders: {
      'x-ratelimit-limit': false,
      'x-ratelimit-remaining': false,
      'x-ratelimit-reset': false,
      'retry-after': true,
    },
  })
}

/**
 * One budget: at most `max` requests a minute from one address, to all the endpoints that are given this hook together.
 * `app` must have been prepared with {@link acceptRateLimits}.
 */
export function perMinute(app: FastifyInstance, max: number): RateLimit {
  return app.rateLimit({ max, timeWindow: 60_000 })
}
