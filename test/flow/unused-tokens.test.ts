import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createBrowser, type Page } from '../fixtures/browser.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { type IdentityProvider, startIdentityProvider } from '../fixtures/identity-provider.ts'
import { installMovableClock, type MovableClock } from '../fixtures/movable-clock.ts'
import {
  approve,
  authorizeUrl,
  browserFor,
  callRoute,
  type KnownClient,
  obtainCode,
  obtainTokens,
  refresh,
  register,
  revoke,
} from '../fixtures/oauth-requests.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

const TTL_MS = 10 * 60_000
const CLEAN_UP_MS = 60_000

let clock: MovableClock
let corp: IdentityProvider
let second: IdentityProvider
let server: PlainServer
let gateway: TestGateway
let client: KnownClient
let alice: { readonly sub: string; readonly email: string; readonly email_verified: boolean }

/** Timers that repeat stand still, so that tests say when what has ended is collected. */
async function start(route: Record<string, unknown>, revocationEnds = 'tokens'): Promise<void> {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  clock = installMovableClock()
  alice = { sub: 'alice', email: 'alice@example.com', email_verified: true }
  const accounts = [alice, { sub: 'eve', email: 'eve@evil.example', email_verified: true }] as const
  corp = await startIdentityProvider({ accounts, accessTokenTtlSeconds: TTL_MS / 1000 })
  second = await startIdentityProvider({ accessTokenTtlSeconds: TTL_MS / 1000 })
  server = await startPlainServer((_request, response) => void response.end('{}'))
  const provider = (idp: IdentityProvider) => ({
    type: 'oidc',
    issuer: idp.issuer,
    client_id: idp.clientId,
    client_secret: idp.clientSecret,
    scopes: ['openid', 'email', 'offline_access'],
    revocation_ends: revocationEnds,
  })
  gateway = await startTestGateway({
    providers: { corp: provider(corp), second: provider(second) },
    routes: { '/mcp': { upstream: server.url, sign_in: 'corp', ...route } },
  })
  corp.allowRedirect(`${gateway.issuer}/callback/corp`)
  second.allowRedirect(`${gateway.issuer}/callback/second`)
  client = await register(gateway.issuer)
}
afterEach(async () => {
  vi.useRealTimers()
  await gateway?.close()
  await Promise.all([corp?.close(), second?.close(), server?.close()])
  clock.restore()
})

const ALLOW = { allow: { email_domains: ['example.com'] } }
const SECOND = { ...ALLOW, credential: { kind: 'provider-token', provider: 'second' } }
const PAT = { ...ALLOW, credential: { kind: 'user-pat', label: 'token' } }

const back = (idp: IdentityProvider) => idp.requests.filter(({ path }) => path === '/token/revocation').length
const givenBack = () => [back(corp), back(second)]
const refreshesAt = (idp: IdentityProvider) => idp.requests.filter(({ path }) => path === '/token').length

async function come(browser = browserFor(client)): Promise<Page> {
  return approve(browser, await browser.get(authorizeUrl(gateway.issuer, client)))
}

function revocation(): Record<string, unknown> {
  const lines = gateway.output().split('\n')
  return JSON.parse(lines.findLast((line) => line.includes('"event":"grant_revoked"')) ?? '{}')
}

describe('tokens of a sign-in that nobody needs (V-03)', () => {
  it('are given back at once where the server gets none and nobody is asked again', async () => {
    await start({})
    const tokens = await obtainTokens(gateway.issuer, client)
    await expect.poll(givenBack).toEqual([1, 0])
    expect((await callRoute(`${gateway.issuer}/mcp`, tokens.accessToken)).status).toBe(200)
    expect((await refresh(gateway.issuer, client, tokens.refreshToken)).status).toBe(200)
  })

  it('stay where that would end the whole account (C23)', async () => {
    await start({}, 'account')
    await obtainTokens(gateway.issuer, client)
    await obtainTokens(gateway.issuer, client)
    expect(givenBack()).toEqual([0, 0])
  })

  it('are given back of a user about whom the provider says nothing', async () => {
    await start({ ...ALLOW, credential: { kind: 'provider-token' } })
    corp.setMode({ userinfo: 'unavailable' })
    expect((await come()).url.searchParams.get('error')).toBe('temporarily_unavailable')
    await expect.poll(givenBack).toEqual([1, 0])
    corp.setMode({ userinfo: 'ok' })
    expect((await come()).url.searchParams.has('code')).toBe(true)
    expect(givenBack()).toEqual([1, 0])
  })

  it('are given back of a user who is not let in', async () => {
    await start({ ...ALLOW, credential: { kind: 'provider-token' } })
    corp.setCurrentAccount('eve')
    await come()
    await expect.poll(givenBack).toEqual([1, 0])
    corp.setCurrentAccount('alice')
    expect((await come()).url.searchParams.has('code')).toBe(true)
    expect(givenBack()).toEqual([1, 0])
  })
})

describe('tokens of a sign-in whose outcome cannot be stored (V-03, C41)', () => {
  it.each<[string, Record<string, unknown>]>([
    ['the grant', { credential: { kind: 'provider-token' } }],
    ['that a second leg begins', SECOND],
  ])('are given back: %s', async (_, route) => {
    await start(route)
    const other = new Database(gateway.databaseFile)
    const { email } = alice
    // While the provider answers, another program takes hold of the database.
    Object.defineProperty(alice, 'email', {
      get() {
        if (!other.inTransaction && refreshesAt(corp) > 0) other.exec('BEGIN IMMEDIATE')
        return email
      },
    })
    expect((await come()).status).toBe(503)
    await expect.poll(givenBack).toEqual([1, 0])
    other.exec('ROLLBACK')
    Object.defineProperty(alice, 'email', { value: email })
    expect((await come()).url.searchParams.has('code')).toBe(true)
    other.close()
  })
})

describe('tokens of a first leg (V-03)', () => {
  it('are given back when the second provider says no, and kept when it does not', async () => {
    await start(SECOND)
    expect((await come()).url.searchParams.has('code')).toBe(true)
    expect(givenBack()).toEqual([0, 0])
    second.setMode({ signIn: 'deny' })
    expect((await come()).url.searchParams.get('error')).toBe('access_denied')
    await expect.poll(givenBack).toEqual([1, 0])
  })

  it('are given back when the second provider is away', async () => {
    await start(SECOND)
    second.setMode({ discovery: 'unavailable' })
    expect((await come()).url.searchParams.get('error')).toBe('temporarily_unavailable')
    await expect.poll(givenBack).toEqual([1, 0])
  })

  it('are given back when the user gives no token of their own', async () => {
    await start(PAT)
    const browser = browserFor(client)
    const page = await come(browser)
    expect(givenBack()).toEqual([0, 0])
    await browser.submit(page.form(), { decision: 'deny' })
    await expect.poll(givenBack).toEqual([1, 0])
  })

  it.each<[string, Record<string, unknown>, () => string[]]>([
    ['at the second provider', SECOND, () => [`${second.issuer}/auth`]],
    ['at the page for their own token', PAT, () => []],
  ])('are given back when the user leaves %s and does not come back in time', async (_, route, stopAt) => {
    await start(route)
    await come(createBrowser({ stopAt: stopAt() }))
    clock.pass(10 * 60_000)
    expect(givenBack()).toEqual([0, 0])
    vi.advanceTimersByTime(CLEAN_UP_MS)
    await expect.poll(givenBack).toEqual([1, 0])
  })
})

describe('tokens of a grant with two providers (V-03)', () => {
  beforeEach(() => start(SECOND))

  it('are all given back when the client gives up, and the trail names who we were at the server’s provider', async () => {
    const tokens = await obtainTokens(gateway.issuer, client)
    await revoke(gateway.issuer, client, tokens.refreshToken)
    await expect.poll(givenBack).toEqual([1, 1])
    expect(revocation()).toMatchObject({
      reason: 'client',
      upstreamClient: { provider: 'second', kind: 'shared', id: second.clientId },
    })
  })

  it('are given back where they still live when those of the other provider are dead', async () => {
    const tokens = await obtainTokens(gateway.issuer, client)
    second.endSignIns()
    clock.advance(TTL_MS)
    expect((await callRoute(`${gateway.issuer}/mcp`, tokens.accessToken)).status).toBe(401)
    await expect.poll(givenBack).toEqual([1, 0])
    expect(revocation()).toMatchObject({ reason: 'invalid_grant', upstreamClient: { provider: 'second' } })
  })

  it('are given back when the provider of the sign-in has ended it', async () => {
    const tokens = await obtainTokens(gateway.issuer, client)
    corp.endSignIns()
    clock.advance(2 * 60_000)
    expect((await refresh(gateway.issuer, client, tokens.refreshToken)).status).toBe(400)
    await expect.poll(givenBack).toEqual([0, 1])
    expect(revocation()).toMatchObject({ reason: 'invalid_grant', upstreamClient: { provider: 'corp' } })
  })

  it('are given back when nobody comes for the code', async () => {
    await obtainCode(gateway.issuer, client)
    clock.advance(2 * 60_000)
    vi.advanceTimersByTime(CLEAN_UP_MS)
    await expect.poll(givenBack).toEqual([1, 1])
  })

  it('are the newest ones, also when they are refreshed while the grant ends', async () => {
    const tokens = await obtainTokens(gateway.issuer, client)
    const before = refreshesAt(second)
    clock.advance(TTL_MS)
    const called = callRoute(`${gateway.issuer}/mcp`, tokens.accessToken)
    await expect.poll(() => refreshesAt(second), { interval: 1 }).toBe(before + 1)
    await revoke(gateway.issuer, client, tokens.refreshToken)
    await called
    await expect.poll(() => back(second)).toBeGreaterThan(0)
    // Whoever holds what is left cannot refresh it: it is the family of these tokens that was given back.
    const sent = second.requests.findLast(({ path }) => path === '/token/revocation')?.form.get('token')
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: String(sent) })
    const authorization = `Basic ${Buffer.from(`${second.clientId}:${second.clientSecret}`).toString('base64')}`
    expect((await fetch(`${second.issuer}/token`, { method: 'POST', body, headers: { authorization } })).status).toBe(
      400,
    )
  })
})

it('a client that deletes its registration gives back the tokens of its grants (RFC 7592 §2.3, V-03)', async () => {
  await start(SECOND)
  const body = JSON.stringify({ redirect_uris: [client.redirectUri], token_endpoint_auth_method: 'none' })
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(`${gateway.issuer}/register`, { method: 'POST', headers, body })
  const registered = (await answer.json()) as Record<string, string>
  const own = { clientId: String(registered.client_id), redirectUri: client.redirectUri }
  for (const one of [own, client]) await obtainTokens(gateway.issuer, one)
  const authorization = `Bearer ${registered.registration_access_token}`
  const at = String(registered.registration_client_uri)
  expect((await fetch(at, { method: 'DELETE', headers: { authorization } })).status).toBe(204)
  await expect.poll(givenBack).toEqual([1, 1])
})
