import { readdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createExchangeGrant, type ExchangeGrant } from '../fixtures/exchange-grant.ts'
import type { TestGateway } from '../fixtures/gateway.ts'
import { type IdentityProvider, startIdentityProvider } from '../fixtures/identity-provider.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { installMovableClock, type MovableClock } from '../fixtures/movable-clock.ts'
import { type OAuthClient, registerClient, type TokenAnswer } from '../fixtures/oauth-client.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'
import { oidcProviders, startProviderGateway } from '../fixtures/provider-gateway.ts'

const CALLERS = 50
const VERSION = 'SELECT version FROM credentials'
const SUBJECT_TTL_MS = 60 * 60_000
const ISSUED_TTL_MS = 10 * 60_000
/** Before and after the 80 % of its life at which an issued token is exchanged anew. */
const STILL_FRESH_MS = ISSUED_TTL_MS * 0.7
const DUE_MS = ISSUED_TTL_MS * 0.9

let clock: MovableClock
let grant: ExchangeGrant
let provider: IdentityProvider
let server: PlainServer
let gateway: TestGateway
let client: OAuthClient
let alice: TokenAnswer
let resource: string
/** What the MCP server got as credential. */
let seen: string[]
/** What it answers 401 to. */
let refuses: (token: string) => boolean

beforeEach(async () => {
  clock = installMovableClock()
  seen = []
  refuses = () => false
  grant = createExchangeGrant(['wiki'], ISSUED_TTL_MS / 1000)
  provider = await startIdentityProvider({
    accessTokenTtlSeconds: SUBJECT_TTL_MS / 1000,
    exchange: grant,
    accounts: [
      { sub: 'alice', email: 'alice@example.com', email_verified: true },
      { sub: 'bob', email: 'bob@example.com', email_verified: true },
    ],
  })
  server = await startPlainServer((request, response) => {
    request.resume()
    const token = String(request.headers.authorization).replace('Bearer ', '')
    seen.push(token)
    if (refuses(token)) return void response.writeHead(401, { 'www-authenticate': 'Bearer realm="wiki"' }).end()
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  const exchange = (audience: string) => ({ kind: 'token-exchange', audience, scope: ['wiki.read', 'wiki.write'] })
  gateway = await startProviderGateway(provider, server.url, {
    providers: oidcProviders(provider),
    routes: {
      '/mcp': { upstream: server.url, sign_in: 'corp', credential: exchange('wiki') },
      '/other': { upstream: server.url, sign_in: 'corp', credential: exchange('unknown') },
    },
  })
  client = await registerClient(gateway.issuer)
  resource = `${gateway.issuer}/mcp`
  alice = await client.obtain(resource)
})

afterEach(async () => {
  await gateway?.close()
  await server?.close()
  await provider?.close()
  clock.restore()
})

const call = (tokens = alice, url = resource) => callMcp(url, tokens.access_token)

async function signIn(account: string): Promise<TokenAnswer> {
  provider.setCurrentAccount(account)
  return client.obtain(resource)
}

/** What a client is told on a call that is not forwarded. */
async function refusal(answer: Response): Promise<string> {
  expect(answer.headers.get('content-type')).toContain('application/json')
  return ((await answer.json()) as { error: { message: string } }).error.message
}

async function metric(outcome: string): Promise<number> {
  const text = await (await fetch(`${gateway.operations}/metrics`)).text()
  const line = new RegExp(`^gatehouse_token_exchanges_total\\{provider="corp",outcome="${outcome}"\\} (\\d+)`, 'm')
  return Number(line.exec(text)?.[1] ?? 0)
}

describe('a server that gets a token of its own (T-19, RFC 8693)', () => {
  it('gets one that the provider issued for it, in the name of the user, and not the user’s', async () => {
    expect((await call()).status).toBe(200)
    expect(grant.issued).toHaveLength(1)
    expect(grant.issued[0]).toMatchObject({ account: 'alice', audience: 'wiki', scope: 'wiki.read wiki.write' })
    expect(seen).toEqual([grant.issued[0]?.token])
    expect(seen).not.toContain(grant.issued[0]?.subjectToken)
    expect(await metric('exchanged')).toBe(1)
    expect(gateway.output()).toContain('"event":"token_exchanged"')
  })

  it('gets it from one exchange, however many calls come at once, until 80 % of its life are over', async () => {
    const answers = await Promise.all(Array.from({ length: CALLERS }, () => call()))
    expect(answers.map(({ status }) => status)).toEqual(Array(CALLERS).fill(200))
    clock.advance(STILL_FRESH_MS)
    expect((await call()).status).toBe(200)
    expect(new Set(seen)).toEqual(new Set([grant.issued[0]?.token]))
    expect(grant.issued).toHaveLength(1)
    clock.advance(DUE_MS - STILL_FRESH_MS)
    expect((await call()).status).toBe(200)
    expect(grant.issued).toHaveLength(2)
    expect(seen.at(-1)).toBe(grant.issued[1]?.token)
  })

  it('never gets one user’s token on the call of another (U-15)', async () => {
    const bob = await signIn('bob')
    const answers = await Promise.all([call(), call(bob), call(), call(bob)])
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    expect(grant.issued.map(({ account }) => account).sort()).toEqual(['alice', 'bob'])
    const tokenOf = (user: string) => grant.issued.find(({ account }) => account === user)?.token
    seen = []
    for (const tokens of [bob, alice, alice, bob]) expect((await call(tokens)).status).toBe(200)
    expect(seen).toEqual(['bob', 'alice', 'alice', 'bob'].map(tokenOf))
    expect(grant.issued).toHaveLength(2)
  })

  it('gets a new one when the user’s token has been refreshed, however fresh the old one is', async () => {
    clock.advance(SUBJECT_TTL_MS * 0.75)
    expect((await call()).status).toBe(200)
    clock.advance(SUBJECT_TTL_MS * 0.1)
    // Stale by now: it is refreshed behind this call's back.
    expect((await call()).status).toBe(200)
    await expect
      .poll(() => new Database(gateway.databaseFile, { readonly: true }).prepare(VERSION).pluck().get())
      .toBe(2)
    expect(grant.issued).toHaveLength(1)
    expect((await call()).status).toBe(200)
    expect(provider.refreshes()).toBe(1)
    expect(grant.issued).toHaveLength(2)
    expect(grant.issued[1]?.subjectToken).not.toBe(grant.issued[0]?.subjectToken)
    expect(seen).toEqual([0, 0, 1].map((index) => grant.issued[index]?.token))
  })

  it('leaves nothing of it with the client, in the log or in the database (U-05, U-10)', async () => {
    const answer = await call()
    const told = JSON.stringify([alice, ...answer.headers, await answer.text()])
    const [issued] = grant.issued
    if (!issued) throw new Error('nothing was issued')
    const directory = dirname(gateway.databaseFile)
    const files = readdirSync(directory).filter((name) => name.startsWith('gatehouse.db'))
    expect(files).toContain('gatehouse.db')
    for (const token of [issued.token, issued.subjectToken]) {
      expect(told).not.toContain(token)
      expect(gateway.output()).not.toContain(token)
      for (const name of files) expect(readFileSync(`${directory}/${name}`).includes(token)).toBe(false)
    }
  })

  it('gets no more of them once the grant has ended, and a new one after the next sign-in (V-03)', async () => {
    expect((await call()).status).toBe(200)
    const body = new URLSearchParams({ token: alice.refresh_token, client_id: client.clientId })
    expect((await fetch(`${gateway.issuer}/revoke`, { method: 'POST', body })).status).toBe(200)
    expect((await call()).status).toBe(401)
    expect(seen).toHaveLength(1)
    expect((await call(await signIn('alice'))).status).toBe(200)
    expect(grant.issued).toHaveLength(2)
  })
})

describe('a provider that is away', () => {
  it('costs nothing while the issued token lives, and 503 with Retry-After afterwards, never 401 (T-22)', async () => {
    expect((await call()).status).toBe(200)
    provider.setMode({ tokenEndpoint: 'unavailable' })
    clock.advance(DUE_MS)
    expect((await call()).status).toBe(200)
    clock.advance(ISSUED_TTL_MS - DUE_MS)
    const refused = await call()
    expect(refused.status).toBe(503)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(refused.headers.get('www-authenticate')).toBeNull()
    expect(await metric('unavailable')).toBe(2)

    provider.setMode({ tokenEndpoint: 'ok' })
    clock.advance(5_000)
    expect((await call()).status).toBe(200)
  })

  it('is not asked again by every call (C27)', async () => {
    provider.setMode({ tokenEndpoint: 'unavailable' })
    const asked = provider.requests.length
    for (const _ of Array(5)) expect((await call()).status).toBe(503)
    const exchanges = provider.requests.slice(asked).filter(({ form }) => form.has('subject_token'))
    expect(exchanges).toHaveLength(1)
  })
})

describe('a server that refuses the token it gets', () => {
  it('gets another one at once, and the call is answered as if nothing had happened (S-09)', async () => {
    expect((await call()).status).toBe(200)
    const [first] = seen
    refuses = (token) => token === first
    expect((await call()).status).toBe(200)
    expect(grant.issued).toHaveLength(2)
    expect(seen).toEqual([first, first, grant.issued[1]?.token])
  })

  it('leads to 502 when it refuses that one too, never to 401 nor to its own challenge (S-09, S-11)', async () => {
    refuses = () => true
    const answer = await call()
    expect(answer.status).toBe(502)
    expect(answer.headers.get('www-authenticate')).toBeNull()
    expect(grant.issued).toHaveLength(2)
    // Nor does every call cost an exchange then.
    for (const _ of Array(3)) expect((await call()).status).toBe(502)
    expect(grant.issued).toHaveLength(2)
  })
})

describe('a user whose own token cannot be refreshed any more', () => {
  it('signs in again: 401 with a challenge, and nothing of what was issued before is sent (C22, S-09)', async () => {
    expect((await call()).status).toBe(200)
    clock.advance(SUBJECT_TTL_MS)
    const later = await client.refresh(alice.refresh_token)
    provider.setMode({ tokenEndpoint: 'drop-after-commit' })
    expect((await call(later)).status).toBe(503)
    provider.setMode({ tokenEndpoint: 'ok' })
    clock.advance(60_000)
    const answer = await call(later)
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toMatch(/invalid_token/)
    expect(seen).toHaveLength(1)
  })
})

describe('a provider that refuses the exchange', () => {
  it('is the operator’s matter when it does not know the audience: 502 that says so, and an error in the log', async () => {
    const other = `${gateway.issuer}/other`
    const answer = await call(await client.obtain(other), other)
    expect(answer.status).toBe(502)
    expect(await refusal(answer)).toMatch(/administrator has to correct/)
    expect(seen).toEqual([])
    const line = gateway
      .output()
      .split('\n')
      .find((one) => one.includes('provider did not exchange a token'))
    expect(JSON.parse(line ?? '{}')).toMatchObject({ level: 50, route: '/other', reason: 'invalid_target' })
    expect(gateway.output()).toContain('"event":"token_exchange_refused"')
    expect((await call()).status).toBe(200)
  })

  it.each(['interaction_required', 'consent_required'])('says what the user can do about %s', async (error) => {
    grant.refuse(error)
    const answer = await call()
    expect(answer.status).toBe(403)
    expect(answer.headers.get('www-authenticate')).toBeNull()
    expect(await refusal(answer)).toMatch(/consent/)
    expect(seen).toEqual([])
  })

  it('is no reason to sign in again when the user’s token is fresh: clients would do so for ever (S-11)', async () => {
    grant.refuse('invalid_grant')
    const answer = await call()
    expect(answer.status).toBe(502)
    expect(await refusal(answer)).toMatch(/administrator/)
    expect(provider.refreshes()).toBe(0)
    expect(await metric('subject_refused')).toBe(1)
    grant.refuse(undefined)
    clock.advance(5_000)
    expect((await call()).status).toBe(200)
  })

  it('gets a newer token of the user when it refuses one that is older', async () => {
    expect((await call()).status).toBe(200)
    grant.reject(grant.issued[0]?.subjectToken ?? '')
    clock.advance(DUE_MS)
    expect((await call()).status).toBe(200)
    expect(provider.refreshes()).toBe(1)
    expect(grant.issued).toHaveLength(2)
    expect(seen.at(-1)).toBe(grant.issued[1]?.token)
  })
})
