import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ClientsGateway, startClientsGateway } from '../fixtures/clients-gateway.ts'
import { createExchangeGrant, type ExchangeGrant } from '../fixtures/exchange-grant.ts'
import { installMovableClock, type MovableClock } from '../fixtures/movable-clock.ts'
import {
  callRoute,
  type KnownClient,
  obtainTokens,
  REDIRECT_URI,
  register,
  type Tokens,
} from '../fixtures/oauth-requests.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

const SUBJECT_TTL_MS = 4 * 60 * 60_000
const ISSUED_TTL_MS = 10 * 60_000
const MINUTE = 60_000

let clock: MovableClock
let grant: ExchangeGrant
let server: PlainServer
let rig: ClientsGateway
let client: KnownClient
let tokens: Tokens
/** What the MCP server got. */
let seen: string[]

beforeEach(async () => {
  clock = installMovableClock()
  seen = []
  server = await startPlainServer((request, response) => {
    request.resume()
    seen.push(String(request.headers.authorization).replace('Bearer ', ''))
    response.end('{}')
  })
  grant = createExchangeGrant(['wiki'], ISSUED_TTL_MS / 1000)
  const exchange = (audience: string) => ({ kind: 'token-exchange', audience })
  rig = await startClientsGateway(
    { upstream_clients: { mode: 'mirrored' } },
    { registration: 'open', accessTokenTtlSeconds: SUBJECT_TTL_MS / 1000, exchange: grant },
    {
      routes: {
        '/mcp': { upstream: server.url, sign_in: 'corp', credential: exchange('wiki') },
        '/plain': { upstream: server.url, sign_in: 'corp', credential: { kind: 'provider-token' } },
      },
    },
  )
  client = await register(rig.issuer, { redirect_uris: [REDIRECT_URI] })
  tokens = await obtain('/mcp')
})
afterEach(async () => {
  await rig?.close()
  await server?.close()
  clock.restore()
})

const obtain = (path: string) => obtainTokens(rig.issuer, client, { resource: rig.issuer + path })
const call = async (path = '/mcp', held = tokens) => (await callRoute(rig.issuer + path, held.accessToken)).status
const registrations = () => rig.provider.events.filter(({ event }) => event === 'registration_create.success')

describe('a client that is registered at a provider whose tokens are exchanged (RFC 7591, RFC 8693)', () => {
  it('may exchange them', async () => {
    expect(await call()).toBe(200)
    expect(seen).toEqual([grant.issued[0]?.token])
  })

  it('counts as known when an exchange succeeds: two refusals with one in between forget nobody', async () => {
    rig.provider.setMode({ management: 'unavailable', tokenEndpoint: 'knows-nobody' })
    expect(await call()).toBe(502)
    rig.provider.setMode({ tokenEndpoint: 'ok' })
    clock.advance(MINUTE)
    expect(await call()).toBe(200)
    rig.provider.setMode({ tokenEndpoint: 'knows-nobody' })
    clock.advance(ISSUED_TTL_MS)
    expect(await call()).toBe(502)
    expect(rig.audited('upstream_client_forgotten')).toEqual([])
  })

  it('is not lost when a provider says invalid_client of the audience, as Keycloak does, however often', async () => {
    const other = await obtain('/plain')
    rig.provider.setMode({ management: 'unavailable' })
    grant.refuse('invalid_client')
    for (const minutes of [0, 3, 6]) {
      clock.advance(minutes * MINUTE)
      expect(await call()).toBe(502)
    }
    expect(await call('/plain', other)).toBe(200)
    expect(rig.audited('upstream_client_forgotten')).toEqual([])
    expect(registrations()).toHaveLength(1)
  })

  it('is forgotten all the same when the provider refuses it whatever it is asked', async () => {
    await rig.provider.forget(String(registrations()[0]?.clientId))
    rig.provider.setMode({ management: 'unavailable' })
    expect(await call()).toBe(502)
    clock.advance(5 * MINUTE)
    expect(await call()).toBe(401)
    expect(rig.audited('upstream_client_forgotten')).toHaveLength(1)
  })
})
