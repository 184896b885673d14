import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { ask } from '../fixtures/http-exchange.ts'
import { type IdentityProvider, startIdentityProvider } from '../fixtures/identity-provider.ts'
import {
  approve,
  authorizeUrl,
  browserFor,
  callRoute,
  obtainTokens,
  refresh,
  register,
  revoke,
} from '../fixtures/oauth-requests.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'
import { startProviderGateway } from '../fixtures/provider-gateway.ts'

describe('a database that somebody else has locked (C41, C53)', () => {
  let server: PlainServer
  let gateway: TestGateway

  beforeAll(async () => {
    server = await startPlainServer((_request, response) => void response.end('{}'))
    gateway = await startTestGateway({
      providers: await passwordProviders(),
      routes: { '/mcp': { upstream: server.url, sign_in: 'home' } },
    })
  })
  afterAll(async () => {
    await Promise.all([gateway?.close(), server?.close()])
  })

  /** Runs `during` while no write can succeed. */
  async function locked<T>(during: () => Promise<T>): Promise<T> {
    const other = new Database(gateway.databaseFile)
    other.exec('BEGIN IMMEDIATE')
    try {
      return await during()
    } finally {
      other.close()
    }
  }

  it('makes revocation answer 503 with Retry-After, and the token lives until it is revoked (V-04, RFC 7009 §2.2.1)', async () => {
    const client = await register(gateway.issuer)
    const { accessToken, refreshToken } = await obtainTokens(gateway.issuer, client, {}, ALICE)
    const away = await locked(() => revoke(gateway.issuer, client, refreshToken))
    expect(away.status).toBe(503)
    expect(away.headers['retry-after']).toBeDefined()
    expect(away.json()).toMatchObject({ error: 'temporarily_unavailable' })
    expect((await callRoute(`${gateway.issuer}/mcp`, accessToken)).status).toBe(200)
    expect((await revoke(gateway.issuer, client, refreshToken)).status).toBe(200)
    expect((await callRoute(`${gateway.issuer}/mcp`, accessToken)).status).toBe(401)
  })

  it('makes the token endpoint answer temporarily_unavailable, and the refresh token still works afterwards (T-21, T-22, T-13)', async () => {
    const client = await register(gateway.issuer)
    const { refreshToken } = await obtainTokens(gateway.issuer, client, {}, ALICE)
    const away = await locked(() => refresh(gateway.issuer, client, refreshToken))
    expect(away.status).toBe(503)
    expect(away.json()).toMatchObject({ error: 'temporarily_unavailable' })
    expect((await refresh(gateway.issuer, client, refreshToken)).status).toBe(200)
  })

  it('registers nobody, says so in JSON, and shows people a page (R-16, T-04, C41)', async () => {
    const client = await register(gateway.issuer)
    const [registration, page] = await locked(async () => [
      await ask(`${gateway.issuer}/register`, { body: { redirect_uris: ['http://127.0.0.1/cb'] } }),
      await ask(authorizeUrl(gateway.issuer, client)),
    ])
    expect(registration?.status).toBe(503)
    expect(registration?.json()).toMatchObject({ error: 'temporarily_unavailable' })
    expect(page?.status).toBe(503)
    expect(page?.headers['content-type']).toMatch(/^text\/html/)
    expect((await ask(authorizeUrl(gateway.issuer, client))).status).toBe(200)
  })

  it('leaves discovery and tokens that are known alone (D-08, C41)', async () => {
    const { accessToken } = await obtainTokens(gateway.issuer, await register(gateway.issuer), {}, ALICE)
    expect((await callRoute(`${gateway.issuer}/mcp`, accessToken)).status).toBe(200)
    const statuses = await locked(async () => [
      (await ask(`${gateway.issuer}/.well-known/oauth-authorization-server`)).status,
      (await ask(`${gateway.issuer}/.well-known/oauth-protected-resource/mcp`)).status,
      (await callRoute(`${gateway.issuer}/mcp`, accessToken)).status,
    ])
    expect(statuses).toEqual([200, 200, 200])
  })
})

describe('an identity provider that never answers, or refuses us (C25)', () => {
  let provider: IdentityProvider
  let server: PlainServer
  let gateway: TestGateway

  beforeAll(async () => {
    provider = await startIdentityProvider()
    server = await startPlainServer((_request, response) => void response.end('{}'))
    gateway = await startProviderGateway(provider, server.url)
  })
  afterAll(async () => {
    await gateway?.close()
    await Promise.all([provider?.close(), server?.close()])
  })

  it('does not hold up the token endpoint, which asks no provider (T-16, T-23)', async () => {
    const client = await register(gateway.issuer)
    const { refreshToken } = await obtainTokens(gateway.issuer, client)
    provider.setMode({ tokenEndpoint: 'hang' })
    const before = provider.requests.length
    const answer = await refresh(gateway.issuer, client, refreshToken)
    provider.setMode({ tokenEndpoint: 'ok' })
    expect(answer.status).toBe(200)
    expect(provider.requests.length).toBe(before)
  })

  it('leaves a line in the log that says why nobody can sign in there (A-25)', async () => {
    const client = await register(gateway.issuer)
    const warned = () => linesOf(gateway).filter(({ msg }) => msg === 'sign-in failed')
    await obtainTokens(gateway.issuer, client)
    expect(warned()).toEqual([])
    provider.setMode({ tokenEndpoint: 'knows-nobody' })
    const browser = browserFor(client)
    const { url } = await approve(browser, await browser.get(authorizeUrl(gateway.issuer, client)))
    provider.setMode({ tokenEndpoint: 'ok' })
    expect(url.searchParams.get('error')).toBe('server_error')
    const { requestId } = linesOf(gateway).findLast(({ event }) => event === 'sign_in_failed') ?? {}
    expect(warned()).toMatchObject([{ level: 40, provider: 'corp', reason: 'invalid_client', requestId }])
  })

  it('is asked for the scopes that the operator chose, whatever the client asks of us (K-08, U-14)', async () => {
    const before = provider.requests.length
    await obtainTokens(gateway.issuer, await register(gateway.issuer), { scope: 'mcp admin openid' })
    const asked = provider.requests.slice(before).find(({ query }) => query.has('code_challenge'))
    expect(asked?.query.get('scope')).toBe('openid email profile offline_access')
  })
})

/** What the gateway has logged. */
function linesOf(gateway: TestGateway): Record<string, unknown>[] {
  return gateway
    .output()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}
