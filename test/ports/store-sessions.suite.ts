import { describe, expect, it } from 'vitest'
import { externalGrantId } from '../../src/domain/grant.ts'
import type { StoreData } from './store-data.ts'
import { CALLERS, DAY, MINUTE, NOW, parallel, STRANGE, tally } from './store-rows.ts'

/** Sessions of MCP servers, on the store port. */
export function describeSessions(data: StoreData): void {
  describe('sessions', () => {
    const end = NOW + DAY

    it('belong to whoever bound them first, and never change hands (P-41, B247)', async () => {
      const { grant: first } = await data.activeGrant()
      const { grant: second } = await data.activeGrant()
      const row = { hash: 'session', grantId: first.id, expiresAt: end }
      expect(await data.store.bindSession(row)).toBe('bound')
      expect(await data.store.bindSession({ ...row, grantId: second.id })).toBe('foreign')
      expect(await data.store.bindSession({ ...row, expiresAt: end + DAY })).toBe('bound')
      await data.reopen()
      expect(await data.store.findSession('session')).toEqual(row)
      expect(await data.store.findSession('another')).toBeUndefined()
    })

    it('go to exactly one of many grants that bind them at once', async () => {
      const grants = await Promise.all(Array.from({ length: CALLERS }, () => data.activeGrant()))
      const outcomes = await parallel((caller) =>
        data.store.bindSession({ hash: 'session', grantId: grants[caller]?.grant.id ?? '', expiresAt: end }),
      )
      expect(tally(outcomes)).toEqual({ bound: 1, foreign: CALLERS - 1 })
      const winner = grants[outcomes.indexOf('bound')]?.grant.id
      expect(await data.store.findSession('session')).toMatchObject({ grantId: winner })
    })

    it('are free again once they have ended (P-46)', async () => {
      const { grant: first } = await data.activeGrant()
      const { grant: second } = await data.activeGrant()
      await data.store.bindSession({ hash: 'session', grantId: first.id, expiresAt: end })
      await data.store.endSession('session')
      await data.store.endSession('session')
      expect(await data.store.findSession('session')).toBeUndefined()
      expect(await data.store.bindSession({ hash: 'session', grantId: second.id, expiresAt: end })).toBe('bound')
    })

    it('end with their grant, and no others do (P-71)', async () => {
      const { grant: first } = await data.activeGrant()
      const { grant: second } = await data.activeGrant()
      await data.store.bindSession({ hash: 'first', grantId: first.id, expiresAt: end })
      await data.store.bindSession({ hash: 'second', grantId: second.id, expiresAt: end })
      await data.store.revokeGrant(first.id)
      expect(await data.store.findSession('first')).toBeUndefined()
      expect(await data.store.findSession('second')).toMatchObject({ grantId: second.id })
    })

    it('cannot be bound to a grant that does not exist, or that ended while the answer was on its way', async () => {
      const { grant } = await data.activeGrant()
      await data.store.revokeGrant(grant.id)
      for (const grantId of ['nobody', grant.id]) {
        await expect(data.store.bindSession({ hash: 'session', grantId, expiresAt: end })).rejects.toThrow()
        expect(await data.store.findSession('session')).toBeUndefined()
      }
    })

    it('belong to grants of other authorization servers, too, which are not kept here (P-41)', async () => {
      const [alice, bob] = ['alice', 'bob'].map((subject) =>
        externalGrantId({ provider: 'https://login.example', subject, groups: [] }, 'client', '/mcp'),
      ) as [string, string]
      const { grant: ours } = await data.activeGrant()
      const row = { hash: 'session', grantId: alice, expiresAt: end }
      expect(await data.store.bindSession(row)).toBe('bound')
      for (const grantId of [bob, ours.id]) expect(await data.store.bindSession({ ...row, grantId })).toBe('foreign')
      await data.reopen()
      await data.collectAll(end - 1)
      expect(await data.store.findSession('session')).toEqual(row)
      await data.collectAll(end)
      expect(await data.store.findSession('session')).toBeUndefined()
    })

    it('end with a grant that has come to its end (P-71)', async () => {
      const { grant } = await data.activeGrant({ expiresAt: NOW + MINUTE })
      const { grant: other } = await data.activeGrant()
      await data.store.bindSession({ hash: 'session', grantId: grant.id, expiresAt: end })
      await data.store.bindSession({ hash: 'other', grantId: other.id, expiresAt: end })
      await data.collectAll(NOW + MINUTE)
      expect(await data.store.findSession('session')).toBeUndefined()
      expect(await data.store.findSession('other')).toBeDefined()
    })

    it('are kept up to a number for each grant: its own oldest makes room (B275)', async () => {
      const { grant: busy } = await data.activeGrant()
      const { grant: other } = await data.activeGrant()
      await data.store.bindSession({ hash: 'of the other', grantId: other.id, expiresAt: NOW + MINUTE }, 3)
      for (const count of [1, 2, 3, 4])
        await data.store.bindSession({ hash: `busy ${count}`, grantId: busy.id, expiresAt: end + count }, 3)
      expect(await data.store.findSession('busy 1')).toBeUndefined()
      for (const kept of ['busy 2', 'busy 3', 'busy 4', 'of the other'])
        expect(await data.store.findSession(kept), kept).toBeDefined()
    })

    it('are forgotten when they have expired, and no earlier (P-49)', async () => {
      const { grant } = await data.activeGrant()
      for (const hash of STRANGE) await data.store.bindSession({ hash, grantId: grant.id, expiresAt: end })
      await data.collectAll(end - 1)
      for (const hash of STRANGE) expect(await data.store.findSession(hash)).toMatchObject({ hash })
      await data.collectAll(end)
      for (const hash of STRANGE) expect(await data.store.findSession(hash)).toBeUndefined()
    })
  })
}
