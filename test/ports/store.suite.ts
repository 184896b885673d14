import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Client } from '../../src/domain/client.ts'
import type { Grant } from '../../src/domain/grant.ts'
import { newId } from '../../src/domain/token.ts'
import {
  type AccessRow,
  type Change,
  type CodeRow,
  type CredentialRow,
  type Store,
  StoreUnavailable,
} from '../../src/storage/store.ts'

/** A store on data of its own. `reopen` closes it and opens the same data again; `dispose` closes and removes it. */
export interface OpenedStore {
  readonly store: Store
  reopen(): Promise<Store>
  dispose(): Promise<void>
}

const NOW = 1_800_000_000_000
const MINUTE = 60_000
const DAY = 86_400_000
const GRACE = MINUTE
const CALLERS = 50

/** Ids and texts that trip code which takes them for something else. */
const STRANGE = ['__proto__', 'constructor', 'ключ-鍵-🔑', "o'; DROP TABLE grants; --", '%', '', 'x'.repeat(20_000)]

/** What every implementation of the store has to do. */
export function describeStore(name: string, open: () => Promise<OpenedStore>): void {
  describe(`the store port on ${name}`, () => {
    let opened: OpenedStore
    let store: Store

    beforeEach(async () => {
      opened = await open()
      store = opened.store
    })
    afterEach(() => opened.dispose())

    describe('clients', () => {
      it('finds a registered client as it was stored, also after a restart (R-16, RFC 7591 §3.2.1)', async () => {
        const full = aClient({
          clientName: 'Ünïcode "client"',
          secretHash: 'hash',
          clientUri: 'https://c.example/',
          scope: 'a b',
        })
        const sparse = aClient({})
        await store.createClient(full)
        await store.createClient(sparse)
        store = await opened.reopen()
        expect(await store.findClient(full.clientId)).toStrictEqual(full)
        expect(await store.findClient(sparse.clientId)).toStrictEqual(sparse)
        expect(await store.findClient('unknown')).toBeUndefined()
      })

      it('never replaces a client by another one of the same id', async () => {
        const first = aClient({ clientName: 'first' })
        await store.createClient(first)
        await expect(store.createClient({ ...first, clientName: 'second' })).rejects.toThrow(StoreUnavailable)
        expect(await store.findClient(first.clientId)).toStrictEqual(first)
      })

      it('takes any id as text and nothing else (B022)', async () => {
        for (const clientId of STRANGE)
          await store.createClient(aClient({ clientId, clientName: `name of ${clientId}` }))
        for (const clientId of STRANGE)
          expect((await store.findClient(clientId))?.clientName).toBe(`name of ${clientId}`)
        expect(await store.findClient('toString')).toBeUndefined()
        expect(({} as Record<string, unknown>)['clientName']).toBeUndefined()
      })
    })

    describe('interactions', () => {
      const row = { id: 'interaction', version: 1, sealed: 'sealed one', expiresAt: NOW + MINUTE }

      it('keeps an interaction over a restart until it expires (A-15)', async () => {
        await store.openInteraction(row)
        store = await opened.reopen()
        expect(await store.findInteraction(row.id, row.expiresAt - 1)).toStrictEqual(row)
        expect(await store.findInteraction(row.id, row.expiresAt)).toBeUndefined()
        expect(await store.findInteraction('unknown', NOW)).toBeUndefined()
      })

      it('moves an interaction on for one caller only and refuses the version before', async () => {
        await store.openInteraction(row)
        const outcomes = await parallel((caller) => store.advanceInteraction(row.id, 1, `sealed by ${caller}`, NOW))
        expect(tally(outcomes)).toEqual({ won: 1, gone: CALLERS - 1 })
        const moved = await store.findInteraction(row.id, NOW)
        expect(moved).toStrictEqual({ ...row, version: 2, sealed: `sealed by ${outcomes.indexOf('won')}` })
        expect(await store.advanceInteraction(row.id, 2, 'sealed three', NOW)).toBe('won')
      })

      it('lets exactly one of many callers take an interaction (U-01: single use)', async () => {
        await store.openInteraction(row)
        expect(tally(await parallel(() => store.takeInteraction(row.id, 1, NOW)))).toEqual({
          true: 1,
          false: CALLERS - 1,
        })
        expect(await store.findInteraction(row.id, NOW)).toBeUndefined()
        expect(await store.advanceInteraction(row.id, 1, 'late', NOW)).toBe('gone')
      })

      it('refuses to take or to move an interaction that is expired or has moved', async () => {
        await store.openInteraction(row)
        expect(await store.takeInteraction(row.id, 2, NOW)).toBe(false)
        expect(await store.takeInteraction(row.id, 1, row.expiresAt)).toBe(false)
        expect(await store.advanceInteraction(row.id, 1, 'late', row.expiresAt)).toBe('gone')
        expect(await store.takeInteraction(row.id, 1, row.expiresAt - 1)).toBe(true)
      })
    })

    describe('grants and codes', () => {
      it('stores grant, code and credential together and finds each, also after a restart', async () => {
        const { grant, code, credential } = await pendingGrant()
        store = await opened.reopen()
        expect(await store.findGrant(grant.id)).toStrictEqual(grant)
        expect(await store.findCode(code.hash)).toStrictEqual(code)
        expect(await store.findCredential(grant.id)).toStrictEqual(credential)
      })

      it('stores nothing at all when a part of a grant cannot be stored', async () => {
        const first = await pendingGrant()
        const grant = aGrant()
        const credential = { ...aCredential(grant), id: first.credential.id }
        await expect(store.createGrant(grant, aCode(grant), credential)).rejects.toThrow(StoreUnavailable)
        const foreignCode = { ...aCode(grant), grantId: first.grant.id }
        await expect(store.createGrant(grant, foreignCode)).rejects.toThrow(StoreUnavailable)
        const foreignCredential = { ...aCredential(grant), grantId: first.grant.id }
        await expect(store.createGrant(grant, aCode(grant), foreignCredential)).rejects.toThrow(StoreUnavailable)
        expect(await store.findGrant(grant.id)).toBeUndefined()
        await store.createGrant(grant, aCode(grant))
        expect(await store.findGrant(grant.id)).toStrictEqual(grant)
        expect(await store.findCredential(grant.id)).toBeUndefined()
      })

      it('activates a grant with its first access token when the code is redeemed (RFC 6749 §4.1.3)', async () => {
        const { grant, code, credential } = await pendingGrant()
        const access = anAccess(grant)
        expect(await store.redeemCode(code.hash, access, NOW + 5)).toEqual({ outcome: 'redeemed' })
        store = await opened.reopen()
        const active = { ...grant, status: 'active', generation: 1, rotatedAt: NOW + 5 }
        expect(await store.findAccess(access.hash)).toStrictEqual({ access, grant: active, credential })
        expect(await store.findCode(code.hash)).toStrictEqual({ ...code, redeemedAt: NOW + 5 })
      })

      it('lets exactly one of 50 parallel callers redeem a code and stores only its token (B146)', async () => {
        const { grant, code } = await pendingGrant()
        const tokens = Array.from({ length: CALLERS }, () => anAccess(grant))
        const results = await Promise.all(tokens.map((token) => store.redeemCode(code.hash, token, NOW)))
        expect(tally(results.map((result) => result.outcome))).toEqual({ redeemed: 1, replayed: CALLERS - 1 })
        for (const [caller, token] of tokens.entries())
          expect((await store.findAccess(token.hash)) !== undefined).toBe(results[caller]?.outcome === 'redeemed')
      })

      it('says of a replayed code when it was used, as long as the code is remembered (RFC 6749 §4.1.2, B145)', async () => {
        const { grant, code } = await activeGrant()
        const replay = await store.redeemCode(code.hash, anAccess(grant), NOW + 30_000)
        expect(replay).toEqual({ outcome: 'replayed', redeemedAt: NOW })
        const afterItsEnd = await store.redeemCode(code.hash, anAccess(grant), code.expiresAt + 1)
        expect(afterItsEnd).toEqual({ outcome: 'replayed', redeemedAt: NOW })
        await store.deleteExpired(code.expiresAt, 100)
        expect(await store.redeemCode(code.hash, anAccess(grant), NOW)).toEqual({ outcome: 'unknown' })
      })

      it('refuses a code that is unknown, expired or revoked, or whose grant has ended (A-15)', async () => {
        const unknown = { outcome: 'unknown' }
        const { grant, code } = await pendingGrant()
        expect(await store.redeemCode('unknown', anAccess(grant), NOW)).toEqual(unknown)
        expect(await store.redeemCode(code.hash, anAccess(grant), code.expiresAt)).toEqual(unknown)
        const short = await pendingGrant({ expiresAt: NOW + 10 })
        expect(await store.redeemCode(short.code.hash, anAccess(short.grant), NOW + 10)).toEqual(unknown)
        const revoked = await pendingGrant()
        await store.revokeGrant(revoked.grant.id)
        expect(await store.redeemCode(revoked.code.hash, anAccess(revoked.grant), NOW)).toEqual(unknown)
        const inTime = await store.redeemCode(code.hash, anAccess(grant), code.expiresAt - 1)
        expect(inTime).toEqual({ outcome: 'redeemed' })
      })

      it('never stores a token under a grant that is not the one of the code', async () => {
        const mine = await pendingGrant()
        const other = await activeGrant()
        const stray = anAccess(other.grant)
        await expect(store.redeemCode(mine.code.hash, stray, NOW)).rejects.toThrow(StoreUnavailable)
        await expect(store.advanceGeneration(mine.grant.id, 1, stray, NOW, GRACE)).rejects.toThrow(StoreUnavailable)
        expect(await store.findAccess(stray.hash)).toBeUndefined()
        const redeemed = await store.redeemCode(mine.code.hash, anAccess(mine.grant), NOW)
        expect(redeemed).toEqual({ outcome: 'redeemed' })
      })

      it('takes any text in any place (B022)', async () => {
        for (const text of STRANGE) {
          const grant = { ...aGrant(), id: `${text}!`, clientId: text, scopes: [text], sealedIdentity: text }
          const code = { ...aCode(grant), hash: `${text}#`, redirectUri: text }
          const access = { ...anAccess(grant), hash: text, scopes: [text, '__proto__'] }
          await store.createGrant(grant, code, { ...aCredential(grant), sealed: text })
          await store.redeemCode(code.hash, access, NOW)
          const found = await store.findAccess(text)
          expect(found?.access).toStrictEqual(access)
          expect(found?.grant.clientId).toBe(text)
          expect(found?.credential?.sealed).toBe(text)
        }
      })
    })

    describe('refresh generations (RFC 9700 §4.14.2)', () => {
      it('rotates the current generation and keeps the tokens that are out', async () => {
        const { grant, access } = await activeGrant()
        const next = anAccess(grant)
        expect(await store.advanceGeneration(grant.id, 1, next, NOW + DAY, GRACE)).toBe('rotated')
        store = await opened.reopen()
        expect(await store.findGrant(grant.id)).toMatchObject({ generation: 2, rotatedAt: NOW + DAY, status: 'active' })
        expect((await store.findAccess(next.hash))?.access).toStrictEqual(next)
        expect((await store.findAccess(access.hash))?.access).toStrictEqual(access)
      })

      it('rotates once for 50 parallel callers and serves all of them (B163, B164)', async () => {
        const { grant } = await activeGrant()
        const tokens = Array.from({ length: CALLERS }, () => anAccess(grant))
        const outcomes = await Promise.all(
          tokens.map((token) => store.advanceGeneration(grant.id, 1, token, NOW, GRACE)),
        )
        expect(tally(outcomes)).toEqual({ rotated: 1, retried: CALLERS - 1 })
        expect(await store.findGrant(grant.id)).toMatchObject({ generation: 2, rotatedAt: NOW })
        for (const token of tokens) expect((await store.findAccess(token.hash))?.grant.id).toBe(grant.id)
      })

      it('retries the generation before within the grace period without extending it (B166)', async () => {
        const { grant } = await activeGrant()
        await store.advanceGeneration(grant.id, 1, anAccess(grant), NOW, GRACE)
        expect(await store.advanceGeneration(grant.id, 1, anAccess(grant), NOW + GRACE, GRACE)).toBe('retried')
        const late = anAccess(grant)
        expect(await store.advanceGeneration(grant.id, 1, late, NOW + GRACE + 1, GRACE)).toBe('reused')
        expect(await store.findAccess(late.hash)).toBeUndefined()
        expect(await store.findGrant(grant.id)).toMatchObject({ status: 'active', generation: 2, rotatedAt: NOW })
      })

      it('counts only the immediate predecessor as a retry (B167)', async () => {
        const { grant } = await activeGrant()
        await store.advanceGeneration(grant.id, 1, anAccess(grant), NOW, GRACE)
        await store.advanceGeneration(grant.id, 2, anAccess(grant), NOW, GRACE)
        expect(await store.advanceGeneration(grant.id, 1, anAccess(grant), NOW, GRACE)).toBe('reused')
        expect(await store.advanceGeneration(grant.id, 2, anAccess(grant), NOW, GRACE)).toBe('retried')
      })

      it('calls a generation that was never issued reused, and changes nothing', async () => {
        const { grant } = await activeGrant()
        for (const never of [0, -1, 2, 1.5, Number.NaN, 2 ** 32])
          expect(await store.advanceGeneration(grant.id, never, anAccess(grant), NOW, GRACE)).toBe('reused')
        expect(await store.advanceGeneration(grant.id, 1, anAccess(grant), NOW, GRACE)).toBe('rotated')
      })

      it('does not revive an old generation when the clock is set back (B169)', async () => {
        const { grant } = await activeGrant()
        await store.advanceGeneration(grant.id, 1, anAccess(grant), NOW, GRACE)
        const hourBack = NOW - 60 * MINUTE
        expect(await store.advanceGeneration(grant.id, 1, anAccess(grant), hourBack, GRACE)).toBe('reused')
        expect(await store.advanceGeneration(grant.id, 1, anAccess(grant), NOW - 10, GRACE)).toBe('retried')
      })

      it('is gone for a grant that is unknown, pending, revoked or past its end', async () => {
        const advance = (grant: Grant, now: number) => store.advanceGeneration(grant.id, 1, anAccess(grant), now, GRACE)
        expect(await advance(aGrant(), NOW)).toBe('gone')
        const pending = await pendingGrant()
        expect(await advance(pending.grant, NOW)).toBe('gone')
        const revoked = await activeGrant()
        await store.revokeGrant(revoked.grant.id)
        expect(await advance(revoked.grant, NOW)).toBe('gone')
        const ended = await activeGrant()
        expect(await advance(ended.grant, ended.grant.expiresAt)).toBe('gone')
        expect(await advance(ended.grant, ended.grant.expiresAt - 1)).toBe('rotated')
      })
    })

    describe('access tokens', () => {
      it('finds a token that has expired, for the caller to judge, and none that was never stored', async () => {
        const { access } = await activeGrant()
        expect((await store.findAccess(access.hash))?.access.expiresAt).toBe(access.expiresAt)
        expect(await store.findAccess('unknown')).toBeUndefined()
      })

      it('finds a token whose grant has no credential', async () => {
        const grant = aGrant()
        const code = aCode(grant)
        const access = anAccess(grant)
        await store.createGrant(grant, code)
        await store.redeemCode(code.hash, access, NOW)
        const found = await store.findAccess(access.hash)
        expect(found?.grant.id).toBe(grant.id)
        expect(found).not.toHaveProperty('credential')
      })

      it('revokes one access token for good and no other (RFC 7009 §2.1, B154)', async () => {
        const { grant, access } = await activeGrant()
        const other = anAccess(grant)
        await store.advanceGeneration(grant.id, 1, other, NOW, GRACE)
        await store.revokeAccess(access.hash)
        await store.revokeAccess(access.hash)
        store = await opened.reopen()
        expect(await store.findAccess(access.hash)).toBeUndefined()
        expect((await store.findAccess(other.hash))?.grant.status).toBe('active')
      })
    })

    describe('revoking a grant', () => {
      it('ends its tokens, code and credential for good, and touches no other grant (B154, B166)', async () => {
        const { grant, code, access } = await activeGrant()
        const sibling = await activeGrant({ clientId: grant.clientId })
        expect(await store.revokeGrant(grant.id)).toBe(true)
        store = await opened.reopen()
        const found = await store.findAccess(access.hash)
        expect(found === undefined || found.grant.status === 'revoked').toBe(true)
        expect(await store.findCredential(grant.id)).toBeUndefined()
        expect(await store.findGrant(grant.id)).toMatchObject({ status: 'revoked' })
        expect(await store.redeemCode(code.hash, anAccess(grant), NOW)).toEqual({ outcome: 'unknown' })
        expect((await store.findAccess(sibling.access.hash))?.grant.status).toBe('active')
        expect(await store.findCredential(sibling.grant.id)).toStrictEqual(sibling.credential)
      })

      it('is true for exactly one of many callers, and false for an unknown grant', async () => {
        const { grant } = await activeGrant()
        expect(tally(await parallel(() => store.revokeGrant(grant.id)))).toEqual({ true: 1, false: CALLERS - 1 })
        expect(await store.revokeGrant('unknown')).toBe(false)
      })

      it('leaves no live token, whatever order a race with rotations takes', async () => {
        const { grant } = await activeGrant()
        const tokens = Array.from({ length: CALLERS }, () => anAccess(grant))
        await Promise.all(
          tokens.map((token, caller) =>
            caller === CALLERS / 2
              ? store.revokeGrant(grant.id)
              : store.advanceGeneration(grant.id, 1, token, NOW, GRACE),
          ),
        )
        for (const token of tokens) {
          const found = await store.findAccess(token.hash)
          expect(found === undefined || found.grant.status === 'revoked').toBe(true)
        }
      })
    })

    describe('credentials', () => {
      it('gives the right to refresh to one of many callers and hands it on when the lease runs out (U-07, C13)', async () => {
        const { credential } = await activeGrant()
        const claim = (now: number) => store.claimRefresh(credential.id, 1, now, now + MINUTE)
        expect(tally(await parallel(() => claim(NOW)))).toEqual({ won: 1, lost: CALLERS - 1 })
        store = await opened.reopen()
        expect(await claim(NOW + MINUTE - 1)).toBe('lost')
        expect(tally(await parallel(() => claim(NOW + MINUTE)))).toEqual({ won: 1, lost: CALLERS - 1 })
      })

      it('refuses a lease on a version that is not current, on a dead or on an unknown credential', async () => {
        const { credential } = await activeGrant()
        expect(await store.claimRefresh(credential.id, 2, NOW, NOW + MINUTE)).toBe('lost')
        expect(await store.claimRefresh('unknown', 1, NOW, NOW + MINUTE)).toBe('lost')
        await store.killCredential(credential.id, 1)
        expect(await store.claimRefresh(credential.id, 1, NOW, NOW + MINUTE)).toBe('lost')
      })

      it('stores a refreshed credential, ends the lease and fences out whoever comes late (C13, I4)', async () => {
        const { grant, access, credential } = await activeGrant()
        await store.claimRefresh(credential.id, 1, NOW, NOW + MINUTE)
        await store.claimRefresh(credential.id, 1, NOW + MINUTE, NOW + 2 * MINUTE)
        expect(await store.replaceCredential(credential.id, 1, 'second', NOW + DAY)).toBe('won')
        expect(await store.replaceCredential(credential.id, 1, 'late', NOW + DAY)).toBe('lost')
        expect(await store.killCredential(credential.id, 1)).toBe('lost')
        store = await opened.reopen()
        const second = { ...credential, version: 2, sealed: 'second', expiresAt: NOW + DAY }
        expect(await store.findCredential(grant.id)).toStrictEqual(second)
        expect((await store.findAccess(access.hash))?.credential).toStrictEqual(second)
        expect(await store.claimRefresh(credential.id, 2, NOW, NOW + MINUTE)).toBe('won')
      })

      it('forgets the end of a credential whose provider no longer names one', async () => {
        const { grant, credential } = await activeGrant()
        await store.replaceCredential(credential.id, 1, 'second', undefined)
        const { expiresAt: _, ...endless } = credential
        expect(await store.findCredential(grant.id)).toStrictEqual({ ...endless, version: 2, sealed: 'second' })
      })

      it('lets one of many callers replace a credential', async () => {
        const { credential } = await activeGrant()
        const outcomes = await parallel((caller) =>
          store.replaceCredential(credential.id, 1, `by ${caller}`, undefined),
        )
        expect(tally(outcomes)).toEqual({ won: 1, lost: CALLERS - 1 })
      })

      it('frees a lease that ended without a result, but not one on a newer version', async () => {
        const { credential } = await activeGrant()
        await store.claimRefresh(credential.id, 1, NOW, NOW + MINUTE)
        await store.releaseRefresh(credential.id, 1)
        expect(await store.claimRefresh(credential.id, 1, NOW, NOW + MINUTE)).toBe('won')
        await store.replaceCredential(credential.id, 1, 'second', undefined)
        await store.claimRefresh(credential.id, 2, NOW, NOW + MINUTE)
        await store.releaseRefresh(credential.id, 1)
        expect(await store.claimRefresh(credential.id, 2, NOW, NOW + MINUTE)).toBe('lost')
      })

      it('leaves a tombstone that is found as dead and never comes back to life (I4)', async () => {
        const { grant, access, credential } = await activeGrant()
        expect(await store.killCredential(credential.id, 1)).toBe('won')
        expect(await store.killCredential(credential.id, 1)).toBe('lost')
        expect(await store.replaceCredential(credential.id, 1, 'late', undefined)).toBe('lost')
        store = await opened.reopen()
        expect((await store.findAccess(access.hash))?.credential?.state).toBe('dead')
        expect((await store.findCredential(grant.id))?.state).toBe('dead')
      })
    })

    it('remembers the first value under a name, for all callers and over a restart', async () => {
      const values = await parallel((caller) => store.rememberOnce('key-check', `value ${caller}`))
      expect(new Set(values).size).toBe(1)
      store = await opened.reopen()
      expect(await store.rememberOnce('key-check', 'another')).toBe(values[0])
      expect(await store.rememberOnce('__proto__', 'mine')).toBe('mine')
    })

    describe('collecting what has ended', () => {
      it('deletes everything that has ended and nothing that lives (C58)', async () => {
        const live = await activeGrant()
        const waiting = await pendingGrant()
        const abandoned = await pendingGrant({}, { expiresAt: NOW })
        const ended = await activeGrant({ expiresAt: NOW + 1 })
        const revoked = await activeGrant()
        await store.revokeGrant(revoked.grant.id)
        await store.openInteraction({ id: 'old', version: 1, sealed: 's', expiresAt: NOW })
        await store.openInteraction({ id: 'new', version: 1, sealed: 's', expiresAt: NOW + DAY })
        const client = aClient({ createdAt: 0 })
        await store.createClient(client)

        await collectAll(NOW + 1)
        expect(await store.findGrant(abandoned.grant.id)).toBeUndefined()
        expect(await store.findCode(abandoned.code.hash)).toBeUndefined()
        expect(await store.findCredential(abandoned.grant.id)).toBeUndefined()
        expect(await store.findGrant(ended.grant.id)).toBeUndefined()
        expect(await store.findAccess(ended.access.hash)).toBeUndefined()
        expect(await store.findCredential(ended.grant.id)).toBeUndefined()
        expect(await store.findGrant(revoked.grant.id)).toBeUndefined()
        expect(await store.findInteraction('old', 0)).toBeUndefined()
        expect(await store.findInteraction('new', NOW)).toBeDefined()
        expect(await store.findClient(client.clientId)).toStrictEqual(client)
        expect((await store.findAccess(live.access.hash))?.credential).toStrictEqual(live.credential)
        expect(await store.redeemCode(waiting.code.hash, anAccess(waiting.grant), NOW)).toEqual({ outcome: 'redeemed' })

        await collectAll(NOW + DAY)
        expect(await store.findAccess(live.access.hash)).toBeUndefined()
        expect(await store.findCode(live.code.hash)).toBeUndefined()
        expect(await store.findGrant(live.grant.id)).toMatchObject({ status: 'active' })
        expect(await store.findCredential(live.grant.id)).toStrictEqual(live.credential)
      })

      it('works in bounded steps and gets everything in the end (B275)', async () => {
        const grants: Grant[] = []
        for (let count = 0; count < 7; count++) {
          await store.openInteraction({ id: `old ${count}`, version: 1, sealed: 's', expiresAt: NOW })
          grants.push((await pendingGrant({}, { expiresAt: NOW + count })).grant)
        }
        await store.deleteExpired(NOW + MINUTE, 2)
        const left = await Promise.all(grants.map((grant) => store.findGrant(grant.id)))
        expect(left.filter((grant) => grant !== undefined)).toHaveLength(5)
        await collectAll(NOW + MINUTE, 2)
        for (const grant of grants) expect(await store.findGrant(grant.id)).toBeUndefined()
        expect(await store.findInteraction('old 6', 0)).toBeUndefined()
      })
    })

    describe('subscribers', () => {
      it('hear of everything that became invalid, after it has happened, and of nothing else', async () => {
        const { grant, access, credential } = await activeGrant()
        const changes: Change[] = []
        const seen: unknown[] = []
        const stop = store.subscribe((change) => {
          changes.push(change)
          if (change.kind === 'access') seen.push(store.findAccess(change.hash))
        })
        await store.revokeAccess(access.hash)
        await store.replaceCredential(credential.id, 1, 'second', undefined)
        await store.replaceCredential(credential.id, 1, 'late', undefined)
        await store.killCredential(credential.id, 2)
        await store.revokeGrant(grant.id)
        await store.revokeGrant(grant.id)
        expect(changes).toEqual([
          { kind: 'access', hash: access.hash },
          { kind: 'credential', credentialId: credential.id },
          { kind: 'credential', credentialId: credential.id },
          { kind: 'grant', grantId: grant.id },
        ])
        expect(await Promise.all(seen)).toEqual([undefined])
        stop()
        await store.revokeGrant((await activeGrant()).grant.id)
        expect(changes).toHaveLength(4)
      })

      it('cannot break a verb or each other by throwing', async () => {
        const { grant } = await activeGrant()
        const heard: Change[] = []
        store.subscribe(() => {
          throw new Error('a broken listener')
        })
        store.subscribe((change) => heard.push(change))
        expect(await store.revokeGrant(grant.id)).toBe(true)
        expect(heard).toEqual([{ kind: 'grant', grantId: grant.id }])
      })
    })

    it('answers a ping while it is open; once closed it rejects everything (B191)', async () => {
      const { access } = await activeGrant()
      await expect(store.ping()).resolves.toBeUndefined()
      await store.close()
      await expect(store.ping()).rejects.toThrow(StoreUnavailable)
      await expect(store.findAccess(access.hash)).rejects.toThrow(StoreUnavailable)
      await expect(store.revokeAccess(access.hash)).rejects.toThrow(StoreUnavailable)
      await expect(store.close()).resolves.toBeUndefined()
    })

    async function pendingGrant(about: Partial<Grant> = {}, ofCode: Partial<CodeRow> = {}) {
      const grant = { ...aGrant(), ...about }
      const code = { ...aCode(grant), ...ofCode }
      const credential = aCredential(grant)
      await store.createGrant(grant, code, credential)
      return { grant, code, credential }
    }

    async function activeGrant(about: Partial<Grant> = {}) {
      const created = await pendingGrant(about)
      const access = anAccess(created.grant)
      expect(await store.redeemCode(created.code.hash, access, NOW)).toEqual({ outcome: 'redeemed' })
      return { ...created, access }
    }

    async function collectAll(now: number, limit = 100) {
      while ((await store.deleteExpired(now, limit)) > 0) {
        // Until a pass finds nothing.
      }
    }
  })
}

function aClient(about: Partial<Client>): Client {
  return {
    clientId: newId(),
    origin: 'registered',
    redirectUris: ['http://127.0.0.1/callback', 'cursor://anysphere.cursor-mcp/oauth/callback'],
    tokenEndpointAuthMethod: 'none',
    grantTypes: ['authorization_code', 'refresh_token'],
    applicationType: 'native',
    createdAt: NOW,
    ...about,
  }
}

function aGrant(): Grant {
  return {
    id: newId(),
    clientId: 'client',
    routePath: '/github',
    resource: 'https://mcp.example.com/github',
    scopes: ['mcp', 'tools'],
    sealedIdentity: 'sealed identity',
    status: 'pending',
    generation: 0,
    rotatedAt: NOW,
    createdAt: NOW,
    expiresAt: NOW + 180 * DAY,
  }
}

function aCode(grant: Grant): CodeRow {
  return {
    hash: newId(),
    grantId: grant.id,
    clientId: grant.clientId,
    redirectUri: 'http://127.0.0.1:4711/callback',
    codeChallenge: 'challenge',
    expiresAt: NOW + MINUTE,
  }
}

function aCredential(grant: Grant): CredentialRow {
  return { id: newId(), grantId: grant.id, version: 1, sealed: 'first', expiresAt: NOW + MINUTE, state: 'live' }
}

function anAccess(grant: Grant): AccessRow {
  return { hash: newId(), grantId: grant.id, scopes: ['mcp'], expiresAt: NOW + 60 * MINUTE }
}

function parallel<T>(call: (caller: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: CALLERS }, (_, caller) => call(caller)))
}

function tally(outcomes: readonly unknown[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const outcome of outcomes) counts[String(outcome)] = (counts[String(outcome)] ?? 0) + 1
  return counts
}
