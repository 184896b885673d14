import { describe, expect, it } from 'vitest'
import type { StoreData } from './store-data.ts'
import { aCode, aCredential, aGrant, anAccess, CALLERS, DAY, MINUTE, NOW, parallel, tally } from './store-rows.ts'

/** Credentials and remembered values of the store port. */
export function describeCredentials(data: StoreData): void {
  describe('credentials', () => {
    it('gives the right to refresh to one of many callers and hands it on when the lease runs out (U-07, C13)', async () => {
      const { credential } = await data.activeGrant()
      const claim = async (now: number) => (await data.store.claimRefresh(credential.id, 1, now, now + MINUTE)).outcome
      expect(tally(await parallel(() => claim(NOW)))).toEqual({ won: 1, lost: CALLERS - 1 })
      expect(await claim(NOW + MINUTE - 1)).toBe('lost')
      expect(tally(await parallel(() => claim(NOW + MINUTE)))).toEqual({ won: 1, lost: CALLERS - 1 })
    })

    it('notes durably since when a refresh token is presented, until the outcome is stored or it is known to be unspent (C01, C13)', async () => {
      const { grant, credential } = await data.activeGrant()
      const claim = (now: number, version = 1) => data.store.claimRefresh(credential.id, version, now, now + MINUTE)
      const interrupted = [{ grantId: grant.id, purpose: 'server', presentedAt: NOW }]
      expect(await data.store.findInterrupted(10, NOW)).toEqual([])
      expect(await claim(NOW)).toEqual({ outcome: 'won' })
      await data.reopen()
      expect(await data.store.findInterrupted(10, NOW)).toEqual(interrupted)
      expect(await claim(NOW + MINUTE)).toEqual({ outcome: 'won', presentedAt: NOW })
      await data.store.releaseRefresh(credential.id, 1, 'doubtful')
      expect(await claim(NOW + MINUTE)).toEqual({ outcome: 'won', presentedAt: NOW })
      await data.store.releaseRefresh(credential.id, 1, 'unspent')
      expect(await data.store.findInterrupted(10, NOW)).toEqual([])
      expect(await claim(NOW + MINUTE)).toEqual({ outcome: 'won' })
      await data.store.replaceCredential(credential.id, 1, 'second', undefined)
      expect(await data.store.findInterrupted(10, NOW)).toEqual([])
      expect(await claim(NOW, 2)).toEqual({ outcome: 'won' })
      expect(await data.store.findInterrupted(0, NOW)).toEqual([])
      await data.store.killCredential(credential.id, 2)
      expect(await data.store.findInterrupted(10, NOW)).toEqual([])
    })

    it('notes since when another answers for the provider, until the outcome is stored, and that nothing is in doubt (C17)', async () => {
      const { grant, credential } = await data.activeGrant()
      const claim = (now: number) => data.store.claimRefresh(credential.id, 1, now, now + MINUTE)
      for (const now of [NOW, NOW + 5]) {
        await claim(now)
        await data.store.releaseRefresh(credential.id, 1, 'relayed')
      }
      await data.reopen()
      const interrupted = [{ grantId: grant.id, purpose: 'server', presentedAt: NOW }]
      expect(await data.store.findInterrupted(10, NOW)).toEqual(interrupted)
      expect(await data.store.findInterrupted(10, NOW + 1)).toEqual([])
      expect(await claim(NOW + 10)).toEqual({ outcome: 'won', relayedAt: NOW })
      expect(await data.store.findInterrupted(10, NOW)).toEqual([{ ...interrupted[0], presentedAt: NOW + 10 }])
      await data.store.releaseRefresh(credential.id, 1, 'unspent')
      expect(await data.store.findInterrupted(10, NOW)).toEqual(interrupted)
      await data.store.replaceCredential(credential.id, 1, 'second', undefined)
      expect(await data.store.findInterrupted(10, NOW)).toEqual([])
      expect(await data.store.claimRefresh(credential.id, 2, NOW, NOW + MINUTE)).toEqual({ outcome: 'won' })
    })

    it('keeps the tokens of a sign-in beside those for the server, and ends both with their grant (DESIGN 2.1)', async () => {
      const grant = aGrant()
      const [credential, signIn] = [aCredential(grant), aCredential(grant)]
      await data.store.createGrant(grant, aCode(grant), credential, signIn)
      expect(await data.store.findCredential(grant.id)).toStrictEqual(credential)
      expect(await data.store.findCredential(grant.id, 'sign-in')).toStrictEqual(signIn)
      await data.store.claimRefresh(signIn.id, 1, NOW, NOW + MINUTE)
      expect(await data.store.findInterrupted(10, NOW)).toEqual([
        { grantId: grant.id, purpose: 'sign-in', presentedAt: NOW },
      ])
      await data.store.revokeGrant(grant.id)
      for (const purpose of ['server', 'sign-in'] as const)
        expect(await data.store.findCredential(grant.id, purpose)).toBeUndefined()
    })

    it('never takes the tokens of a sign-in for those of the server', async () => {
      const grant = aGrant()
      const [code, access] = [aCode(grant), anAccess(grant)]
      await data.store.createGrant(grant, code, undefined, aCredential(grant))
      await data.store.redeemCode(code.hash, access, NOW)
      expect(await data.store.findCredential(grant.id)).toBeUndefined()
      expect(await data.store.findAccess(access.hash)).not.toHaveProperty('credential')
    })

    it('collects a shared credential that nobody has used for long, and no other (U-10)', async () => {
      const [abandoned, named, young] = ['abandoned', 'named', 'young']
      for (const id of [abandoned, named]) await data.store.putCredential(id, 'sealed', undefined, NOW)
      await data.store.putCredential(young, 'sealed', undefined, NOW + DAY)
      const user = await data.activeGrant({ sharedCredentialId: named })
      await data.store.advanceGeneration(user.grant.id, 1, anAccess(user.grant), NOW + DAY, 0)
      await data.collectAll(NOW)
      expect(await data.store.findCredentialById(abandoned)).toBeDefined()
      const collect = (since: number) => data.store.deleteExpired(NOW, 100, { sharedCredentials: since })
      await collect(NOW + DAY)
      expect(await data.store.findCredentialById(abandoned)).toBeUndefined()
      // Its last use counts, although the grant has ended since.
      await data.store.revokeGrant(user.grant.id)
      await collect(NOW + DAY)
      for (const id of [named, young]) expect(await data.store.findCredentialById(id)).toBeDefined()
      expect(await data.store.findCredential(user.grant.id)).toBeUndefined()
      await collect(NOW + DAY + 1)
      for (const id of [named, young]) expect(await data.store.findCredentialById(id)).toBeUndefined()
    })

    it('shares one credential among all grants that name it, and replaces it for all of them (DESIGN 2.1)', async () => {
      const id = 'shared'
      await data.store.putCredential(id, 'first', undefined, NOW)
      const one = await data.activeGrant({ sharedCredentialId: id })
      const two = await data.activeGrant({ sharedCredentialId: id })
      const first = { id, version: 1, sealed: 'first', state: 'live' }
      for (const { access } of [one, two]) expect((await data.store.findAccess(access.hash))?.credential).toEqual(first)
      expect(await data.store.findGrant(one.grant.id)).toMatchObject({ sharedCredentialId: id })

      await data.store.revokeGrant(one.grant.id)
      expect((await data.store.findAccess(two.access.hash))?.credential).toEqual(first)
      await data.store.killCredential(id, 1)
      expect((await data.store.findAccess(two.access.hash))?.credential?.state).toBe('dead')
      await data.store.putCredential(id, 'second', NOW + DAY, NOW)
      const second = { id, version: 2, sealed: 'second', expiresAt: NOW + DAY, state: 'live' }
      expect((await data.store.findAccess(two.access.hash))?.credential).toEqual(second)
      expect(await data.store.findCredentialById(id)).toEqual(second)
      expect(await data.store.findCredentialById('unknown')).toBeUndefined()
    })

    it('never replaces a credential that belongs to one grant from outside (B194)', async () => {
      const { grant, credential } = await data.activeGrant()
      await data.store.putCredential(credential.id, 'planted', undefined, NOW)
      expect(await data.store.findCredential(grant.id)).toStrictEqual(credential)
    })

    it('refuses a lease on a version that is not current, on a dead or on an unknown credential', async () => {
      const { credential } = await data.activeGrant()
      expect(await data.store.claimRefresh(credential.id, 2, NOW, NOW + MINUTE)).toEqual({ outcome: 'lost' })
      expect(await data.store.claimRefresh('unknown', 1, NOW, NOW + MINUTE)).toEqual({ outcome: 'lost' })
      await data.store.killCredential(credential.id, 1)
      expect(await data.store.claimRefresh(credential.id, 1, NOW, NOW + MINUTE)).toEqual({ outcome: 'lost' })
    })

    it('stores a refreshed credential, ends the lease and fences out whoever comes late (C13, I4)', async () => {
      const { grant, access, credential } = await data.activeGrant()
      await data.store.claimRefresh(credential.id, 1, NOW, NOW + MINUTE)
      await data.store.claimRefresh(credential.id, 1, NOW + MINUTE, NOW + 2 * MINUTE)
      expect(await data.store.replaceCredential(credential.id, 1, 'second', NOW + DAY)).toBe('won')
      expect(await data.store.replaceCredential(credential.id, 1, 'late', NOW + DAY)).toBe('lost')
      expect(await data.store.killCredential(credential.id, 1)).toBe('lost')
      await data.reopen()
      const second = { ...credential, version: 2, sealed: 'second', expiresAt: NOW + DAY }
      expect(await data.store.findCredential(grant.id)).toStrictEqual(second)
      expect((await data.store.findAccess(access.hash))?.credential).toStrictEqual(second)
      expect((await data.store.claimRefresh(credential.id, 2, NOW, NOW + MINUTE)).outcome).toBe('won')
    })

    it('forgets the end of a credential whose provider no longer names one', async () => {
      const { grant, credential } = await data.activeGrant()
      await data.store.replaceCredential(credential.id, 1, 'second', undefined)
      const { expiresAt: _, ...endless } = credential
      expect(await data.store.findCredential(grant.id)).toStrictEqual({ ...endless, version: 2, sealed: 'second' })
    })

    it('lets one of many callers replace a credential', async () => {
      const { credential } = await data.activeGrant()
      const outcomes = await parallel((caller) =>
        data.store.replaceCredential(credential.id, 1, `by ${caller}`, undefined),
      )
      expect(tally(outcomes)).toEqual({ won: 1, lost: CALLERS - 1 })
    })

    it('frees a lease that ended without a result, but not one on a newer version', async () => {
      const { credential } = await data.activeGrant()
      await data.store.claimRefresh(credential.id, 1, NOW, NOW + MINUTE)
      await data.store.releaseRefresh(credential.id, 1, 'unspent')
      expect((await data.store.claimRefresh(credential.id, 1, NOW, NOW + MINUTE)).outcome).toBe('won')
      await data.store.replaceCredential(credential.id, 1, 'second', undefined)
      await data.store.claimRefresh(credential.id, 2, NOW, NOW + MINUTE)
      await data.store.releaseRefresh(credential.id, 1, 'unspent')
      expect(await data.store.claimRefresh(credential.id, 2, NOW, NOW + MINUTE)).toEqual({ outcome: 'lost' })
    })

    it('leaves a tombstone that is found as dead and never comes back to life (I4)', async () => {
      const { grant, access, credential } = await data.activeGrant()
      expect(await data.store.killCredential(credential.id, 1)).toBe('won')
      expect(await data.store.killCredential(credential.id, 1)).toBe('lost')
      expect(await data.store.replaceCredential(credential.id, 1, 'late', undefined)).toBe('lost')
      await data.reopen()
      expect((await data.store.findAccess(access.hash))?.credential?.state).toBe('dead')
      expect((await data.store.findCredential(grant.id))?.state).toBe('dead')
    })
  })

  it('remembers the first value under a name, for all callers and over a restart', async () => {
    const values = await parallel((caller) => data.store.rememberOnce('key-check', `value ${caller}`))
    expect(new Set(values).size).toBe(1)
    await data.reopen()
    expect(await data.store.rememberOnce('key-check', 'another')).toBe(values[0])
    expect(await data.store.rememberOnce('__proto__', 'mine')).toBe('mine')
  })
}
