import { beforeEach, describe, expect, it } from 'vitest'
import { AT_ONCE, createRefreshPace, type RefreshPace } from '../../src/gateway/refresh-pace.ts'

const MINUTE = 60_000
let now: number
let circuits: (readonly [string, boolean])[]
let pace: RefreshPace

beforeEach(() => {
  now = 0
  circuits = []
  pace = createRefreshPace(
    () => now,
    (provider, isOpen) => circuits.push([provider, isOpen]),
    () => 0.5,
  )
})

describe('the pauses after failed refreshes (C17)', () => {
  it('double for one credential, and others of the provider are still tried', () => {
    const pauses: number[] = []
    for (let failure = 0; failure < 3; failure += 1) {
      pace.failed('corp', 'mine')
      const from = now
      while (!pace.mayTry('corp', 'mine')) now += 100
      pauses.push(now - from)
      expect(pace.mayTry('corp', 'theirs')).toBeDefined()
    }
    expect(pauses).toEqual([2000, 4000, 8000])
    pace.answered('corp', 'mine')
    pace.failed('corp', 'mine')
    now += 2000
    expect(pace.mayTry('corp', 'mine')).toBeDefined()
  })

  it('end when the clock is set back, instead of lasting until it has caught up (C58)', () => {
    now = 24 * 60 * MINUTE
    for (let failure = 0; failure < 5; failure += 1) pace.failed('corp', 'mine')
    expect(pace.mayTry('corp', 'mine')).toBeUndefined()
    now = 0
    expect(pace.mayTry('corp', 'mine')).toBeDefined()
  })

  it('last as long as the provider asks, within reason', () => {
    pace.failed('corp', 'mine', MINUTE)
    now += MINUTE - 1
    expect(pace.mayTry('corp', 'mine')).toBeUndefined()
    now += 1
    expect(pace.mayTry('corp', 'mine')).toBeDefined()
    pace.failed('corp', 'mine', 365 * 24 * 60 * MINUTE)
    now += 5 * MINUTE
    expect(pace.mayTry('corp', 'mine')).toBeDefined()
  })
})

describe('a provider at which everything fails (C17)', () => {
  beforeEach(() => {
    for (let failure = 0; failure < 5; failure += 1) pace.failed('corp', `credential ${failure}`)
  })

  it('is left alone for all credentials, and operators can see it; other providers are not', () => {
    expect(pace.mayTry('corp', 'another')).toBeUndefined()
    expect(pace.mayTry('other', 'another')).toBeDefined()
    expect(circuits).toEqual([['corp', true]])
  })

  it('is then tried by one scout at a time, and by everybody once that one was answered', () => {
    now += 2000
    expect(pace.mayTry('corp', 'scout')).toBeDefined()
    expect(pace.mayTry('corp', 'another')).toBeUndefined()
    pace.failed('corp', 'scout')
    now += 2000
    expect(pace.mayTry('corp', 'another')).toBeUndefined()
    now += 2000
    expect(pace.mayTry('corp', 'another')).toBeDefined()
    pace.answered('corp', 'another')
    expect(pace.mayTry('corp', 'anybody')).toBeDefined()
    expect(circuits.at(-1)).toEqual(['corp', false])
  })

  it('is tried by another scout at once where the first one had nothing to ask, and by one alone', () => {
    now += 2000
    const scout = pace.mayTry('corp', 'scout')
    expect(pace.mayTry('corp', 'another')).toBeUndefined()
    scout?.unused()
    expect(pace.mayTry('corp', 'another')).toBeDefined()
    // One that says so too late takes nothing from its successor.
    scout?.unused()
    expect(pace.mayTry('corp', 'third')).toBeUndefined()
  })

  it('is tried again although a scout never reports', () => {
    now += 2000
    expect(pace.mayTry('corp', 'scout')).toBeDefined()
    now += 10_000
    expect(pace.mayTry('corp', 'another')).toBeDefined()
  })
})

it('asks a provider about so many at once, and the others when those are done (C25)', async () => {
  let running = 0
  let most = 0
  const done = Promise.withResolvers<void>()
  const ask = async () => {
    running += 1
    most = Math.max(most, running)
    await done.promise
    running -= 1
  }
  const all = Array.from({ length: AT_ONCE * 3 }, () => pace.enter('corp', ask))
  await new Promise(setImmediate)
  expect(running).toBe(AT_ONCE)
  done.resolve()
  await Promise.all(all)
  expect(most).toBe(AT_ONCE)
  expect(running).toBe(0)
})
