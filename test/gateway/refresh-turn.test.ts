import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { Secret } from '../../src/domain/secret.ts'
import type { Gateway } from '../../src/gateway/gateway.ts'
import { AT_ONCE, createRefreshPace, type RefreshPace } from '../../src/gateway/refresh-pace.ts'
import { type RefreshTask, type TurnTools, takeTurn } from '../../src/gateway/refresh-turn.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { Provider, RefreshOutcome } from '../../src/providers/provider.ts'
import type { CredentialRow, RefreshClaim } from '../../src/storage/records.ts'
import { createVault, sealTokens } from '../../src/vault.ts'
import { aCredential, aGrant, NOW } from '../ports/store-rows.ts'

const MINUTE = 60_000
const vault = createVault([new Secret(randomBytes(32).toString('base64'))])
const grant = aGrant()

let now: number
let pace: RefreshPace
let row: CredentialRow
/** What happened, in order. */
let steps: string[]
let claim: RefreshClaim
/** What the provider answers. */
let answer: RefreshOutcome

beforeEach(async () => {
  now = NOW
  steps = []
  claim = { outcome: 'won' }
  answer = { outcome: 'unavailable', reason: 'http_503', unspent: true }
  pace = createRefreshPace(
    () => now,
    undefined,
    () => 0.5,
  )
  const { id } = aCredential(grant)
  const owner = { id, grantId: grant.id, routePath: grant.routePath, provider: 'corp' }
  const tokens = {
    accessToken: new Secret('a'),
    refreshToken: new Secret('r'),
    obtainedAt: NOW - MINUTE,
    expiresAt: NOW + 5000,
  }
  row = { id, grantId: grant.id, version: 1, state: 'live', sealed: await sealTokens(vault, owner, tokens) }
})

/** The parts that a turn asks for. */
function turn() {
  const refresh: Provider['refresh'] = async () => {
    steps.push('asked')
    return answer
  }
  const refreshRules = { issued: 'always', rotates: 'always', graceMs: 30_000 } as const
  const provider = { name: 'corp', refresh, refreshRules } as Partial<Provider> as Provider
  const store = {
    findCredential: async () => row,
    releaseRefresh: async () => void steps.push('released'),
    claimRefresh: async () => {
      steps.push('claimed')
      return claim
    },
  }
  const upstreamClients = { recall: async () => ({ provider }) }
  const logger = { warn() {} }
  const gateway = { store, vault, upstreamClients, logger, metrics: createMetrics(), now: () => now }
  const writes = { persist: (write: () => Promise<unknown>) => write(), flushed: async () => {} }
  const tools = { gateway: gateway as unknown as Gateway, providerOf: () => provider, pace, writes } as TurnTools
  const task: RefreshTask = { grant, purpose: 'server', credentialId: row.id, seenVersion: 1, refused: false }
  return takeTurn(tools, task, false)
}

describe('a refresh that waits until its provider has time (C25)', () => {
  it('holds no lease and notes nothing until it is sent: a crash meanwhile leaves no doubt (C01)', async () => {
    const done = Promise.withResolvers<void>()
    for (let index = 0; index < AT_ONCE; index += 1) void pace.enter('corp', () => done.promise)
    const { enter } = pace
    const waiting = Promise.withResolvers<void>()
    pace.enter = (provider, ask) => {
      waiting.resolve()
      return enter(provider, ask)
    }
    const taken = turn()
    await waiting.promise
    expect(steps).toEqual([])
    done.resolve()
    expect(await taken).toEqual({ outcome: 'unavailable' })
    expect(steps).toEqual(['claimed', 'asked', 'released'])
  })
})

describe('the grace within which a refresh token is presented again (C17)', () => {
  const GRACE_LEFT_MS = 29_000

  it.each([
    ['the first 502, however many follow', true, 10_000, GRACE_LEFT_MS - 10_000],
    ['an answer that was lost, also when somebody else had answered long before', false, 60 * MINUTE, GRACE_LEFT_MS],
  ])('begins with %s', async (_, unspent, agoMs, graceMs) => {
    claim = { outcome: 'won', relayedAt: NOW - agoMs }
    answer = { outcome: 'unavailable', reason: 'http_502', unspent, ...(unspent ? { relayed: true } : {}) }
    expect(await turn()).toEqual({ outcome: 'doubtful', graceMs })
  })

  it('is over when 502 has been answered for longer', async () => {
    claim = { outcome: 'won', relayedAt: NOW - MINUTE }
    answer = { outcome: 'unavailable', reason: 'http_502', unspent: true, relayed: true }
    expect(await turn()).toEqual({ outcome: 'unavailable' })
  })
})

describe('the scout to a provider at which everything failed (C17)', () => {
  beforeEach(() => {
    for (let failure = 0; failure < 5; failure += 1) pace.failed('corp', `credential ${failure}`)
    now += 2000
  })

  it('makes way for another one when somebody else is refreshing its credential', async () => {
    claim = { outcome: 'lost' }
    expect(await turn()).toEqual({ outcome: 'busy' })
    expect(pace.mayTry('corp', 'another')).toBeDefined()
  })

  it('makes way for another one when its refresh token must not be presented now', async () => {
    claim = { outcome: 'won', presentedAt: NOW - MINUTE }
    expect(await turn()).toEqual({ outcome: 'held_back', version: 1 })
    expect(pace.mayTry('corp', 'another')).toBeDefined()
  })

  it('does not when it has asked', async () => {
    expect(await turn()).toEqual({ outcome: 'unavailable' })
    expect(pace.mayTry('corp', 'another')).toBeUndefined()
  })
})
