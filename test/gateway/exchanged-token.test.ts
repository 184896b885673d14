import { beforeEach, describe, expect, it } from 'vitest'
import type { Route } from '../../src/domain/route.ts'
import { Secret } from '../../src/domain/secret.ts'
import type { OpenAccess } from '../../src/gateway/access-cache.ts'
import { createExchangedTokens, type ExchangedTokens, type ExchangeRule } from '../../src/gateway/exchanged-token.ts'
import type { FreshCredentials } from '../../src/gateway/fresh-credential.ts'
import type { Gateway } from '../../src/gateway/gateway.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { ExchangeOutcome } from '../../src/providers/provider.ts'

const RULE: ExchangeRule = {
  kind: 'token-exchange',
  provider: 'corp',
  request: { audiences: ['wiki'], resources: [], scopes: [], subjectTokenType: 'type' },
}
const accessOf = (id: string) =>
  ({
    grant: { id, clientId: 'client' },
    identity: { provider: 'corp', subject: id, groups: [] },
  }) as unknown as OpenAccess
/** Its path is all that is read of it. */
const ROUTE = { path: '/wiki' } as Route
const ALICE = accessOf('alice')

let now: number
/** Exchanges asked for and not answered yet. */
let asked: PromiseWithResolvers<ExchangeOutcome>[]
let exchanged: ExchangedTokens
/** Whether it is sure that the provider has lost the client that asks. */
let isLost: boolean

beforeEach(() => {
  now = 0
  asked = []
  isLost = false
  const exchange = () => {
    const answer = Promise.withResolvers<ExchangeOutcome>()
    asked.push(answer)
    return answer.promise
  }
  const gateway = {
    upstreamClients: { recall: async () => ({ provider: { exchange } }), refused: async () => isLost, accepted() {} },
    metrics: createMetrics(),
    audit: () => undefined,
    logger: { warn: () => undefined, error: () => undefined },
    now: () => now,
  } as unknown as Gateway
  const credentials = {
    forAccess: async ({ grant }: OpenAccess) => ({
      outcome: 'fresh',
      tokens: { accessToken: new Secret(`subject of ${grant.id}`), obtainedAt: 0 },
    }),
  } as unknown as FreshCredentials
  exchanged = createExchangedTokens(gateway, credentials)
})

const get = (access = ALICE) => exchanged.forAccess(ROUTE, RULE, access)
const issued = (token: string, lifeMs?: number): ExchangeOutcome => ({
  outcome: 'exchanged',
  exchanged: { token: new Secret(token), ...(lifeMs === undefined ? {} : { expiresAt: now + lifeMs }) },
})
const turn = () => new Promise(setImmediate)

/** The token that a caller gets, when the provider issues `token` if it is asked at all. */
async function obtain(token: string, lifeMs?: number, access = ALICE): Promise<string> {
  const before = asked.length
  const result = get(access)
  await turn()
  asked[before]?.resolve(issued(token, lifeMs))
  const got = await result
  return got.outcome === 'exchanged' ? got.token.reveal() : got.outcome
}

describe('tokens issued for servers', () => {
  it('are forgotten when their grant ends, and only that grant’s', async () => {
    expect(await obtain('a-1')).toBe('a-1')
    expect(await obtain('b-1', undefined, accessOf('bob'))).toBe('b-1')
    exchanged.drop('alice')
    expect(await obtain('a-2')).toBe('a-2')
    expect(await obtain('b-2', undefined, accessOf('bob'))).toBe('b-1')
  })

  it('are asked for again after a failure, and after a refusal, although the clock was set back meanwhile (C58)', async () => {
    now = 3_600_000
    const first = get()
    await turn()
    asked[0]?.resolve({ outcome: 'misconfigured', reason: 'invalid_target' })
    expect((await first).outcome).toBe('misconfigured')
    now = 0
    expect(await obtain('a-1', 60_000)).toBe('a-1')

    now = 3_600_000
    const refused = async (token: string, next: string) => {
      const before = asked.length
      const result = exchanged.afterRefusal(ROUTE, RULE, ALICE, token)
      await turn()
      asked[before]?.resolve(issued(next, 60_000))
      return result
    }
    expect(await refused('a-1', 'a-2')).toMatchObject({ outcome: 'exchanged' })
    now = 0
    expect(await refused('a-2', 'a-3')).toMatchObject({ outcome: 'exchanged' })
  })

  it('are not kept when their grant ended while they were under way', async () => {
    const first = get()
    await turn()
    exchanged.drop('alice')
    asked[0]?.resolve(issued('a-1'))
    await first
    expect(await obtain('a-2')).toBe('a-2')
  })

  it('are had by a new sign-in alone once the provider has lost the client that asks (RFC 7591)', async () => {
    const outcomes: string[] = []
    for (isLost of [false, true]) {
      const result = get()
      await turn()
      asked.at(-1)?.resolve({ outcome: 'misconfigured', reason: 'invalid_client' })
      outcomes.push((await result).outcome)
      now += 10_000
    }
    expect(outcomes).toEqual(['misconfigured', 'ended'])
  })

  it('are not asked for again before the provider wants it, however often they are needed (C26)', async () => {
    const refused = get()
    await turn()
    asked[0]?.resolve({ outcome: 'unavailable', reason: 'http_429', retryAfterMs: 60_000 })
    expect(await refused).toEqual({ outcome: 'unavailable' })
    now = 59_999
    expect(await get()).toEqual({ outcome: 'unavailable' })
    expect(asked).toHaveLength(1)
    now = 60_000
    expect(await obtain('a-1')).toBe('a-1')
    // A provider may be wrong about itself.
    exchanged.drop('alice')
    const again = get()
    await turn()
    asked[2]?.resolve({ outcome: 'unavailable', reason: 'http_503', retryAfterMs: 24 * 3_600_000 })
    await again
    now += 5 * 60_000
    expect(await obtain('a-2')).toBe('a-2')
  })

  it('are used for five minutes at the most when nobody tells their life, and for an hour when it is longer', async () => {
    expect(await obtain('a-1')).toBe('a-1')
    now = 5 * 60_000 * 0.79
    expect(await obtain('a-2')).toBe('a-1')
    now = 5 * 60_000 * 0.81
    expect(await obtain('a-2', 24 * 3_600_000)).toBe('a-2')
    now += 3_600_000 * 0.79
    expect(await obtain('a-3')).toBe('a-2')
    now += 3_600_000 * 0.02
    expect(await obtain('a-3')).toBe('a-3')
  })

  it('are asked for once by all who wait, also after their server refused one', async () => {
    expect(await obtain('a-1')).toBe('a-1')
    const renewed = Array.from({ length: 20 }, () => exchanged.afterRefusal(ROUTE, RULE, ALICE, 'a-1'))
    await turn()
    expect(asked).toHaveLength(2)
    asked[1]?.resolve(issued('a-2'))
    const results = await Promise.all(renewed)
    expect(results.map((one) => one?.outcome)).toEqual(Array(20).fill('exchanged'))
    // One that comes late gets what the others have got.
    expect(await exchanged.afterRefusal(ROUTE, RULE, ALICE, 'a-1')).toMatchObject({ outcome: 'exchanged' })
    expect(asked).toHaveLength(2)
  })

  it('are given up when the provider issues the one again that was refused', async () => {
    expect(await obtain('same')).toBe('same')
    const renewed = exchanged.afterRefusal(ROUTE, RULE, ALICE, 'same')
    await turn()
    asked[1]?.resolve(issued('same'))
    expect(await renewed).toBeUndefined()
  })
})
