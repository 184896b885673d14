import { describe, expect, it } from 'vitest'
import type { Client } from '../../src/domain/client.ts'
import type { Change } from '../../src/storage/records.ts'
import { StoreUnavailable } from '../../src/storage/store.ts'
import type { StoreData } from './store-data.ts'
import { aClient, CALLERS, MINUTE, NOW, parallel, STRANGE, tally } from './store-rows.ts'

/** Clients and interactions of the store port. */
export function describeClients(data: StoreData): void {
  describe('clients', () => {
    it('finds a registered client as it was stored, also after a restart (R-16, RFC 7591 §3.2.1)', async () => {
      const full = aClient({
        clientName: 'Ünïcode "client"',
        secretHash: 'hash',
        keys: { kind: 'jwks', jwks: [{ kty: 'EC', kid: 'a', crv: 'P-256', x: 'x', y: 'y' }] },
        clientUri: 'https://c.example/',
        scope: 'a b',
      })
      const sparse = aClient({})
      await data.store.createClient(full)
      await data.store.createClient(sparse)
      await data.reopen()
      expect(await data.store.findClient(full.clientId)).toStrictEqual(full)
      expect(await data.store.findClient(sparse.clientId)).toStrictEqual(sparse)
      expect(await data.store.findClient('unknown')).toBeUndefined()
    })

    it('never replaces a client by another one of the same id', async () => {
      const first = aClient({ clientName: 'first' })
      await data.store.createClient(first)
      await expect(data.store.createClient({ ...first, clientName: 'second' })).rejects.toThrow(StoreUnavailable)
      expect(await data.store.findClient(first.clientId)).toStrictEqual(first)
    })

    it('takes any id as text and nothing else (B022)', async () => {
      for (const clientId of STRANGE)
        await data.store.createClient(aClient({ clientId, clientName: `name of ${clientId}` }))
      for (const clientId of STRANGE)
        expect((await data.store.findClient(clientId))?.clientName).toBe(`name of ${clientId}`)
      expect(await data.store.findClient('toString')).toBeUndefined()
      expect(({} as Record<string, unknown>).clientName).toBeUndefined()
    })

    it('replaces what is stored of a client, whole, and nothing of one that is not there (RFC 7592 §2.2)', async () => {
      const before = aClient({ clientName: 'before', clientUri: 'https://c.example/' })
      await data.store.createClient(before)
      const after = aClient({ clientId: before.clientId, scope: 'mcp' })
      expect(await data.store.updateClient(after)).toBe(true)
      expect(await data.store.findClient(before.clientId)).toStrictEqual(after)
      expect(await data.store.updateClient(aClient({ clientId: 'nobody' }))).toBe(false)
      expect(await data.store.findClient('nobody')).toBeUndefined()
    })

    it('puts a client in place of an older copy of itself, never of a younger one (R-40)', async () => {
      const clientId = 'https://app.example/client'
      const copy = (createdAt: number, about: Partial<Client> = {}) =>
        aClient({ clientId, origin: 'metadata-document', createdAt, ...about })
      const keys = { kind: 'jwks_uri', url: 'https://app.example/keys' } as const
      await data.store.putClient(copy(2, { scope: 'mcp', keys }))
      expect(await data.store.findClient(clientId)).toStrictEqual(copy(2, { scope: 'mcp', keys }))
      await data.store.putClient(copy(3))
      expect(await data.store.findClient(clientId)).toStrictEqual(copy(3))
      await data.store.putClient(copy(2, { scope: 'mcp' }))
      await data.reopen()
      expect(await data.store.findClient(clientId)).toStrictEqual(copy(3))
    })

    it('removes a client together with all its grants, and nobody else’s (RFC 7592 §2.3)', async () => {
      const changes: Change[] = []
      data.store.subscribe((change) => changes.push(change))
      const client = aClient({})
      await data.store.createClient(client)
      const own = await data.activeGrant({ clientId: client.clientId })
      const other = await data.activeGrant()
      expect(await data.store.deleteClient(client.clientId)).toEqual([
        {
          grant: expect.objectContaining({ id: own.grant.id }),
          credentials: [{ ...own.credential, purpose: 'server' }],
        },
      ])
      expect(await data.store.deleteClient(client.clientId)).toBeUndefined()
      expect(await data.store.findClient(client.clientId)).toBeUndefined()
      expect(await data.store.findAccess(own.access.hash)).toBeUndefined()
      expect(await data.store.findCredential(own.grant.id)).toBeUndefined()
      expect(await data.store.findAccess(other.access.hash)).toBeDefined()
      expect(changes).toEqual([{ kind: 'grant', grantId: own.grant.id }])
    })

    it('makes room for a new client by the oldest that never had a grant, and by no other (R-11, B031)', async () => {
      const granted = aClient({ createdAt: 1 })
      const oldest = aClient({ createdAt: 2 })
      const newer = aClient({ createdAt: 3 })
      for (const client of [granted, oldest, newer]) await data.store.createClient(client, 3)
      await data.activeGrant({ clientId: granted.clientId })
      const honest = aClient({ createdAt: 4 })
      await data.store.createClient(honest, 3)
      expect(await data.store.findClient(oldest.clientId)).toBeUndefined()
      for (const client of [granted, newer, honest]) expect(await data.store.findClient(client.clientId)).toBeDefined()
    })

    it('keeps a client that was in use until lately, though it is old and its last grant has ended (R-11)', async () => {
      const [used, idle] = [aClient({ createdAt: 1 }), aClient({ createdAt: 1 })]
      for (const client of [used, idle]) await data.store.createClient(client)
      const { grant } = await data.activeGrant({ clientId: used.clientId, createdAt: 50 })
      await data.store.revokeGrant(grant.id)
      await data.store.deleteExpired(60, 100, { clients: 40 })
      expect(await data.store.findClient(used.clientId)).toStrictEqual(used)
      expect(await data.store.findClient(idle.clientId)).toBeUndefined()
      await data.store.deleteExpired(60, 100, { clients: 51 })
      expect(await data.store.findClient(used.clientId)).toBeUndefined()
    })

    it('collects clients that are old and have no grant, when asked to (R-11, B034)', async () => {
      const unused = aClient({ createdAt: 1 })
      const used = aClient({ createdAt: 1 })
      const young = aClient({ createdAt: 10 })
      for (const client of [unused, used, young]) await data.store.createClient(client)
      await data.activeGrant({ clientId: used.clientId })
      await data.store.deleteExpired(0, 100, { clients: 5 })
      expect(await data.store.findClient(unused.clientId)).toBeUndefined()
      for (const client of [used, young]) expect(await data.store.findClient(client.clientId)).toBeDefined()
    })
  })

  describe('what has ended by itself and may hold tokens', () => {
    it('is handed over once: what users had taken up, codes that nobody came for, grants past their end (V-03)', async () => {
      const interaction = { id: 'taken up', version: 2, sealed: 'with tokens', expiresAt: NOW }
      await data.store.openInteraction(interaction)
      await data.store.openInteraction({ ...interaction, id: 'only looked at', version: 1 })
      await data.store.openInteraction({ ...interaction, id: 'under way', expiresAt: NOW + 1 })
      const abandoned = await data.pendingGrant({}, { expiresAt: NOW })
      await data.pendingGrant({}, { expiresAt: NOW + 1 })
      const over = await data.activeGrant({ expiresAt: NOW + 2 })
      const held = ({ grant, credential }: typeof abandoned) => ({
        grant: expect.objectContaining({ id: grant.id }),
        credentials: [{ ...credential, purpose: 'server' }],
      })
      expect(await data.store.takeEnded(NOW, 10)).toEqual({ interactions: [interaction], grants: [held(abandoned)] })
      expect(await data.store.takeEnded(NOW, 10)).toEqual({ interactions: [], grants: [] })
      expect((await data.store.takeEnded(NOW + 2, 10)).grants).toContainEqual(held(over))
      expect(await data.store.findAccess(over.access.hash)).toBeUndefined()
    })

    it('comes in parts where there is much', async () => {
      for (let index = 0; index < 3; index += 1) await data.pendingGrant({}, { expiresAt: NOW })
      const sizes: number[] = []
      for (let part = 0; part < 3; part += 1) sizes.push((await data.store.takeEnded(NOW, 2)).grants.length)
      expect(sizes).toEqual([2, 1, 0])
    })

    it('is never deleted before it was handed over, however much ends at once (V-03)', async () => {
      const ids: string[] = []
      for (let index = 0; index < 3; index += 1) {
        ids.push((await data.pendingGrant({}, { expiresAt: NOW })).grant.id)
        ids.push((await data.activeGrant({ expiresAt: NOW + 1 })).grant.id)
        await data.store.openInteraction({ id: `taken up ${index}`, version: 2, sealed: 's', expiresAt: NOW })
        ids.push(`taken up ${index}`)
      }
      const handedOver: string[] = []
      for (let part = 0; part < 4; part += 1) {
        const { interactions, grants } = await data.store.takeEnded(NOW + 1, 1)
        handedOver.push(...interactions.map(({ id }) => id), ...grants.map(({ grant }) => grant.id))
        await data.store.deleteExpired(NOW + 1, 1)
      }
      expect(handedOver.toSorted()).toEqual(ids.toSorted())
    })

    it('comes although many others have been ended before their time, and wait for their collection', async () => {
      for (let index = 0; index < 3; index += 1)
        await data.store.revokeGrant((await data.activeGrant({ expiresAt: NOW + 1 })).grant.id)
      const over = await data.activeGrant({ expiresAt: NOW + 2 })
      const { grants } = await data.store.takeEnded(NOW + 2, 1)
      expect(grants.map(({ grant }) => grant.id)).toEqual([over.grant.id])
    })
  })

  describe('interactions', () => {
    const row = { id: 'interaction', version: 1, sealed: 'sealed one', expiresAt: NOW + MINUTE }

    it('keeps an interaction over a restart until it expires (A-15)', async () => {
      await data.store.openInteraction(row)
      await data.reopen()
      expect(await data.store.findInteraction(row.id, row.expiresAt - 1)).toStrictEqual(row)
      expect(await data.store.findInteraction(row.id, row.expiresAt)).toBeUndefined()
      expect(await data.store.findInteraction('unknown', NOW)).toBeUndefined()
    })

    it('moves an interaction on for one caller only and refuses the version before', async () => {
      await data.store.openInteraction(row)
      const outcomes = await parallel((caller) => data.store.advanceInteraction(row.id, 1, `sealed by ${caller}`, NOW))
      expect(tally(outcomes)).toEqual({ won: 1, gone: CALLERS - 1 })
      const moved = await data.store.findInteraction(row.id, NOW)
      expect(moved).toStrictEqual({ ...row, version: 2, sealed: `sealed by ${outcomes.indexOf('won')}` })
      expect(await data.store.advanceInteraction(row.id, 2, 'sealed three', NOW)).toBe('won')
    })

    it('lets exactly one of many callers take an interaction (U-01: single use)', async () => {
      await data.store.openInteraction(row)
      expect(tally(await parallel(() => data.store.takeInteraction(row.id, 1, NOW)))).toEqual({
        true: 1,
        false: CALLERS - 1,
      })
      expect(await data.store.findInteraction(row.id, NOW)).toBeUndefined()
      expect(await data.store.advanceInteraction(row.id, 1, 'late', NOW)).toBe('gone')
    })

    it('refuses to take or to move an interaction that is expired or has moved', async () => {
      await data.store.openInteraction(row)
      expect(await data.store.takeInteraction(row.id, 2, NOW)).toBe(false)
      expect(await data.store.takeInteraction(row.id, 1, row.expiresAt)).toBe(false)
      expect(await data.store.advanceInteraction(row.id, 1, 'late', row.expiresAt)).toBe('gone')
      expect(await data.store.takeInteraction(row.id, 1, row.expiresAt - 1)).toBe(true)
    })
  })

  describe('a crowd of interactions', () => {
    it('makes room by the oldest that nobody advanced, so that users under way keep their place (X-17)', async () => {
      const row = (id: string, expiresAt: number) => ({ id, version: 1, sealed: 's', expiresAt })
      await data.store.openInteraction(row('advanced', NOW + 1), 2)
      await data.store.advanceInteraction('advanced', 1, 't', NOW)
      await data.store.openInteraction(row('oldest', NOW + 2), 2)
      await data.store.openInteraction(row('newer', NOW + 3), 2)
      await data.store.openInteraction(row('newest', NOW + 4), 2)
      expect(await data.store.findInteraction('oldest', NOW)).toBeUndefined()
      for (const id of ['advanced', 'newer', 'newest']) expect(await data.store.findInteraction(id, NOW)).toBeDefined()
    })

    it('bounds those that were advanced as well, and they push out nobody who is still being asked (X-17)', async () => {
      const row = (id: string, expiresAt: number) => ({ id, version: 2, sealed: 's', expiresAt })
      await data.store.openInteraction({ ...row('asked', NOW + 1), version: 1 }, 2)
      for (const [turn, id] of ['first', 'second', 'third', 'fourth'].entries())
        await data.store.openInteraction(row(id, NOW + 2 + turn), 2)
      for (const id of ['first', 'second']) expect(await data.store.findInteraction(id, NOW)).toBeUndefined()
      for (const id of ['asked', 'third', 'fourth']) expect(await data.store.findInteraction(id, NOW)).toBeDefined()
    })
  })
}
