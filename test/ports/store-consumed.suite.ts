import { describe, expect, it } from 'vitest'
import type { StoreData } from './store-data.ts'
import { CALLERS, MINUTE, NOW, parallel, STRANGE, tally } from './store-rows.ts'

/** What may be presented once, on the store port. */
export function describeConsumed(data: StoreData): void {
  describe('consuming', () => {
    it('lets one of many callers consume a key, and nobody again until it has expired (RFC 7523 §3, T-06)', async () => {
      const end = NOW + MINUTE
      const outcomes = await parallel(() => data.store.consumeOnce('key', end, NOW))
      expect(tally(outcomes)).toEqual({ true: 1, false: CALLERS - 1 })
      await data.reopen()
      expect(await data.store.consumeOnce('key', end + MINUTE, end - 1)).toBe(false)
      expect(await data.store.consumeOnce('other', end, end - 1)).toBe(true)
      expect(await data.store.consumeOnce('key', end + MINUTE, end)).toBe(true)
      expect(await data.store.consumeOnce('key', end + MINUTE, end)).toBe(false)
    })

    it('takes any key as text', async () => {
      for (const key of STRANGE) expect(await data.store.consumeOnce(key, NOW + MINUTE, NOW)).toBe(true)
      for (const key of STRANGE) expect(await data.store.consumeOnce(key, NOW + MINUTE, NOW)).toBe(false)
    })

    it('forgets expired keys when it collects, and no other (B059: bounded)', async () => {
      await data.store.consumeOnce('old', NOW, NOW - 1)
      await data.store.consumeOnce('new', NOW + 1, NOW - 1)
      expect(await data.store.deleteExpired(NOW, 100)).toBe(1)
      expect(await data.store.consumeOnce('new', NOW + 1, NOW)).toBe(false)
      expect(await data.store.consumeOnce('old', NOW + 1, NOW)).toBe(true)
    })
  })
}
