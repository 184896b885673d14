import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/domain/secret.ts'
import {
  findRegistration,
  nameAtProvider,
  parseRegistrations,
  renewed,
  renewedBy,
  serializeRegistrations,
  type UpstreamRegistration,
  usableRegistration,
} from '../../src/domain/upstream-registration.ts'

const REDIRECT = 'https://mcp.example.com/callback/corp'
const WANTED = { redirectUri: REDIRECT, exchanges: false }
const NOW = 1_800_000_000_000
const DAY = 86_400_000

function registration(about: Partial<UpstreamRegistration> = {}): UpstreamRegistration {
  return {
    clientId: 'c1',
    clientSecret: new Secret('hush'),
    name: 'N',
    redirectUri: REDIRECT,
    registeredAt: NOW,
    ...about,
  }
}

describe('the name of a client at the provider', () => {
  it.each([
    [{ clientId: 'x', clientName: 'Claude' }, 'Claude via mcp.example.com'],
    [{ clientId: 'x' }, 'MCP client via mcp.example.com'],
    [{ clientId: 'https://claude.ai/client' }, 'claude.ai via mcp.example.com'],
    [{ clientId: 'x', clientName: 'a\u202eb\u0000\nc' }, 'a b c via mcp.example.com'],
    [{ clientId: 'x', clientName: 'N'.repeat(200) }, `${'N'.repeat(50)} via mcp.example.com`],
  ])('of %o is %s', (facts, name) => {
    expect(nameAtProvider(facts, 'mcp.example.com')).toBe(name)
  })
})

describe('a registration whose secret ends', () => {
  const ending = registration({ secretExpiresAt: NOW + 10 * DAY })

  it('begins no sign-in any more a while before, and serves what was issued to it until then (RFC 7591 §3.2.1)', () => {
    expect(usableRegistration([ending], WANTED, NOW + 9 * DAY - 1)).toBe(ending)
    expect(usableRegistration([ending], WANTED, NOW + 9 * DAY)).toBeUndefined()
    expect(findRegistration([ending], 'c1', NOW + 10 * DAY - 1)).toBe(ending)
    expect(findRegistration([ending], 'c1', NOW + 10 * DAY)).toBeUndefined()
  })

  it('is kept beside the next one while it works, and then taken back', () => {
    const next = registration({ clientId: 'c2' })
    expect(renewed([ending], next, NOW + 9 * DAY)).toEqual({ kept: [next, ending], dropped: [] })
    expect(renewed([ending], next, NOW + 10 * DAY)).toEqual({ kept: [next], dropped: [ending] })
    const third = registration({ clientId: 'c3' })
    expect(renewed([next, ending], third, NOW)).toEqual({ kept: [third, next], dropped: [ending] })
    expect(findRegistration([next, ending], 'c1', NOW)).toBe(ending)
  })
})

it('a registration for another redirect URI begins no sign-in', () => {
  const one = registration()
  expect(usableRegistration([one], WANTED, NOW)).toBe(one)
  const moved = { ...WANTED, redirectUri: 'https://moved.example.com/callback/corp' }
  expect(usableRegistration([one], moved, NOW)).toBeUndefined()
  expect(usableRegistration([], WANTED, NOW)).toBeUndefined()
})

it('a registration that was not made for exchanging tokens begins no sign-in once a route needs that', () => {
  const one = registration()
  const able = registration({ exchanges: true })
  expect(usableRegistration([one], { ...WANTED, exchanges: true }, NOW)).toBeUndefined()
  expect(usableRegistration([able], { ...WANTED, exchanges: true }, NOW)).toBe(able)
  expect(usableRegistration([able], WANTED, NOW)).toBe(able)
  expect(renewedBy(able, { clientId: 'c1', clientSecret: new Secret('another') })).toMatchObject({ exchanges: true })
})

it('registrations are read as they were written, and print no secret', () => {
  const management = { url: 'https://login.example.com/reg/c1', token: new Secret('managing') }
  const all = [registration({ management, authentication: 'client_secret_post' }), registration({ clientId: 'c0' })]
  const { clientSecret: _, ...open } = registration({ clientId: 'public' })
  const read = parseRegistrations(serializeRegistrations([...all, open]))
  expect(read).toEqual([...all, open])
  expect(read[0]?.clientSecret?.reveal()).toBe('hush')
  expect(read[0]?.management?.token.reveal()).toBe('managing')
  expect(JSON.stringify(read)).not.toMatch(/hush|managing/)
})
