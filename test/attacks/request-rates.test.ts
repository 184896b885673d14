import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OpenAccess } from '../../src/gateway/access-cache.ts'
import { createRequestRates } from '../../src/gateway/request-rates.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { ask } from '../fixtures/http-exchange.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { registerClient } from '../fixtures/oauth-client.ts'
import { ALICE, cheapHash } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'
import type { Person } from '../fixtures/walk.ts'

const BOB: Person = { username: 'bob', password: 'another staple' }
const CAROL: Person = { username: 'carol', password: 'a third staple' }
const LIMITS = { requests_per_user: 6, requests_per_client: 9 }

let server: PlainServer
let gateway: TestGateway
let forwarded = 0

beforeAll(async () => {
  server = await startPlainServer(async (request, response) => {
    await text(request)
    forwarded += 1
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  const users = Object.fromEntries([ALICE, BOB, CAROL].map(({ username, password }) => [username, cheapHash(password)]))
  const route = { upstream: server.url, sign_in: 'home' }
  gateway = await startTestGateway({
    providers: { home: { type: 'password', users } },
    routes: { '/mcp': route, '/other': route },
    limits: LIMITS,
  })
})

afterAll(async () => {
  await gateway.close()
  await server.close()
})

/** How many of `count` calls are answered, and the first refusal. */
async function call(path: string, token: string, count: number) {
  const answers: Response[] = []
  for (let sent = 0; sent < count; sent += 1) answers.push(await callMcp(`${gateway.issuer}${path}`, token))
  return { good: answers.filter(({ ok }) => ok).length, refused: answers.find(({ status }) => status !== 200) }
}

describe('requests a minute', () => {
  it('of one user are limited over all clients and routes, with 429 as JSON and Retry-After; others go on (X-17)', async () => {
    const [one, two] = [await registerClient(gateway.issuer), await registerClient(gateway.issuer)]
    const here = await one.obtain(`${gateway.issuer}/mcp`, ALICE)
    const there = await two.obtain(`${gateway.issuer}/other`, ALICE)
    const other = await one.obtain(`${gateway.issuer}/mcp`, BOB)

    expect((await call('/mcp', here.access_token, 4)).good).toBe(4)
    const { good, refused } = await call('/other', there.access_token, 4)
    expect(good).toBe(2)
    expect(refused?.status).toBe(429)
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(Number(refused?.headers.get('retry-after'))).toBeLessThanOrEqual(60)
    expect(refused?.headers.get('cache-control')).toBe('no-store')
    expect(await refused?.json()).toMatchObject({ jsonrpc: '2.0', error: { code: 429 }, id: null })
    expect((await call('/mcp', other.access_token, 1)).good).toBe(1)

    // Decided after the token, before anything else happens: a stranger spends nobody's budget, and the server saw nothing.
    expect((await callMcp(`${gateway.issuer}/mcp`, undefined)).status).toBe(401)
    expect(forwarded).toBe(7)
    const { body } = await ask(`${gateway.operations}/metrics`)
    expect(body).toContain('gatehouse_requests_total{route="/other",outcome="user_rate"} 2')
  })

  it('of one client are limited over all its users; those of other clients go on (X-17)', async () => {
    const shared = await registerClient(gateway.issuer)
    const own = await registerClient(gateway.issuer)
    const resource = `${gateway.issuer}/mcp`
    const [bob, carol] = [await shared.obtain(resource, BOB), await shared.obtain(resource, CAROL)]
    expect((await call('/mcp', bob.access_token, 5)).good).toBe(5)
    const { good, refused } = await call('/mcp', carol.access_token, 5)
    expect([good, refused?.status]).toEqual([4, 429])
    // What was refused for the client was not counted for the user.
    expect((await call('/mcp', (await own.obtain(resource, CAROL)).access_token, 2)).good).toBe(2)
  })
})

describe('a budget', () => {
  const access = (subject: string, clientId = 'client') =>
    ({ identity: { provider: 'home', subject, groups: [] }, grant: { clientId } }) as unknown as OpenAccess

  it('holds the requests of a minute, fills up evenly, and says when it will do', () => {
    let now = 0
    const rates = createRequestRates({ requestsPerUser: 6 }, () => now)
    const take = () => rates?.take(access('alice'))
    for (let count = 0; count < 6; count += 1) expect(take()).toBeUndefined()
    expect(take()?.refusal).toMatchObject({ status: 429, headers: { 'retry-after': '10' } })
    now = 9_999
    expect(take()?.refusal.headers).toEqual({ 'retry-after': '1' })
    now = 10_000
    expect(take()).toBeUndefined()
    expect(take()).toBeDefined()
    now = 10_000_000
    for (let count = 0; count < 6; count += 1) expect(take()).toBeUndefined()
    expect(take()).toBeDefined()
  })

  it('is not made for anybody when nothing is limited', () => {
    expect(createRequestRates({})).toBeUndefined()
  })

  it('takes bounded memory, however many ask (B278)', () => {
    const rates = createRequestRates({ requestsPerUser: 1, requestsPerClient: 1_000_000 }, () => 0)
    for (let count = 0; count < 100_000; count += 1) rates?.take(access(`user-${count}`))
    // The newest are still counted, the first are forgotten.
    expect(rates?.take(access('user-99999'))?.reason).toBe('user_rate')
    expect(rates?.take(access('user-0'))).toBeUndefined()
  })
})
