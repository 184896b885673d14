import { describe, expect, it } from 'vitest'
import { BELIEVED_MS, carryOver, type Identity, type PartlyRead } from '../../src/domain/identity.ts'

const NOW = 1_900_000_000_000
const WHO = { provider: 'corp', subject: 'alice' }
const BEFORE: Identity = {
  ...WHO,
  email: 'alice@example.com',
  name: 'Alice',
  groups: ['engineering'],
  inIdToken: ['groups'],
}
const BARE: Identity = { ...WHO, groups: [] }
const EVERYTHING = ['email', 'name', 'groups'] as const

function partly(part: Partial<PartlyRead>, before: Identity = BEFORE, now = NOW, isUnconfirmed = false) {
  return carryOver(before, { silent: ['id_token'], unsaid: EVERYTHING, ...part }, { now, isUnconfirmed })
}

describe('what is known of a user of whom a part was read (U-11)', () => {
  it('is what whoever is silent told before, and nothing else that is not said', () => {
    const { identity } = partly({ identity: BARE })
    expect(identity).toEqual({ ...WHO, groups: ['engineering'], inIdToken: ['groups'], unreadSince: NOW })
  })

  it('is everything as before when nobody speaks', () => {
    expect(partly({ silent: ['id_token', 'api'] }).identity).toEqual({ ...BEFORE, unreadSince: NOW })
  })

  it('is what is said, whoever had told it before', () => {
    const told = { ...BARE, email: 'alice@married.example', groups: ['guests'] }
    expect(partly({ identity: told, unsaid: ['name'] }).identity).toEqual(told)
    expect(partly({ identity: BARE, unsaid: ['name'] }).identity.groups).toEqual([])
  })

  it('keeps the time since when something is missed, and forgets it after a complete answer', () => {
    const missed = { ...BEFORE, unreadSince: NOW - 5 }
    expect(partly({ identity: BARE }, missed).identity.unreadSince).toBe(NOW - 5)
    expect(partly({ identity: BEFORE, silent: [], unsaid: [] }, missed)).toEqual({ identity: BEFORE, expired: false })
  })

  it('is believed for a day', () => {
    const missed = { ...BEFORE, unreadSince: NOW }
    expect(partly({}, missed, NOW + BELIEVED_MS - 1)).toMatchObject({
      expired: false,
      identity: { groups: ['engineering'] },
    })
    expect(partly({}, missed, NOW + BELIEVED_MS)).toMatchObject({ expired: true, identity: { groups: [] } })
  })

  it('misses nothing where the silent one had told nothing, unless something is required of it', () => {
    const none = { ...BARE, unreadSince: NOW - 2 * BELIEVED_MS }
    expect(partly({ identity: BARE }, none)).toEqual({ identity: BARE, expired: false })
    expect(partly({ identity: BARE }, none, NOW, true)).toEqual({ identity: none, expired: true })
  })
})
