import { describe, expect, it } from 'vitest'
import { StoreUnavailable } from '../../src/storage/store.ts'
import type { StoreData } from './store-data.ts'
import { aCode, aCredential, aGrant, anAccess, CALLERS, GRACE, NOW, parallel, STRANGE, tally } from './store-rows.ts'

/** Grants, codes and access tokens of the store port. */
export function describeGrants(data: StoreData): void {
  describe('grants and codes', () => {
    it('stores grant, code and credential together and finds each, also after a restart', async () => {
      const { grant, code, credential } = await data.pendingGrant()
      await data.reopen()
      expect(await data.store.findGrant(grant.id)).toStrictEqual(grant)
      expect(await data.store.findCode(code.hash)).toStrictEqual(code)
      expect(await data.store.findCredential(grant.id)).toStrictEqual(credential)
    })

    it('stores nothing at all when a part of a grant cannot be stored', async () => {
      const first = await data.pendingGrant()
      const grant = aGrant()
      const credential = { ...aCredential(grant), id: first.credential.id }
      await expect(data.store.createGrant(grant, aCode(grant), credential)).rejects.toThrow(StoreUnavailable)
      const foreignCode = { ...aCode(grant), grantId: first.grant.id }
      await expect(data.store.createGrant(grant, foreignCode)).rejects.toThrow(StoreUnavailable)
      const foreignCredential = { ...aCredential(grant), grantId: first.grant.id }
      await expect(data.store.createGrant(grant, aCode(grant), foreignCredential)).rejects.toThrow(StoreUnavailable)
      expect(await data.store.findGrant(grant.id)).toBeUndefined()
      await data.store.createGrant(grant, aCode(grant))
      expect(await data.store.findGrant(grant.id)).toStrictEqual(grant)
      expect(await data.store.findCredential(grant.id)).toBeUndefined()
    })

    it('activates a grant with its first access token when the code is redeemed (RFC 6749 §4.1.3)', async () => {
      const { grant, code, credential } = await data.pendingGrant()
      const access = anAccess(grant)
      expect(await data.store.redeemCode(code.hash, access, NOW + 5)).toEqual({ outcome: 'redeemed' })
      await data.reopen()
      const active = { ...grant, status: 'active', generation: 1, rotatedAt: NOW + 5 }
      expect(await data.store.findAccess(access.hash)).toStrictEqual({ access, grant: active, credential })
      expect(await data.store.findCode(code.hash)).toStrictEqual({ ...code, redeemedAt: NOW + 5 })
    })

    it('lets exactly one of 50 parallel callers redeem a code and stores only its token (B146)', async () => {
      const { grant, code } = await data.pendingGrant()
      const tokens = Array.from({ length: CALLERS }, () => anAccess(grant))
      const results = await Promise.all(tokens.map((token) => data.store.redeemCode(code.hash, token, NOW)))
      expect(tally(results.map((result) => result.outcome))).toEqual({ redeemed: 1, replayed: CALLERS - 1 })
      for (const [caller, token] of tokens.entries())
        expect((await data.store.findAccess(token.hash)) !== undefined).toBe(results[caller]?.outcome === 'redeemed')
    })

    it('says of a replayed code when it was used, as long as the code is remembered (RFC 6749 §4.1.2, B145)', async () => {
      const { grant, code } = await data.activeGrant()
      const replay = await data.store.redeemCode(code.hash, anAccess(grant), NOW + 30_000)
      expect(replay).toEqual({ outcome: 'replayed', redeemedAt: NOW })
      const afterItsEnd = await data.store.redeemCode(code.hash, anAccess(grant), code.expiresAt + 1)
      expect(afterItsEnd).toEqual({ outcome: 'replayed', redeemedAt: NOW })
      await data.store.deleteExpired(code.expiresAt, 100)
      expect(await data.store.redeemCode(code.hash, anAccess(grant), NOW)).toEqual({ outcome: 'unknown' })
    })

    it('refuses a code that is unknown, expired or revoked, or whose grant has ended (A-15)', async () => {
      const unknown = { outcome: 'unknown' }
      const { grant, code } = await data.pendingGrant()
      expect(await data.store.redeemCode('unknown', anAccess(grant), NOW)).toEqual(unknown)
      expect(await data.store.redeemCode(code.hash, anAccess(grant), code.expiresAt)).toEqual(unknown)
      const short = await data.pendingGrant({ expiresAt: NOW + 10 })
      expect(await data.store.redeemCode(short.code.hash, anAccess(short.grant), NOW + 10)).toEqual(unknown)
      const revoked = await data.pendingGrant()
      await data.store.revokeGrant(revoked.grant.id)
      expect(await data.store.redeemCode(revoked.code.hash, anAccess(revoked.grant), NOW)).toEqual(unknown)
      const inTime = await data.store.redeemCode(code.hash, anAccess(grant), code.expiresAt - 1)
      expect(inTime).toEqual({ outcome: 'redeemed' })
    })

    it('never stores a token under a grant that is not the one of the code', async () => {
      const mine = await data.pendingGrant()
      const other = await data.activeGrant()
      const stray = anAccess(other.grant)
      await expect(data.store.redeemCode(mine.code.hash, stray, NOW)).rejects.toThrow(StoreUnavailable)
      await expect(data.store.advanceGeneration(mine.grant.id, 1, stray, NOW, GRACE)).rejects.toThrow(StoreUnavailable)
      expect(await data.store.findAccess(stray.hash)).toBeUndefined()
      const redeemed = await data.store.redeemCode(mine.code.hash, anAccess(mine.grant), NOW)
      expect(redeemed).toEqual({ outcome: 'redeemed' })
    })

    it('takes any text in any place (B022)', async () => {
      for (const text of STRANGE) {
        const grant = { ...aGrant(), id: `${text}!`, clientId: text, scopes: [text], sealedIdentity: text }
        const code = { ...aCode(grant), hash: `${text}#`, redirectUri: text }
        const access = { ...anAccess(grant), hash: text, scopes: [text, '__proto__'] }
        await data.store.createGrant(grant, code, { ...aCredential(grant), sealed: text })
        await data.store.redeemCode(code.hash, access, NOW)
        const found = await data.store.findAccess(text)
        expect(found?.access).toStrictEqual(access)
        expect(found?.grant.clientId).toBe(text)
        expect(found?.credential?.sealed).toBe(text)
      }
    })
  })

  describe('access tokens', () => {
    it('finds a token that has expired, for the caller to judge, and none that was never stored', async () => {
      const { access } = await data.activeGrant()
      expect((await data.store.findAccess(access.hash))?.access.expiresAt).toBe(access.expiresAt)
      expect(await data.store.findAccess('unknown')).toBeUndefined()
    })

    it('finds a token whose grant has no credential', async () => {
      const grant = aGrant()
      const code = aCode(grant)
      const access = anAccess(grant)
      await data.store.createGrant(grant, code)
      await data.store.redeemCode(code.hash, access, NOW)
      const found = await data.store.findAccess(access.hash)
      expect(found?.grant.id).toBe(grant.id)
      expect(found).not.toHaveProperty('credential')
    })

    it('revokes one access token for good and no other (RFC 7009 §2.1, B154)', async () => {
      const { grant, access } = await data.activeGrant()
      const other = anAccess(grant)
      await data.store.advanceGeneration(grant.id, 1, other, NOW, GRACE)
      await data.store.revokeAccess(access.hash)
      await data.store.revokeAccess(access.hash)
      await data.reopen()
      expect(await data.store.findAccess(access.hash)).toBeUndefined()
      expect((await data.store.findAccess(other.hash))?.grant.status).toBe('active')
    })
  })

  it('replaces what is known of a user for one of many callers who read the same, and never for an ended grant (U-11)', async () => {
    const { grant, access } = await data.activeGrant()
    const outcomes = await parallel((caller) =>
      data.store.replaceIdentity(grant.id, grant.sealedIdentity, `by ${caller}`),
    )
    expect(tally(outcomes)).toEqual({ won: 1, lost: CALLERS - 1 })
    const now = `by ${outcomes.indexOf('won')}`
    expect((await data.store.findAccess(access.hash))?.grant.sealedIdentity).toBe(now)
    await data.store.revokeGrant(grant.id)
    expect(await data.store.replaceIdentity(grant.id, now, 'late')).toBe('lost')
    expect(await data.store.replaceIdentity('unknown', now, 'x')).toBe('lost')
  })

  describe('revoking a grant', () => {
    it('ends its tokens, code and credential for good, and touches no other grant (B154, B166)', async () => {
      const { grant, code, access } = await data.activeGrant()
      const sibling = await data.activeGrant({ clientId: grant.clientId })
      expect(await data.store.revokeGrant(grant.id)).toMatchObject({ grant: { id: grant.id } })
      await data.reopen()
      const found = await data.store.findAccess(access.hash)
      expect(found === undefined || found.grant.status === 'revoked').toBe(true)
      expect(await data.store.findCredential(grant.id)).toBeUndefined()
      expect(await data.store.findGrant(grant.id)).toMatchObject({ status: 'revoked' })
      expect(await data.store.redeemCode(code.hash, anAccess(grant), NOW)).toEqual({ outcome: 'unknown' })
      expect((await data.store.findAccess(sibling.access.hash))?.grant.status).toBe('active')
      expect(await data.store.findCredential(sibling.grant.id)).toStrictEqual(sibling.credential)
    })

    it('returns what the grant held at that moment, refreshed or dead, so that it can be given back (V-03)', async () => {
      const grant = aGrant()
      const [credential, signIn] = [aCredential(grant), aCredential(grant)]
      await data.store.createGrant(grant, aCode(grant), credential, signIn)
      await data.store.replaceCredential(credential.id, 1, 'refreshed', 5)
      await data.store.killCredential(signIn.id, 1)
      const ended = await data.store.revokeGrant(grant.id)
      expect(ended?.grant).toMatchObject({ id: grant.id, clientId: grant.clientId })
      expect(ended?.credentials).toEqual([
        expect.objectContaining({ purpose: 'server', sealed: 'refreshed', version: 2, state: 'live' }),
        expect.objectContaining({ purpose: 'sign-in', sealed: '', state: 'dead' }),
      ])
    })

    it('is done by exactly one of many callers, and false for an unknown grant', async () => {
      const { grant } = await data.activeGrant()
      const ended = await parallel(async () => (await data.store.revokeGrant(grant.id)) !== undefined)
      expect(tally(ended)).toEqual({ true: 1, false: CALLERS - 1 })
      expect(await data.store.revokeGrant('unknown')).toBeUndefined()
    })

    it('leaves no live token, whatever order a race with rotations takes', async () => {
      const { grant } = await data.activeGrant()
      const tokens = Array.from({ length: CALLERS }, () => anAccess(grant))
      await Promise.all(
        tokens.map((token, caller) =>
          caller === CALLERS / 2
            ? data.store.revokeGrant(grant.id)
            : data.store.advanceGeneration(grant.id, 1, token, NOW, GRACE),
        ),
      )
      for (const token of tokens) {
        const found = await data.store.findAccess(token.hash)
        expect(found === undefined || found.grant.status === 'revoked').toBe(true)
      }
    })
  })
}
