import { text } from 'node:stream/consumers'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { type LedgerProvider, revocationAt, startLedgerProvider } from '../fixtures/ledger-provider.ts'
import { installMovableClock, type MovableClock } from '../fixtures/movable-clock.ts'
import { callRoute, obtainTokens, register, revoke } from '../fixtures/oauth-requests.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

const TTL_MS = 10 * 60_000

let clock: MovableClock
let provider: LedgerProvider
let revocations: PlainServer
let server: PlainServer
let gateway: TestGateway
/** What the provider was asked to take back. */
let givenBack: (string | null)[]

beforeEach(async () => {
  clock = installMovableClock()
  givenBack = []
  provider = await startLedgerProvider({ graceMs: 0, accessTtlSeconds: TTL_MS / 1000 })
  revocations = await startPlainServer(async (request, response) => {
    givenBack.push(new URLSearchParams(await text(request)).get('token'))
    response.end()
  })
  server = await startPlainServer((_request, response) => void response.end('{}'))
  gateway = await startTestGateway({
    providers: { corp: { ...provider.yaml, revocation: revocationAt(revocations.url) } },
    routes: { '/mcp': { upstream: server.url, sign_in: 'corp', credential: { kind: 'provider-token' } } },
  })
})
afterEach(async () => {
  await gateway.close()
  await Promise.all([provider.close(), revocations.close(), server.close()])
  clock.restore()
})

it('a token that waits for its database when its grant ends is given back, too (C15, V-03)', async () => {
  const client = await register(gateway.issuer)
  const tokens = await obtainTokens(gateway.issuer, client)
  clock.advance(TTL_MS)
  const blocker = new Database(gateway.databaseFile)
  provider.onRefresh(() => blocker.exec('BEGIN IMMEDIATE'))
  expect((await callRoute(`${gateway.issuer}/mcp`, tokens.accessToken)).status).toBe(200)
  const newest = provider.secrets().at(-1)
  blocker.exec('ROLLBACK')
  blocker.close()
  // As a rule before the write that is to be repeated.
  expect((await revoke(gateway.issuer, client, tokens.refreshToken)).status).toBe(200)
  await expect.poll(() => givenBack, { timeout: 20_000 }).toContain(newest)
  expect((await callRoute(`${gateway.issuer}/mcp`, tokens.accessToken)).status).toBe(401)
})
