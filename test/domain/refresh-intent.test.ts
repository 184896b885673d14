import { describe, expect, it } from 'vitest'
import { isStale } from '../../src/domain/credential.ts'
import { graceLeft, judgeDoubtful } from '../../src/domain/refresh-intent.ts'
import { Secret } from '../../src/domain/secret.ts'
import { newId } from '../../src/domain/token.ts'

const PRESENTED = 1_000_000
const GRACE = 30_000
const rules = (rotates: 'always' | 'sometimes' | 'never', graceMs: number) =>
  ({ issued: 'always', rotates, graceMs }) as const

describe('a refresh token that the provider may have exchanged without our learning of it (C17)', () => {
  const [alive, expired] = [true, false].map((accessAlive) => ({ presentedAt: PRESENTED, accessAlive }))

  it('is presented again within the grace that the provider promises, and never later where it replaces them', () => {
    for (const token of [alive, expired]) {
      if (!token) throw new Error('no token')
      expect(judgeDoubtful(rules('always', GRACE), token, PRESENTED + GRACE - 1001)).toBe('present')
    }
    // It would arrive when the grace is over.
    expect(
      judgeDoubtful(rules('always', GRACE), { presentedAt: PRESENTED, accessAlive: true }, PRESENTED + GRACE),
    ).toBe('wait')
    expect(
      judgeDoubtful(rules('always', GRACE), { presentedAt: PRESENTED, accessAlive: false }, PRESENTED + GRACE),
    ).toBe('give-up')
  })

  it.each([
    ['always', true, 'wait'],
    ['always', false, 'give-up'],
    ['sometimes', true, 'wait'],
    ['sometimes', false, 'present'],
    ['never', true, 'present'],
    ['never', false, 'present'],
  ] as const)(
    'without a grace: refresh tokens replaced %s, access token alive %s: %s',
    (rotates, accessAlive, verdict) => {
      expect(judgeDoubtful(rules(rotates, 0), { presentedAt: PRESENTED, accessAlive }, PRESENTED)).toBe(verdict)
    },
  )

  it('is in no grace that a clock which was set back would make longer (C58)', () => {
    const hourAgo = PRESENTED - 3_600_000
    expect(graceLeft(rules('always', GRACE), PRESENTED, hourAgo)).toBe(0)
    expect(judgeDoubtful(rules('always', GRACE), { presentedAt: PRESENTED, accessAlive: true }, hourAgo)).toBe('wait')
    expect(graceLeft(rules('always', GRACE), PRESENTED, PRESENTED - 50)).toBeGreaterThan(0)
  })

  it('expects nothing of a provider of which nothing is known', () => {
    expect(judgeDoubtful(undefined, { presentedAt: PRESENTED, accessAlive: true }, PRESENTED)).toBe('wait')
    expect(graceLeft(undefined, PRESENTED, PRESENTED)).toBe(0)
  })
})

describe('when a token is refreshed before it ends (C21)', () => {
  const tokens = { accessToken: new Secret('t'), obtainedAt: 0, expiresAt: 1000 }
  const refreshedAt = (id: string) => {
    for (let now = 0; now <= 1000; now += 1) if (isStale(tokens, id, now)) return now
    return undefined
  }

  it('is at 75 to 85 % of its life, at the same moment for one credential and at others for others', () => {
    const moments = Array.from({ length: 200 }, () => refreshedAt(newId()) ?? 0)
    expect(Math.min(...moments)).toBeGreaterThanOrEqual(750)
    expect(Math.max(...moments)).toBeLessThanOrEqual(850)
    expect(new Set(moments).size).toBeGreaterThan(50)
    expect(refreshedAt('credential-7')).toBe(refreshedAt('credential-7'))
  })

  it('never comes for a token without a known end', () => {
    expect(isStale({ accessToken: new Secret('t'), obtainedAt: 0 }, 'id', Number.MAX_SAFE_INTEGER)).toBe(false)
  })
})
