import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Identity } from '../../src/domain/identity.ts'
import type { BeginSignIn, Provider, SignInReturn } from '../../src/providers/provider.ts'

/** What comes back from a user: the callback URL, and for our own page the form. */
export type Walked = Pick<SignInReturn, 'url' | 'form'>

/** A provider with somebody who can sign in there. */
export interface ProviderUnderTest {
  readonly provider: Provider
  readonly callbackUrl: string
  /** Whom `agree` signs in. */
  readonly identity: Identity
  /** Walks from a location to the return, as the user of `identity`. */
  agree(location: string): Promise<Walked>
  /** The same as somebody who says no or does not know the password. */
  decline(location: string): Promise<Walked>
  close(): Promise<void>
}

/** A sign-in that has begun; fails the test when the provider is unavailable. */
export async function begun(provider: Provider, state: string, callbackUrl: string): Promise<BeginSignIn> {
  const begin = await provider.begin(state, callbackUrl)
  if ('outcome' in begin) throw new Error(`cannot begin: ${begin.reason}`)
  return begin
}

/** What every provider does; `setup` runs once. */
export function describeProvider(name: string, setup: () => Promise<ProviderUnderTest>): void {
  describe(`provider port: ${name}`, () => {
    let under: ProviderUnderTest
    beforeAll(async () => {
      under = await setup()
    })
    afterAll(() => under.close())

    it('signs a user in and says who it is (U-11)', async () => {
      const { provider, callbackUrl } = under
      const { location, continuation } = await begun(provider, 'state-1', callbackUrl)
      const back = await under.agree(location)
      const outcome = await provider.finish({ ...back, state: 'state-1', continuation })
      expect(outcome).toMatchObject({ outcome: 'signed-in', identity: under.identity })
    })

    it('brings the state back unchanged, whatever characters it has (RFC 6749 §4.1.2)', async () => {
      const state = 'a.b~c_d-e+f/g=h&i%j k'
      const { location, continuation } = await begun(under.provider, state, under.callbackUrl)
      const back = await under.agree(location)
      expect(back.url.searchParams.getAll('state')).toEqual([state])
      expect(back.url.href.split('?')[0]).toBe(under.callbackUrl)
      expect(await under.provider.finish({ ...back, state, continuation })).toMatchObject({ outcome: 'signed-in' })
    })

    it('refuses a return that carries the state of another sign-in (U-01)', async () => {
      const { location, continuation } = await begun(under.provider, 'mine', under.callbackUrl)
      const back = await under.agree(location)
      const mixed = await under.provider.finish({ ...back, state: 'theirs', continuation })
      expect(mixed).toMatchObject({ outcome: 'refused' })
      const again = await begun(under.provider, 'mine', under.callbackUrl)
      const mine = { ...(await under.agree(again.location)), state: 'mine', continuation: again.continuation }
      expect(await under.provider.finish(mine)).toMatchObject({ outcome: 'signed-in' })
    })

    it('needs nothing but what it asked to be kept: the continuation survives being stored as text', async () => {
      const { location, continuation } = await begun(under.provider, 'stored', under.callbackUrl)
      const back = await under.agree(location)
      const restored = JSON.parse(JSON.stringify(continuation))
      const outcome = await under.provider.finish({ ...back, state: 'stored', continuation: restored })
      expect(outcome).toMatchObject({ outcome: 'signed-in' })
    })

    it('lets nobody in who declines', async () => {
      const { location, continuation } = await begun(under.provider, 'no', under.callbackUrl)
      const back = await under.decline(location)
      const { outcome } = await under.provider.finish({ ...back, state: 'no', continuation })
      expect(outcome).toBe(under.provider.entry === 'form' ? 'wrong_password' : 'denied')
    })

    it('keeps ten sign-ins at once apart', async () => {
      const states = Array.from({ length: 10 }, (_, index) => `parallel-${index}`)
      const outcomes = await Promise.all(
        states.map(async (state) => {
          const { location, continuation } = await begun(under.provider, state, under.callbackUrl)
          return under.provider.finish({ ...(await under.agree(location)), state, continuation })
        }),
      )
      expect(outcomes.map(({ outcome }) => outcome)).toEqual(states.map(() => 'signed-in'))
    })

    it('refreshes what it issued, where it can refresh at all', async () => {
      const { provider } = under
      const { location, continuation } = await begun(provider, 'refresh', under.callbackUrl)
      const outcome = await provider.finish({ ...(await under.agree(location)), state: 'refresh', continuation })
      if (outcome.outcome !== 'signed-in') throw new Error('not signed in')
      expect(outcome.tokens?.refreshToken !== undefined).toBe(provider.refresh !== undefined)
      if (!provider.refresh || !outcome.tokens?.refreshToken) return
      const refreshed = await provider.refresh(outcome.tokens.refreshToken)
      if (refreshed.outcome !== 'refreshed') throw new Error(`not refreshed: ${refreshed.reason}`)
      expect(refreshed.tokens.accessToken.reveal()).not.toBe(outcome.tokens.accessToken.reveal())
    })
  })
}
