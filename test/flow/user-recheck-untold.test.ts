import { afterEach, beforeEach, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { type LedgerProvider, startLedgerProvider } from '../fixtures/ledger-provider.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { installMovableClock, type MovableClock } from '../fixtures/movable-clock.ts'
import { type OAuthClient, registerClient } from '../fixtures/oauth-client.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

const HOUR_MS = 60 * 60_000

let clock: MovableClock
let provider: LedgerProvider
let server: PlainServer
let gateway: TestGateway
let client: OAuthClient

/** A provider that never says how long its tokens live, and a server that gets them. */
beforeEach(async () => {
  clock = installMovableClock()
  provider = await startLedgerProvider({ graceMs: 0, accessTtlSeconds: 10 * 3600, untold: true })
  server = await startPlainServer((_request, response) => void response.end('{}'))
  const route = { upstream: server.url, sign_in: 'corp', credential: { kind: 'provider-token' } }
  gateway = await startTestGateway({
    providers: { corp: provider.yaml },
    routes: { '/some': { ...route, allow: { users: ['alice'] } }, '/all': route },
  })
  client = await registerClient(gateway.issuer)
})
afterEach(async () => {
  await gateway?.close()
  await Promise.all([server?.close(), provider?.close()])
  clock.restore()
})

it('a user of a route for some is asked about again at a refresh once an hour, also where tokens have no known end (U-11)', async () => {
  let tokens = await client.obtain(`${gateway.issuer}/some`)
  for (const asked of [0, 1, 1, 2]) {
    clock.advance(HOUR_MS / 2 + (asked === 0 ? 0 : 1))
    tokens = await client.refresh(tokens.refresh_token)
    expect([tokens.status, provider.refreshes()]).toEqual([200, asked])
  }
  provider.endFamilies()
  clock.advance(HOUR_MS)
  expect(await client.refresh(tokens.refresh_token)).toMatchObject({ status: 400, error: 'invalid_grant' })
  expect((await callMcp(`${gateway.issuer}/some`, tokens.access_token)).status).toBe(401)
  expect(provider.violations).toEqual([])
})

it('a user of a route for everybody is not: their tokens work until their server refuses them', async () => {
  const tokens = await client.obtain(`${gateway.issuer}/all`)
  clock.advance(2 * HOUR_MS)
  expect((await client.refresh(tokens.refresh_token)).status).toBe(200)
  expect(provider.refreshes()).toBe(0)
})
