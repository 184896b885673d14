import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AuditEvent } from '../../src/audit.ts'
import { Secret } from '../../src/domain/secret.ts'
import { issuedTo } from '../../src/domain/upstream-client.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { ClientRegistration, Provider } from '../../src/providers/provider.ts'
import { openSqliteStore } from '../../src/storage/sqlite.ts'
import type { Store } from '../../src/storage/store.ts'
import { createMirroredClients, type MirroredClients } from '../../src/upstream-clients/mirrored-clients.ts'
import { createUpstreamClients } from '../../src/upstream-clients/upstream-clients.ts'
import { createVault, type Vault } from '../../src/vault.ts'
import { aClient, DAY, MINUTE, NOW } from '../ports/store-rows.ts'

const CLAUDE = { clientId: 'https://claude.ai/client', clientName: 'Claude' }
const SECONDS_TO_LIVE = (10 * DAY) / 1000

let directory: string
let store: Store
let vault: Vault
let now: number
let events: AuditEvent[]
/** Client ids that were registered, and addresses that were asked to take one back. */
let registered: string[]
let removed: string[]
/** What happens between the registration and its answer. */
let meanwhile: () => Promise<void>
/** What happens before one is taken back. */
let whileRemoving: () => Promise<unknown>
/** What happens before the provider says of a client what it is. */
let whileLooking: () => Promise<void>
/** What the provider says of a client, at its own address and at the token endpoint. */
let described: Awaited<ReturnType<ClientRegistration['look']>>
let isKnown: boolean
let provider: Provider

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gatehouse-mirrored-'))
  store = await openSqliteStore({ file: join(directory, 'gatehouse.db') })
  vault = createVault([new Secret(randomBytes(32).toString('base64'))])
  now = NOW
  events = []
  registered = []
  removed = []
  meanwhile = async () => {}
  whileRemoving = async () => {}
  whileLooking = async () => {}
  const registration: ClientRegistration = {
    exchanges: false,
    async register() {
      const clientId = `c${registered.length + 1}`
      registered.push(clientId)
      await meanwhile()
      return {
        outcome: 'registered',
        client: {
          clientId,
          clientSecret: new Secret(`secret of ${clientId}`),
          secretExpiresAt: now + SECONDS_TO_LIVE * 1000,
          management: { url: `https://login.example.com/${clientId}`, token: new Secret('t') },
        },
      }
    },
    async look() {
      await whileLooking()
      return described
    },
    async remove({ url }) {
      await whileRemoving()
      removed.push(url.slice(-2))
    },
  }
  // The parts that are asked for here.
  const refresh: Provider['refresh'] = async () =>
    isKnown
      ? { outcome: 'dead', reason: 'invalid_grant' }
      : { outcome: 'misconfigured', reason: 'invalid_client', unspent: true }
  described = { outcome: 'unknown' }
  isKnown = true
  provider = { name: 'corp', registration, refresh, as: () => provider } as Partial<Provider> as Provider
})
afterEach(async () => {
  await store.close()
  rmSync(directory, { recursive: true })
})

/** As in a process of its own. */
function process(declared: readonly string[] = []): MirroredClients {
  return createMirroredClients({
    store,
    vault,
    issuer: 'https://mcp.example.com',
    places: new Map([['corp', { provider, maxClients: 5 }]]),
    declared,
    audit: (event) => void events.push(event),
    metrics: createMetrics(),
    warn: () => {},
    now: () => now,
  })
}

async function current(clients: MirroredClients, facts: { clientId: string; clientName?: string } = CLAUDE) {
  const ready = await clients.current({ provider, maxClients: 5 }, facts)
  if (ready.outcome !== 'ready') throw new Error(ready.reason)
  return ready.client
}

describe('two processes that register for one MCP client at once', () => {
  it('end with one: whoever was slower takes its own back and uses the other (RFC 7592 §2.3)', async () => {
    const [one, two] = [process(), process()]
    const both = Promise.withResolvers<void>()
    meanwhile = async () => (registered.length === 2 ? both.resolve() : both.promise)
    const clients = await Promise.all([current(one), current(two)])
    expect(registered).toEqual(['c1', 'c2'])
    const [winner] = clients
    expect(clients.map(({ clientId }) => clientId)).toEqual([winner?.clientId, winner?.clientId])
    expect(removed).toEqual(registered.filter((id) => id !== winner?.clientId))
    expect(events.map(({ event }) => event)).toEqual(['upstream_client_registered'])
  })
})

describe('a secret that ends (RFC 7591 §3.2.1)', () => {
  it('is followed by another client before, while the tokens of the former one are still served', async () => {
    const clients = process()
    const upstream = createUpstreamClients(
      new Map([
        ['corp', { provider, shared: { kind: 'shared', clientId: 'g' }, rules: { mode: 'mirrored', maxClients: 5 } }],
      ]),
      clients,
    )
    const first = issuedTo(await current(clients), CLAUDE)
    now += 9 * DAY - 1
    expect((await current(clients)).clientId).toBe('c1')
    now += 1
    expect((await current(clients)).clientId).toBe('c2')
    expect((await upstream.recall('corp', CLAUDE.clientId, first))?.issuedTo?.clientId).toBe('c1')
    expect(await upstream.recall('corp', 'another client', first)).toBeUndefined()
    now += DAY
    expect(await upstream.recall('corp', CLAUDE.clientId, first)).toBeUndefined()
    expect(removed).toEqual([])
    now += 8 * DAY
    expect((await current(clients)).clientId).toBe('c3')
    expect(removed).toEqual(['c1'])
  })
})

describe('a client that its provider refuses (invalid_client)', () => {
  const refused = (clients: MirroredClients) => clients.refused(provider, CLAUDE.clientId, 'c1', 'refresh')

  it('is forgotten once the provider says at its own address that it is gone (RFC 7592 §2.1)', async () => {
    const clients = process()
    await current(clients)
    described = { outcome: 'there' }
    expect(await refused(clients)).toBe(false)
    now += MINUTE
    described = { outcome: 'gone' }
    expect(await refused(clients)).toBe(true)
    expect(events.at(-1)).toMatchObject({ event: 'upstream_client_forgotten', upstreamClient: { id: 'c1' } })
    expect((await current(clients)).clientId).toBe('c2')
    // Whose tokens were issued to it hears the same, from then on.
    expect(await refused(clients)).toBe(true)
  })

  it('is not forgotten while that address says that it is there, however long', async () => {
    const clients = process()
    await current(clients)
    described = { outcome: 'there' }
    for (let minutes = 0; minutes < 20; minutes += 1) {
      expect(await refused(clients)).toBe(false)
      now += MINUTE
    }
    expect((await current(clients)).clientId).toBe('c1')
  })

  it('is forgotten at a refusal five minutes after the first one, where nobody says, but not if it was accepted', async () => {
    const clients = process()
    await current(clients)
    expect(await refused(clients)).toBe(false)
    now += 5 * MINUTE - 1
    expect(await refused(clients)).toBe(false)
    clients.accepted('corp', 'c1')
    now += 1
    expect(await refused(clients)).toBe(false)
    now += 5 * MINUTE
    expect(await refused(clients)).toBe(true)
  })

  it('stays lost until another one could be registered, however long the provider takes', async () => {
    const clients = process()
    await current(clients)
    isKnown = false
    now += 5 * MINUTE
    const ask = () => clients.current({ provider, maxClients: 5 }, CLAUDE)
    expect(await ask()).toEqual({ outcome: 'unavailable', reason: 'client_refused' })
    now += 5 * MINUTE
    meanwhile = () => Promise.reject(new Error('no registration now'))
    await expect(ask()).rejects.toThrow('no registration now')
    meanwhile = async () => {}
    expect(await ask()).toMatchObject({ outcome: 'ready', client: { clientId: 'c3' } })
  })

  it('is not forgotten for two refusals hours apart', async () => {
    const clients = process()
    await current(clients)
    expect(await refused(clients)).toBe(false)
    now += 60 * MINUTE
    expect(await refused(clients)).toBe(false)
  })

  it('goes on with the secret and the address that the provider has given it meanwhile (RFC 7592 §3)', async () => {
    const clients = process()
    await current(clients)
    const management = { url: 'https://login.example.com/new', token: new Secret('u') }
    described = { outcome: 'there', client: { clientId: 'c1', clientSecret: new Secret('changed'), management } }
    expect(await refused(clients)).toBe(false)
    expect((await current(process())).clientSecret?.reveal()).toBe('changed')
    await clients.clientGone(CLAUDE.clientId)
    expect(removed).toEqual(['ew'])
  })

  it('is not taken for gone where an answer at its address was lost before: that one may have replaced its token (RFC 7592 §3)', async () => {
    const clients = process()
    await current(clients)
    expect(await refused(clients)).toBe(false)
    clients.accepted('corp', 'c1')
    now += 60 * MINUTE
    described = { outcome: 'gone' }
    expect(await refused(clients)).toBe(false)
    now += 5 * MINUTE
    expect(await refused(clients)).toBe(true)
  })

  it('is not forgotten when it was accepted while its provider was asked after it', async () => {
    const clients = process()
    await current(clients)
    whileLooking = async () => clients.accepted('corp', 'c1')
    described = { outcome: 'gone' }
    expect(await refused(clients)).toBe(false)
    whileLooking = async () => {}
    expect(await refused(clients)).toBe(true)
  })

  it('keeps its secret where the provider does not repeat it', async () => {
    const clients = process()
    await current(clients)
    described = { outcome: 'there', client: { clientId: 'c1' } }
    expect(await refused(clients)).toBe(false)
    expect((await current(process())).clientSecret?.reveal()).toBe('secret of c1')
  })

  it('begins no sign-in until that is cleared up: its users would meet an error page', async () => {
    const clients = process()
    await current(clients)
    isKnown = false
    now += 5 * MINUTE
    const facts = [{ provider, maxClients: 5 }, CLAUDE] as const
    expect(await clients.current(...facts)).toEqual({ outcome: 'unavailable', reason: 'client_refused' })
    isKnown = true
    expect((await current(clients)).clientId).toBe('c1')
    expect(registered).toEqual(['c1'])
  })
})

describe('what is collected', () => {
  it('is what was registered for MCP clients that are gone, a while after it was last used, and once', async () => {
    const clients = process(['declared'])
    for (const clientId of ['declared', 'stored', 'gone']) await current(clients, { clientId })
    await store.createClient(aClient({ clientId: 'stored' }))
    now += 59 * MINUTE
    await current(clients, { clientId: 'on its way' })
    expect(await clients.collect(10)).toBe(0)
    now += MINUTE
    expect(await clients.collect(10)).toBe(1)
    expect(await clients.collect(10)).toBe(0)
    expect(removed).toEqual(['c3'])
    expect(events.at(-1)).toMatchObject({
      event: 'upstream_client_removed',
      clientId: 'gone',
      upstreamClient: { id: 'c3' },
    })
    // Who comes back gets another one.
    expect((await current(clients, { clientId: 'gone' })).clientId).toBe('c5')
  })

  it('is not what somebody begins to sign in with while others are taken back at the provider', async () => {
    const clients = process()
    for (const clientId of ['gone', 'back']) {
      await current(clients, { clientId })
      now += MINUTE
    }
    now += 60 * MINUTE
    whileRemoving = () => current(clients, { clientId: 'back' })
    expect(await clients.collect(10)).toBe(1)
    expect(removed).toEqual(['c1'])
    expect((await current(clients, { clientId: 'back' })).clientId).toBe('c2')
  })

  it('is not what is in use: each sign-in counts', async () => {
    const clients = process()
    await current(clients)
    now += 50 * MINUTE
    await current(clients)
    now += 50 * MINUTE
    expect(await clients.collect(10)).toBe(0)
    now += 10 * MINUTE
    expect(await clients.collect(10)).toBe(1)
  })
})

describe('where no more clients may be registered', () => {
  it('whoever has begun a sign-in keeps theirs to its end, also when that was not noted as use', async () => {
    const clients = process()
    const ask = (clientId: string) => clients.current({ provider, maxClients: 1 }, { clientId })
    expect(await ask('first')).toMatchObject({ outcome: 'ready' })
    now += 5 * MINUTE - 1
    expect(await ask('first')).toMatchObject({ outcome: 'ready' })
    now += 10 * MINUTE - 1
    expect(await ask('second')).toEqual({ outcome: 'unavailable', reason: 'too_many_clients' })
    expect((await clients.find('corp', 'first', 'c1'))?.clientId).toBe('c1')
    now += 2
    expect(await ask('second')).toMatchObject({ outcome: 'ready' })
  })
})

describe('what is stored of a client', () => {
  it('opens under its provider and MCP client alone, and names nothing in the clear (B281)', async () => {
    await current(process())
    const row = await store.findUpstreamClient('corp', CLAUDE.clientId)
    if (!row) throw new Error('not stored')
    // With a quote and a space, which no ciphertext has: two letters alone would be in one of ten.
    expect(JSON.stringify(row)).not.toMatch(/"c1|secret of/)
    for (const moved of [
      { ...row, clientId: 'another client' },
      { ...row, provider: 'other' },
    ]) {
      await store.putUpstreamClient({ ...moved, version: 1 }, { capacity: 5, idleSince: 0 })
      expect(await process().find(moved.provider, moved.clientId, 'c1')).toBeUndefined()
    }
    expect((await process().find('corp', CLAUDE.clientId, 'c1'))?.clientSecret?.reveal()).toBe('secret of c1')
  })
})
