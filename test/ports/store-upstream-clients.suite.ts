import { describe, expect, it } from 'vitest'
import type { UpstreamClientRow } from '../../src/storage/records.ts'
import type { StoreData } from './store-data.ts'
import { aClient, CALLERS, DAY, MINUTE, NOW, parallel, tally } from './store-rows.ts'

const ROOM = { capacity: 10, idleSince: NOW }

function aRow(about: Partial<UpstreamClientRow> = {}): UpstreamClientRow {
  return { provider: 'corp', clientId: 'client', version: 1, sealed: 'first', usedAt: NOW, ...about }
}

/** The gateway's own clients at providers, in the store port. */
export function describeUpstreamClients(data: StoreData): void {
  describe('upstream clients', () => {
    it('keeps one for each provider and client, also over a restart (RFC 7591)', async () => {
      await data.store.putUpstreamClient(aRow(), ROOM)
      await data.store.putUpstreamClient(aRow({ provider: 'other', sealed: 'at the other' }), ROOM)
      await data.reopen()
      expect(await data.store.findUpstreamClient('corp', 'client')).toStrictEqual(aRow())
      expect(await data.store.findUpstreamClient('other', 'client')).toMatchObject({ sealed: 'at the other' })
      expect(await data.store.findUpstreamClient('corp', 'nobody')).toBeUndefined()
      const both = await data.store.findUpstreamClientsOf('client')
      expect(both.map(({ provider }) => provider).sort()).toEqual(['corp', 'other'])
    })

    it('lets one of many callers store the first one, and the next one', async () => {
      const first = await parallel((caller) => data.store.putUpstreamClient(aRow({ sealed: `by ${caller}` }), ROOM))
      expect(tally(first.map(({ outcome }) => outcome))).toEqual({ won: 1, lost: CALLERS - 1 })
      const next = await parallel((caller) =>
        data.store.putUpstreamClient(aRow({ version: 2, sealed: `again by ${caller}` }), ROOM),
      )
      expect(tally(next.map(({ outcome }) => outcome))).toEqual({ won: 1, lost: CALLERS - 1 })
      const winner = next.findIndex(({ outcome }) => outcome === 'won')
      expect(await data.store.findUpstreamClient('corp', 'client')).toMatchObject({ sealed: `again by ${winner}` })
      expect(await data.store.putUpstreamClient(aRow({ version: 4 }), ROOM)).toEqual({ outcome: 'lost' })
    })

    it('gives one to one of many takers, and to none who knows another version', async () => {
      await data.store.putUpstreamClient(aRow(), ROOM)
      expect(await data.store.takeUpstreamClient('corp', 'client', 2)).toBe(false)
      const taken = await parallel(() => data.store.takeUpstreamClient('corp', 'client', 1))
      expect(tally(taken)).toEqual({ true: 1, false: CALLERS - 1 })
      expect(await data.store.putUpstreamClient(aRow({ version: 2 }), ROOM)).toEqual({ outcome: 'lost' })
      expect(await data.store.putUpstreamClient(aRow(), ROOM)).toEqual({ outcome: 'won' })
    })

    it('makes room by the one that is unused for longest, never by one with a grant or one in use (X-20)', async () => {
      const row = (clientId: string, usedAt: number, provider = 'corp') => aRow({ clientId, usedAt, provider })
      const put = (clientId: string, usedAt = NOW) =>
        data.store.putUpstreamClient(row(clientId, usedAt), { capacity: 3, idleSince: NOW - MINUTE })
      await data.store.putUpstreamClient(row('elsewhere', NOW - DAY, 'other'), ROOM)
      await put('granted', NOW - DAY)
      await put('idle', NOW - 2 * MINUTE)
      await put('signing in', NOW)
      await data.activeGrant({ clientId: 'granted' })
      const hasRoom = (capacity = 3) => data.store.hasUpstreamClientRoom('corp', { capacity, idleSince: NOW - MINUTE })
      expect(await hasRoom()).toBe(true)
      expect(await data.store.findUpstreamClient('corp', 'idle')).toBeDefined()
      expect(await put('next')).toEqual({ outcome: 'won', evicted: row('idle', NOW - 2 * MINUTE) })
      expect([await hasRoom(), await hasRoom(4)]).toEqual([false, true])
      expect(await put('too many')).toEqual({ outcome: 'full' })
      expect(await data.store.findUpstreamClient('corp', 'too many')).toBeUndefined()
      for (const clientId of ['granted', 'signing in', 'next'])
        expect(await data.store.findUpstreamClient('corp', clientId), clientId).toBeDefined()
      // What is there already needs no room.
      expect(
        await data.store.putUpstreamClient({ ...row('next', NOW), version: 2 }, { capacity: 1, idleSince: NOW }),
      ).toEqual({ outcome: 'won' })
    })

    it('finds those of clients that are gone, and no others', async () => {
      for (const clientId of ['stored', 'declared', 'granted', 'gone', 'also gone'])
        await data.store.putUpstreamClient(aRow({ clientId, usedAt: NOW - DAY }), ROOM)
      await data.store.putUpstreamClient(aRow({ clientId: 'on its way' }), ROOM)
      await data.store.createClient(aClient({ clientId: 'stored' }))
      await data.activeGrant({ clientId: 'granted' })
      const lost = async (idleSince: number, limit = 10) =>
        (await data.store.findLostUpstreamClients(['declared'], idleSince, limit))
          .map(({ clientId }) => clientId)
          .sort()
      expect(await lost(NOW - MINUTE)).toEqual(['also gone', 'gone'])
      expect(await lost(NOW - MINUTE, 1)).toHaveLength(1)
      expect(await lost(NOW)).toEqual(['also gone', 'gone', 'on its way'])
      await data.store.noteUpstreamClientUse('corp', 'gone', NOW)
      expect(await lost(NOW - MINUTE)).toEqual(['also gone'])
    })
  })
}
