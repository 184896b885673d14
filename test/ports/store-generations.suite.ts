import { describe, expect, it } from 'vitest'
import type { Grant } from '../../src/domain/grant.ts'
import type { StoreData } from './store-data.ts'
import { aGrant, anAccess, CALLERS, DAY, GRACE, MINUTE, NOW, tally } from './store-rows.ts'

/** Refresh generations of the store port. */
export function describeGenerations(data: StoreData): void {
  describe('refresh generations (RFC 9700 §4.14.2)', () => {
    it('rotates the current generation and keeps the tokens that are out', async () => {
      const { grant, access } = await data.activeGrant()
      const next = anAccess(grant)
      expect(await data.store.advanceGeneration(grant.id, 1, next, NOW + DAY, GRACE)).toBe('rotated')
      await data.reopen()
      expect(await data.store.findGrant(grant.id)).toMatchObject({
        generation: 2,
        rotatedAt: NOW + DAY,
        status: 'active',
      })
      expect((await data.store.findAccess(next.hash))?.access).toStrictEqual(next)
      expect((await data.store.findAccess(access.hash))?.access).toStrictEqual(access)
    })

    it('rotates once for 50 parallel callers and serves all of them (B163, B164)', async () => {
      const { grant } = await data.activeGrant()
      const tokens = Array.from({ length: CALLERS }, () => anAccess(grant))
      const outcomes = await Promise.all(
        tokens.map((token) => data.store.advanceGeneration(grant.id, 1, token, NOW, GRACE)),
      )
      expect(tally(outcomes)).toEqual({ rotated: 1, retried: CALLERS - 1 })
      expect(await data.store.findGrant(grant.id)).toMatchObject({ generation: 2, rotatedAt: NOW })
      for (const token of tokens) expect((await data.store.findAccess(token.hash))?.grant.id).toBe(grant.id)
    })

    it('retries the generation before within the grace period without extending it (B166)', async () => {
      const { grant } = await data.activeGrant()
      await data.store.advanceGeneration(grant.id, 1, anAccess(grant), NOW, GRACE)
      expect(await data.store.advanceGeneration(grant.id, 1, anAccess(grant), NOW + GRACE, GRACE)).toBe('retried')
      const late = anAccess(grant)
      expect(await data.store.advanceGeneration(grant.id, 1, late, NOW + GRACE + 1, GRACE)).toBe('reused')
      expect(await data.store.findAccess(late.hash)).toBeUndefined()
      expect(await data.store.findGrant(grant.id)).toMatchObject({ status: 'active', generation: 2, rotatedAt: NOW })
    })

    it('counts only the immediate predecessor as a retry (B167)', async () => {
      const { grant } = await data.activeGrant()
      await data.store.advanceGeneration(grant.id, 1, anAccess(grant), NOW, GRACE)
      await data.store.advanceGeneration(grant.id, 2, anAccess(grant), NOW, GRACE)
      expect(await data.store.advanceGeneration(grant.id, 1, anAccess(grant), NOW, GRACE)).toBe('reused')
      expect(await data.store.advanceGeneration(grant.id, 2, anAccess(grant), NOW, GRACE)).toBe('retried')
    })

    it('spares an older one whose request was under way while others rotated, within the grace (T-12, C12)', async () => {
      const { grant } = await data.activeGrant()
      await data.store.advanceGeneration(grant.id, 1, anAccess(grant), NOW, GRACE)
      await data.store.advanceGeneration(grant.id, 2, anAccess(grant), NOW + 5, GRACE)
      const late = anAccess(grant)
      const present = (arrivedAt: number, now = NOW + 6) =>
        data.store.advanceGeneration(grant.id, 1, late, now, GRACE, arrivedAt)
      expect(await present(NOW + 5)).toBe('reused')
      expect(await present(NOW + 4, NOW + GRACE + 6)).toBe('reused')
      expect(await data.store.findAccess(late.hash)).toBeUndefined()
      expect(await present(NOW + 4)).toBe('overtaken')
      expect(await data.store.findAccess(late.hash)).toBeDefined()
      expect(await data.store.findGrant(grant.id)).toMatchObject({ generation: 3, rotatedAt: NOW + 5 })
    })

    it('calls a generation that was never issued reused, and changes nothing', async () => {
      const { grant } = await data.activeGrant()
      for (const never of [0, -1, 2, 1.5, Number.NaN, 2 ** 32])
        expect(await data.store.advanceGeneration(grant.id, never, anAccess(grant), NOW, GRACE)).toBe('reused')
      expect(await data.store.advanceGeneration(grant.id, 1, anAccess(grant), NOW, GRACE)).toBe('rotated')
    })

    it('does not revive an old generation when the clock is set back (B169)', async () => {
      const { grant } = await data.activeGrant()
      await data.store.advanceGeneration(grant.id, 1, anAccess(grant), NOW, GRACE)
      const hourBack = NOW - 60 * MINUTE
      expect(await data.store.advanceGeneration(grant.id, 1, anAccess(grant), hourBack, GRACE)).toBe('reused')
      expect(await data.store.advanceGeneration(grant.id, 1, anAccess(grant), NOW - 10, GRACE)).toBe('retried')
    })

    it('is gone for a grant that is unknown, pending, revoked or past its end', async () => {
      const advance = (grant: Grant, now: number) =>
        data.store.advanceGeneration(grant.id, 1, anAccess(grant), now, GRACE)
      expect(await advance(aGrant(), NOW)).toBe('gone')
      const pending = await data.pendingGrant()
      expect(await advance(pending.grant, NOW)).toBe('gone')
      const revoked = await data.activeGrant()
      await data.store.revokeGrant(revoked.grant.id)
      expect(await advance(revoked.grant, NOW)).toBe('gone')
      const ended = await data.activeGrant()
      expect(await advance(ended.grant, ended.grant.expiresAt)).toBe('gone')
      expect(await advance(ended.grant, ended.grant.expiresAt - 1)).toBe('rotated')
    })
  })
}
