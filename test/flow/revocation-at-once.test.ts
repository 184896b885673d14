import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { type LedgerProvider, revocationAt, startLedgerProvider } from '../fixtures/ledger-provider.ts'
import { callRoute, type KnownClient, obtainTokens, register, revoke, type Tokens } from '../fixtures/oauth-requests.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

const GRANTS = 12
const AT_ONCE = 8

let provider: LedgerProvider
let revocations: PlainServer
let server: PlainServer
let gateway: TestGateway
let client: KnownClient
/** What the provider was asked to take back, and has not answered yet. */
let waiting: ServerResponse[]
let asked: number
let mostAtOnce: number

beforeEach(async () => {
  waiting = []
  asked = 0
  mostAtOnce = 0
  provider = await startLedgerProvider({ graceMs: 0, accessTtlSeconds: 3600 })
  revocations = await startPlainServer((_request, response) => {
    waiting.push(response)
    asked += 1
    mostAtOnce = Math.max(mostAtOnce, waiting.length)
  })
  server = await startPlainServer((_request, response) => void response.end('{}'))
  gateway = await startTestGateway({
    providers: { corp: { ...provider.yaml, revocation: revocationAt(revocations.url) } },
    routes: { '/mcp': { upstream: server.url, sign_in: 'corp', credential: { kind: 'provider-token' } } },
  })
  client = await register(gateway.issuer)
})
afterEach(async () => {
  await Promise.all([provider.close(), revocations.close(), server.close()])
})

async function obtainMany(count: number): Promise<Tokens[]> {
  const all: Tokens[] = []
  for (let index = 0; index < count; index += 1) all.push(await obtainTokens(gateway.issuer, client))
  return all
}

it('grants that end together end at once, and a few at a time give their tokens back (V-03, C25)', async () => {
  const all = await obtainMany(GRANTS)
  await Promise.all(all.map(({ refreshToken }) => revoke(gateway.issuer, client, refreshToken)))
  for (const { accessToken } of all) expect((await callRoute(`${gateway.issuer}/mcp`, accessToken)).status).toBe(401)
  for (let answered = 0; answered < GRANTS; answered += 1) {
    await expect.poll(() => asked, { timeout: 20_000 }).toBeGreaterThanOrEqual(Math.min(GRANTS, AT_ONCE + answered))
    waiting.shift()?.end()
  }
  await gateway.close()
  expect([asked, mostAtOnce]).toEqual([GRANTS, AT_ONCE])
  expect(gateway.output()).not.toContain('were not given back')
})

it('a shutdown does not wait for ever for a provider that takes nothing back, and says how many it left (V-03)', async () => {
  const [tokens] = await obtainMany(1)
  await revoke(gateway.issuer, client, String(tokens?.refreshToken))
  await expect.poll(() => asked, { timeout: 20_000 }).toBe(1)
  await gateway.close()
  const line = gateway
    .output()
    .split('\n')
    .find((text) => text.includes('were not given back'))
  expect(JSON.parse(line ?? '{}')).toMatchObject({ level: 40, left: 1 })
})
