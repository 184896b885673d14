import { describe, expect, it } from 'vitest'
import type { Grant } from '../../src/domain/grant.ts'
import type { Change } from '../../src/storage/records.ts'
import { StoreUnavailable } from '../../src/storage/store.ts'
import type { StoreData } from './store-data.ts'
import { aClient, anAccess, DAY, MINUTE, NOW } from './store-rows.ts'

/** Collection, subscribers, ping and close of the store port. */
export function describeChanges(data: StoreData): void {
  describe('collecting what has ended', () => {
    it('deletes everything that has ended and nothing that lives (C58)', async () => {
      const live = await data.activeGrant()
      const waiting = await data.pendingGrant()
      const abandoned = await data.pendingGrant({}, { expiresAt: NOW })
      const ended = await data.activeGrant({ expiresAt: NOW + 1 })
      const revoked = await data.activeGrant()
      await data.store.revokeGrant(revoked.grant.id)
      await data.store.openInteraction({ id: 'old', version: 1, sealed: 's', expiresAt: NOW })
      await data.store.openInteraction({ id: 'new', version: 1, sealed: 's', expiresAt: NOW + DAY })
      const client = aClient({ createdAt: 0 })
      await data.store.createClient(client)

      await data.collectAll(NOW + 1)
      expect(await data.store.findGrant(abandoned.grant.id)).toBeUndefined()
      expect(await data.store.findCode(abandoned.code.hash)).toBeUndefined()
      expect(await data.store.findCredential(abandoned.grant.id)).toBeUndefined()
      expect(await data.store.findGrant(ended.grant.id)).toBeUndefined()
      expect(await data.store.findAccess(ended.access.hash)).toBeUndefined()
      expect(await data.store.findCredential(ended.grant.id)).toBeUndefined()
      expect(await data.store.findGrant(revoked.grant.id)).toBeUndefined()
      expect(await data.store.findInteraction('old', 0)).toBeUndefined()
      expect(await data.store.findInteraction('new', NOW)).toBeDefined()
      expect(await data.store.findClient(client.clientId)).toStrictEqual(client)
      expect((await data.store.findAccess(live.access.hash))?.credential).toStrictEqual(live.credential)
      expect(await data.store.redeemCode(waiting.code.hash, anAccess(waiting.grant), NOW)).toEqual({
        outcome: 'redeemed',
      })

      await data.collectAll(NOW + DAY)
      expect(await data.store.findAccess(live.access.hash)).toBeUndefined()
      expect(await data.store.findCode(live.code.hash)).toBeUndefined()
      expect(await data.store.findGrant(live.grant.id)).toMatchObject({ status: 'active' })
      expect(await data.store.findCredential(live.grant.id)).toStrictEqual(live.credential)
    })

    it('works in bounded steps and gets everything in the end (B275)', async () => {
      const grants: Grant[] = []
      for (let count = 0; count < 7; count++) {
        await data.store.openInteraction({ id: `old ${count}`, version: 1, sealed: 's', expiresAt: NOW })
        grants.push((await data.activeGrant()).grant)
      }
      for (const { id } of grants) await data.store.revokeGrant(id)
      await data.store.deleteExpired(NOW + MINUTE, 2)
      const left = await Promise.all(grants.map((grant) => data.store.findGrant(grant.id)))
      expect(left.filter((grant) => grant !== undefined)).toHaveLength(5)
      await data.collectAll(NOW + MINUTE, 2)
      for (const grant of grants) expect(await data.store.findGrant(grant.id)).toBeUndefined()
      expect(await data.store.findInteraction('old 6', 0)).toBeUndefined()
    })
  })

  describe('subscribers', () => {
    it('hear of everything that became invalid, after it has happened, and of nothing else', async () => {
      const { grant, access, credential } = await data.activeGrant()
      const changes: Change[] = []
      const seen: unknown[] = []
      const stop = data.store.subscribe((change) => {
        changes.push(change)
        if (change.kind === 'access') seen.push(data.store.findAccess(change.hash))
      })
      await data.store.revokeAccess(access.hash)
      await data.store.replaceCredential(credential.id, 1, 'second', undefined)
      await data.store.replaceCredential(credential.id, 1, 'late', undefined)
      await data.store.killCredential(credential.id, 2)
      await data.store.replaceIdentity(grant.id, grant.sealedIdentity, 'another')
      await data.store.replaceIdentity(grant.id, grant.sealedIdentity, 'late')
      await data.store.revokeGrant(grant.id)
      await data.store.revokeGrant(grant.id)
      expect(changes).toEqual([
        { kind: 'access', hash: access.hash },
        { kind: 'credential', credentialId: credential.id },
        { kind: 'credential', credentialId: credential.id },
        { kind: 'identity', grantId: grant.id },
        { kind: 'grant', grantId: grant.id },
      ])
      expect(await Promise.all(seen)).toEqual([undefined])
      stop()
      await data.store.revokeGrant((await data.activeGrant()).grant.id)
      expect(changes).toHaveLength(5)
    })

    it('cannot break a verb or each other by throwing', async () => {
      const { grant } = await data.activeGrant()
      const heard: Change[] = []
      data.store.subscribe(() => {
        throw new Error('a broken listener')
      })
      data.store.subscribe((change) => heard.push(change))
      expect(await data.store.revokeGrant(grant.id)).toBeDefined()
      expect(heard).toEqual([{ kind: 'grant', grantId: grant.id }])
    })
  })

  it('answers a ping while it is open; once closed it rejects everything (B191)', async () => {
    const { access } = await data.activeGrant()
    await expect(data.store.ping()).resolves.toBeUndefined()
    await data.store.close()
    await expect(data.store.ping()).rejects.toThrow(StoreUnavailable)
    await expect(data.store.findAccess(access.hash)).rejects.toThrow(StoreUnavailable)
    await expect(data.store.revokeAccess(access.hash)).rejects.toThrow(StoreUnavailable)
    await expect(data.store.close()).resolves.toBeUndefined()
  })
}
