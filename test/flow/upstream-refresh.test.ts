import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TestGateway } from '../fixtures/gateway.ts'
import { type IdentityProvider, startIdentityProvider } from '../fixtures/identity-provider.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { installMovableClock, type MovableClock } from '../fixtures/movable-clock.ts'
import { type OAuthClient, registerClient, type TokenAnswer } from '../fixtures/oauth-client.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'
import { startProviderGateway } from '../fixtures/provider-gateway.ts'

const CALLERS = 200
const PROVIDER_TTL_MS = 10 * 60_000
/** Later than the 80 % of a token's life after which the gateway refreshes it. */
const STALE_MS = PROVIDER_TTL_MS * 0.9

let clock: MovableClock
let provider: IdentityProvider
let server: PlainServer
let gateway: TestGateway
let running: TestGateway | undefined
let client: OAuthClient
let tokens: TokenAnswer
let resource: string
/** What the MCP server got as `Authorization`. */
let credentials: (string | undefined)[]
/** What it answers 401 to. */
let refused: Set<string | undefined>

beforeEach(async () => {
  clock = installMovableClock()
  credentials = []
  refused = new Set()
  provider = await startIdentityProvider({ accessTokenTtlSeconds: PROVIDER_TTL_MS / 1000 })
  server = await startPlainServer((request, response) => {
    credentials.push(request.headers.authorization)
    if (refused.has(request.headers.authorization)) return void response.writeHead(401).end()
    if (request.headers['x-hold'] === undefined) response.end('{}')
  })
  gateway = await startProviderGateway(provider, server.url)
  running = gateway
  client = await registerClient(gateway.issuer)
  resource = `${gateway.issuer}/mcp`
  tokens = await client.obtain(resource)
})

afterEach(async () => {
  await closeGateway()
  await server?.close()
  await provider?.close()
  clock.restore()
})

/** Closes it once, however often it is asked to. */
async function closeGateway(): Promise<void> {
  const open = running
  running = undefined
  await open?.close()
}

const call = (init?: RequestInit) => callMcp(resource, tokens.access_token, init)
/** A call that is never answered, so that only its caller can end it. */
const held = (signal: AbortSignal) => call({ signal, headers: { 'x-hold': 'yes' } })

describe('an expired provider token', () => {
  it('is refreshed once for 200 concurrent calls, and all of them are answered (C11, P-72)', async () => {
    expect((await call()).status).toBe(200)
    clock.advance(PROVIDER_TTL_MS)
    const answers = await Promise.all(Array.from({ length: CALLERS }, () => call()))
    expect(answers.map(({ status }) => status)).toEqual(Array(CALLERS).fill(200))
    expect(provider.refreshes()).toBe(1)
    const [before, ...after] = [...new Set(credentials)]
    expect(after).toHaveLength(1)
    expect(after).not.toContain(before)
  })

  it('is refreshed once although a third of the callers leave meanwhile (C11)', async () => {
    clock.advance(PROVIDER_TTL_MS)
    const leaving = new AbortController()
    const answers = Array.from({ length: CALLERS }, (_, index) => (index % 3 === 0 ? held(leaving.signal) : call()))
    await nextRefresh(provider)
    leaving.abort()
    const outcomes = await Promise.allSettled(answers)
    const stayed = outcomes.filter((_, index) => index % 3 !== 0)
    expect(stayed.map((one) => one.status === 'fulfilled' && one.value.status)).toEqual(Array(stayed.length).fill(200))
    expect((await call()).status).toBe(200)
    expect(provider.refreshes()).toBe(1)
  })

  it('is refreshed although the only caller leaves, so that the rotated refresh token is not lost (C11)', async () => {
    clock.advance(PROVIDER_TTL_MS)
    const leaving = new AbortController()
    const alone = held(leaving.signal)
    await nextRefresh(provider)
    leaving.abort()
    await expect(alone).rejects.toThrow()
    expect((await call()).status).toBe(200)
    clock.advance(PROVIDER_TTL_MS)
    // The provider would end everything if the first refresh token were presented again.
    expect((await callMcp(resource, (await client.refresh(tokens.refresh_token)).access_token)).status).toBe(200)
    expect(provider.refreshes()).toBe(2)
  })
})

describe('a gateway that is closed', () => {
  it('still stores the token of a refresh that is under way, so that the rotated one is not lost (C11, P-70)', async () => {
    const reader = new Database(gateway.databaseFile, { readonly: true })
    const version = () => reader.prepare('SELECT version FROM credentials').pluck().get()
    const before = Number(version())
    clock.advance(STALE_MS)
    const arrived = nextRefresh(provider)
    expect((await call()).status).toBe(200)
    await arrived
    await closeGateway()
    expect(version()).toBe(before + 1)
    reader.close()
  })
})

describe('a token that the MCP server refuses although it should still live', () => {
  it('is refreshed once, and the call is answered as if nothing had happened (S-09, C18)', async () => {
    expect((await call()).status).toBe(200)
    refused.add(credentials[0])
    clock.advance(60_000)
    expect((await call()).status).toBe(200)
    expect(provider.refreshes()).toBe(1)
    expect(new Set(credentials).size).toBe(2)
    expect(credentials).toHaveLength(3)
  })

  it('is 502 when it has only just been issued, without a refresh and never 401 (S-09, S-11, C19)', async () => {
    expect((await call()).status).toBe(200)
    refused.add(credentials[0])
    const answer = await call()
    expect(answer.status).toBe(502)
    expect(answer.headers.get('www-authenticate')).toBeNull()
    expect(provider.refreshes()).toBe(0)
  })
})

describe('a provider that answers 503', () => {
  it('costs nothing while its token lives, and 503 with Retry-After afterwards, never 401 (T-22)', async () => {
    provider.setMode({ tokenEndpoint: 'unavailable' })
    clock.advance(STALE_MS)
    expect((await call()).status).toBe(200)
    clock.advance(PROVIDER_TTL_MS - STALE_MS)
    const refused = await call()
    expect(refused.status).toBe(503)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(refused.headers.get('www-authenticate')).toBeNull()
    expect(refused.headers.get('content-type')).toContain('application/json')
    // The gateway's own refresh does not need the provider (T-16).
    const refreshed = await client.refresh(tokens.refresh_token)
    expect(refreshed.status).toBe(200)

    provider.setMode({ tokenEndpoint: 'ok' })
    clock.advance(60_000)
    expect((await callMcp(resource, refreshed.access_token)).status).toBe(200)
  })
})

describe('a provider that says invalid_grant', () => {
  it('ends the grant: 401 with a challenge, and invalid_grant for the refresh token (B173, C22)', async () => {
    // Presented elsewhere first: the provider takes the gateway's turn for a theft and ends the grant.
    await spendRefreshToken()
    clock.advance(PROVIDER_TTL_MS)
    const refused = await call()
    expect(refused.status).toBe(401)
    expect(refused.headers.get('www-authenticate')).toMatch(/^Bearer .*error="invalid_token".*resource_metadata=/)
    expect(await client.refresh(tokens.refresh_token)).toMatchObject({ status: 400, error: 'invalid_grant' })
    const asked = provider.refreshes()
    expect((await call()).status).toBe(401)
    expect(provider.refreshes()).toBe(asked)

    const again = await client.obtain(resource)
    expect((await callMcp(resource, again.access_token)).status).toBe(200)
  })
})

/** The provider does the refresh, and its answer never arrives: its rotated refresh token is lost. */
async function spendRefreshToken(): Promise<void> {
  provider.setMode({ tokenEndpoint: 'drop-after-commit' })
  clock.advance(STALE_MS)
  await Promise.all([nextRefresh(provider), call()])
  await expect.poll(() => gateway.output()).toMatch(/provider refused to refresh|could not be refreshed/)
  provider.setMode({ tokenEndpoint: 'ok' })
}

/** Resolves when the next refresh has arrived at the provider. */
async function nextRefresh(from: IdentityProvider): Promise<void> {
  const before = from.refreshes()
  await expect.poll(() => from.refreshes(), { interval: 5 }).toBeGreaterThan(before)
}
