import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { ask } from '../fixtures/http-exchange.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { registerClient } from '../fixtures/oauth-client.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

let server: PlainServer
let gateway: TestGateway
let token: string

beforeAll(async () => {
  server = await startPlainServer(async (request, response) => {
    await text(request)
    if (request.method === 'GET') response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    else response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  const route = { upstream: server.url, sign_in: 'home' }
  gateway = await startTestGateway({
    providers: await passwordProviders(),
    routes: { '/mcp': route, '/other': route },
  })
  const client = await registerClient(gateway.issuer)
  token = (await client.obtain(`${gateway.issuer}/mcp`, ALICE)).access_token
})

afterAll(async () => {
  await gateway.close()
  await server.close()
})

/** The value of each line of /metrics that stands under `name`, by its labels. */
async function metric(name: string): Promise<Record<string, number>> {
  const { body } = await ask(`${gateway.operations}/metrics`)
  const lines = body.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
  return Object.fromEntries(
    lines.map((line) => {
      const value = line.lastIndexOf(' ')
      return [line.slice(name.length, value), Number(line.slice(value + 1))]
    }),
  )
}

it('requests are counted by route and what became of them, refusals by their reason', async () => {
  const [mcp, other] = [`${gateway.issuer}/mcp`, `${gateway.issuer}/other`]
  for (let count = 0; count < 2; count += 1) expect((await callMcp(mcp, token)).status).toBe(200)
  expect((await callMcp(mcp, undefined)).status).toBe(401)
  expect((await callMcp(mcp, 'planted')).status).toBe(401)
  expect((await callMcp(other, token)).status).toBe(401)
  expect((await callMcp(`${mcp}?access_token=planted`, undefined)).status).toBe(400)
  expect((await callMcp(mcp, token, { headers: { origin: 'https://planted.example' } })).status).toBe(403)
  expect((await callMcp(mcp, token, { method: 'PUT' })).status).toBe(405)
  expect((await callMcp(mcp, token, { headers: { 'mcp-session-id': 'planted' } })).status).toBe(404)
  expect(await metric('gatehouse_requests_total')).toEqual({
    '{route="/mcp",outcome="answered"}': 2,
    '{route="/mcp",outcome="no_token"}': 1,
    '{route="/mcp",outcome="invalid_token"}': 1,
    '{route="/other",outcome="invalid_token"}': 1,
    '{route="/mcp",outcome="token_in_query"}': 1,
    '{route="/mcp",outcome="origin_refused"}': 1,
    '{route="/mcp",outcome="method_refused"}': 1,
    '{route="/mcp",outcome="session_refused"}': 1,
  })
  expect((await ask(`${gateway.operations}/metrics`)).body).not.toContain('planted')
})

it('what no endpoint foresaw is counted by endpoint and status, never by what was asked for (B266)', async () => {
  await ask(`${gateway.issuer}/planted`, { headers: { host: 'planted.example' } })
  await ask(`${gateway.issuer}/mcp`, { headers: { host: 'planted.example' } })
  await ask(`${gateway.issuer}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{',
  })
  expect(await metric('gatehouse_refusals_total')).toEqual({
    '{endpoint="(unknown)",status="421"}': 1,
    '{endpoint="/mcp",status="421"}': 1,
    '{endpoint="/register",status="400"}': 1,
  })
})

it('how long servers take is measured to the first byte and to the end, and streams are counted while they are open (P-60)', async () => {
  const before = await metric('gatehouse_upstream_first_byte_seconds_count')
  const leaving = new AbortController()
  const stream = await callMcp(`${gateway.issuer}/mcp`, token, { method: 'GET', body: null, signal: leaving.signal })
  expect(stream.status).toBe(200)
  const mcp = '{route="/mcp"}'
  const after = await metric('gatehouse_upstream_first_byte_seconds_count')
  expect(after[mcp]).toBe((before[mcp] ?? 0) + 1)
  expect((await metric('gatehouse_open_exchanges'))[mcp]).toBe(1)
  const ended = (await metric('gatehouse_upstream_response_seconds_count'))[mcp] ?? 0
  leaving.abort()
  while ((await metric('gatehouse_open_exchanges'))[mcp] !== 0);
  expect((await metric('gatehouse_upstream_response_seconds_count'))[mcp]).toBe(ended + 1)
})

it('a duration counts in its bucket and in every larger one, and adds to the sum', async () => {
  const mcp = 'route="/mcp"'
  const name = 'gatehouse_upstream_response_seconds'
  const buckets = await metric(`${name}_bucket`)
  const ofRoute = Object.entries(buckets).filter(([labels]) => labels.includes(mcp))
  expect(ofRoute.map(([labels]) => labels)).toEqual(
    ['0.005', '0.02', '0.1', '0.5', '2', '10', '60', '600', '+Inf'].map((le) => `{le="${le}",${mcp}}`),
  )
  const counts = ofRoute.map(([, count]) => count)
  expect(counts).toEqual([...counts].sort((a, b) => a - b))
  const count = (await metric(`${name}_count`))[`{${mcp}}`]
  expect(count).toBeGreaterThan(0)
  expect(counts.at(-1)).toBe(count)
  expect((await metric(`${name}_sum`))[`{${mcp}}`]).toBeGreaterThan(0)
})
