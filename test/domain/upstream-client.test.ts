import { describe, expect, it } from 'vitest'
import type { Client } from '../../src/domain/client.ts'
import { parseTokens, serializeTokens } from '../../src/domain/credential.ts'
import { Secret } from '../../src/domain/secret.ts'
import {
  type ClientFacts,
  chooseClient,
  factsOf,
  issuedTo,
  type MappingRule,
  type UpstreamClient,
} from '../../src/domain/upstream-client.ts'

const SHARED: UpstreamClient = { kind: 'shared', clientId: 'gatehouse' }
const OWN: UpstreamClient = { kind: 'mapped', clientId: 'own', clientSecret: new Secret('hush'), name: 'Own' }

function choose(match: MappingRule['match'], facts: ClientFacts): string | undefined {
  return chooseClient({ mode: 'mapped', rules: [{ match, client: OWN }], otherwise: 'shared' }, facts, SHARED)?.clientId
}

const CIMD: ClientFacts = {
  clientId: 'https://claude.ai/oauth/client',
  clientName: 'Claude',
  redirectHost: 'claude.ai',
}

describe('a rule for upstream clients', () => {
  it.each<[string, MappingRule['match'], ClientFacts, ClientFacts]>([
    ['client_id, exactly', { clientId: 'inspector' }, { clientId: 'inspector' }, { clientId: 'inspector2' }],
    ['client_id_host', { clientIdHost: 'claude.ai' }, CIMD, { ...CIMD, clientId: 'https://claude.ai.evil.example/x' }],
    [
      'client_id_host with a port',
      { clientIdHost: 'app.example:8443' },
      { clientId: 'https://app.example:8443/client' },
      { clientId: 'https://app.example/client' },
    ],
    ['redirect_host', { redirectHost: 'claude.ai' }, CIMD, { ...CIMD, redirectHost: 'evil.example' }],
    ['client_name with stars', { clientName: 'Clau*' }, CIMD, { ...CIMD, clientName: 'Not Claude' }],
    [
      'everything in it at once',
      { clientName: 'Claude', redirectHost: 'claude.ai' },
      CIMD,
      { ...CIMD, redirectHost: 'evil.example' },
    ],
  ])('fits by %s', (_, match, fitting, other) => {
    expect(choose(match, fitting)).toBe('own')
    expect(choose(match, other)).toBe('gatehouse')
  })

  it('takes no registered client for one that a host vouches for', () => {
    expect(choose({ clientIdHost: 'claude.ai' }, { ...CIMD, clientId: 'client-claude.ai' })).toBe('gatehouse')
  })

  it('does not fit a client without the fact that it asks for', () => {
    expect(choose({ clientName: '*' }, { clientId: 'nameless' })).toBe('gatehouse')
    expect(choose({ redirectHost: 'claude.ai' }, { clientId: 'nameless' })).toBe('gatehouse')
  })

  it('counts when it is the first that fits, and refuses whom none fits only if told to', () => {
    const second: UpstreamClient = { kind: 'mapped', clientId: 'second' }
    const rules = [
      { match: { clientId: 'a' }, client: OWN },
      { match: { clientName: '*' }, client: second },
    ]
    const by = (facts: ClientFacts, otherwise: 'shared' | 'refuse') =>
      chooseClient({ mode: 'mapped', rules, otherwise }, facts, SHARED)
    expect(by({ clientId: 'a', clientName: 'A' }, 'refuse')).toBe(OWN)
    expect(by({ clientId: 'b', clientName: 'B' }, 'refuse')).toBe(second)
    expect(by({ clientId: 'c' }, 'shared')).toBe(SHARED)
    expect(by({ clientId: 'c' }, 'refuse')).toBeUndefined()
  })
})

describe('what is known of a client', () => {
  const client = { clientId: 'c', clientName: 'Name' } as Client
  it.each([
    ['https://claude.ai/callback', 'claude.ai'],
    ['https://app.example:8443/callback', 'app.example:8443'],
    ['http://127.0.0.1:9/callback', '127.0.0.1'],
    ['cursor://anysphere.cursor-mcp/oauth/callback', undefined],
    ['javascript:alert(1)', undefined],
  ])('names the host of %s', (uri, host) => {
    expect(factsOf(client, uri)).toEqual({ clientId: 'c', clientName: 'Name', ...(host && { redirectHost: host }) })
  })
})

describe('held tokens', () => {
  it('remember to which client they were issued, without its secret', () => {
    const issued = issuedTo(OWN, CIMD)
    expect(issued).toEqual({
      kind: 'mapped',
      clientId: 'own',
      name: 'Own',
      facts: { clientName: 'Claude', redirectHost: 'claude.ai' },
    })
    const held = { accessToken: new Secret('a'), obtainedAt: 1, issuedTo: issued }
    expect(serializeTokens(held)).not.toContain('hush')
    expect(parseTokens(serializeTokens(held)).issuedTo).toEqual(issued)
  })

  it('from before that was noted are read as they are', () => {
    const held = parseTokens(JSON.stringify({ access_token: 'a', obtained_at: 1 }))
    expect(held.accessToken.reveal()).toBe('a')
    expect('issuedTo' in held).toBe(false)
  })
})
