import { LRUCache } from 'lru-cache'

/** How much may be fetched on the word of strangers. */
export interface FetchBudget {
  /** Counts one more for `key`, or refuses it: `limit` within any minute. */
  spend(key: string, limit: number): boolean
}

const WINDOW_MS = 60_000
const MAX_KEYS = 10_000

/** A budget per key and minute, in memory of bounded size. `now` in ms since 1970. */
export function createFetchBudget(now: () => number): FetchBudget {
  const spent = new LRUCache<string, number[]>({ max: MAX_KEYS })
  return {
    spend(key, limit) {
      const since = now() - WINDOW_MS
      const recent = (spent.get(key) ?? []).filter((at) => at > since)
      const allowed = recent.length < limit
      if (allowed) recent.push(now())
      spent.set(key, recent)
      return allowed
    },
  }
}
