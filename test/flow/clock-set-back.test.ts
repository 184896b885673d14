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
/** Access tokens that the MCP server takes no more. */
let refused: Set<string>
let sent: string[]

beforeEach(async () => {
  clock = installMovableClock()
  refused = new Set()
  sent = []
  provider = await startLedgerProvider({ graceMs: 0, accessTtlSeconds: 10 * 3600 })
  server = await startPlainServer(({ headers }, response) => {
    const token = headers.authorization?.replace('Bearer ', '') ?? ''
    sent.push(token)
    response.writeHead(refused.has(token) ? 401 : 200).end('{}')
  })
  const route = { upstream: server.url, sign_in: 'corp' }
  gateway = await startTestGateway({
    providers: { corp: provider.yaml },
    routes: {
      '/own': { ...route, credential: { kind: 'provider-token' } },
      '/some': { ...route, allow: { users: ['alice'] } },
    },
  })
  client = await registerClient(gateway.issuer)
})
afterEach(async () => {
  await gateway?.close()
  await Promise.all([server?.close(), provider?.close()])
  clock.restore()
})

it('a token from before the clock was set back is replaced when its server refuses it, and not taken for a young one (C18, C58)', async () => {
  const tokens = await client.obtain(`${gateway.issuer}/own`)
  const call = () => callMcp(`${gateway.issuer}/own`, tokens.access_token)
  expect((await call()).status).toBe(200)
  clock.advance(-HOUR_MS)
  refused.add(String(sent[0]))
  expect((await call()).status).toBe(200)
  expect(provider.refreshes()).toBe(1)
  expect(provider.violations).toEqual([])
})

it('a user is asked about again although the clock was set back behind the last time (U-11, C58)', async () => {
  const tokens = await client.obtain(`${gateway.issuer}/some`)
  clock.advance(-HOUR_MS)
  provider.endFamilies()
  expect(await client.refresh(tokens.refresh_token)).toMatchObject({ status: 400, error: 'invalid_grant' })
})
