import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, describe, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { ask } from '../fixtures/http-exchange.ts'
import { installMovableClock } from '../fixtures/movable-clock.ts'
import {
  authorizeUrl,
  callRoute,
  obtainTokens,
  refresh,
  register,
  revoke,
  tokensOf,
} from '../fixtures/oauth-requests.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { startPlainServer } from '../fixtures/plain-server.ts'

const cleanUps: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function start(yaml: Readonly<Record<string, unknown>> = {}, upstream?: string): Promise<TestGateway> {
  const server = await startPlainServer((_request, response) => void response.end('{}'))
  const gateway = await startTestGateway({
    providers: await passwordProviders(),
    routes: { '/mcp': { upstream: upstream ?? server.url, sign_in: 'home' } },
    ...yaml,
  })
  cleanUps.push(
    () => server.close(),
    () => gateway.close(),
  )
  return gateway
}

it('B076 a stored redirect URI that became dangerous is judged again: a page, no Location', async () => {
  const gateway = await start()
  const client = await register(gateway.issuer)
  expect((await ask(authorizeUrl(gateway.issuer, client))).status).toBe(200)
  const evil = 'javascript:alert(1)//'
  const database = new Database(gateway.databaseFile)
  database
    .prepare('UPDATE clients SET redirect_uris = ? WHERE client_id = ?')
    .run(JSON.stringify([evil]), client.clientId)
  database.close()
  for (const changes of [
    { redirect_uri: evil },
    { redirect_uri: null },
    { redirect_uri: evil, response_type: 'token' },
  ]) {
    const answer = await ask(authorizeUrl(gateway.issuer, client, changes))
    expect(answer.status).toBe(400)
    expect(answer.headers.location).toBeUndefined()
    expect(answer.body).not.toContain('javascript:')
  }
})

it('B016 B265 the server’s own discovery, challenge and address never reach the client', async () => {
  const server = await startPlainServer((_request, response) => {
    response.writeHead(401, { 'www-authenticate': 'Bearer resource_metadata="https://evil.example/prm"' })
    response.end('{"internal":"10.0.0.5"}')
  })
  cleanUps.push(() => server.close())
  const gateway = await start({}, server.url)
  const { accessToken } = await obtainTokens(gateway.issuer, await register(gateway.issuer), {}, ALICE)
  const refused = await callRoute(`${gateway.issuer}/mcp`, accessToken)
  expect(refused.status).toBe(502)
  expect(JSON.stringify(refused.headers)).not.toContain('evil.example')
  expect(refused.body).not.toContain('10.0.0.5')
  for (const path of [
    '/mcp/.well-known/oauth-protected-resource',
    '/mcp/authorize',
    '/.well-known/openid-configuration/mcp',
  ])
    expect((await ask(gateway.issuer + path)).status).toBe(404)

  await server.close()
  const away = await callRoute(`${gateway.issuer}/mcp`, accessToken)
  expect(away.status).toBe(502)
  expect(away.body).not.toContain(new URL(server.url).port)
  expect(away.body).not.toMatch(/ECONN|127\.0\.0\.1/)
})

it('B158 guessed tokens are never active, and the right one is', async () => {
  const gateway = await start()
  const client = await register(gateway.issuer, { token_endpoint_auth_method: 'client_secret_post' })
  const { accessToken } = await obtainTokens(gateway.issuer, client, {}, ALICE)
  const introspect = async (token: string) => {
    const body = new URLSearchParams({ client_id: client.clientId, client_secret: client.clientSecret ?? '', token })
    return (await ask(`${gateway.issuer}/introspect`, { body })).json()
  }
  expect(await introspect(accessToken)).toMatchObject({ active: true })
  for (let count = 0; count < 300; count += 1) {
    const guess = `mgh_at_${crypto.getRandomValues(Buffer.alloc(32)).toString('base64url')}`
    expect(await introspect(guess)).toEqual({ active: false })
  }
})

it('B118 nobody lists grants, guesses one of somebody else, or ends it; the owner ends it at once', async () => {
  const gateway = await start()
  const [mine, theirs] = [await register(gateway.issuer), await register(gateway.issuer)]
  const own = await obtainTokens(gateway.issuer, mine, {}, ALICE)
  const other = await obtainTokens(gateway.issuer, theirs, {}, ALICE)
  for (const path of ['/grants', '/consents', '/account', '/revoke'])
    expect([404, 405]).toContain((await ask(gateway.issuer + path)).status)
  const bytes = Buffer.from(own.refreshToken.slice('mgh_rt_'.length), 'base64url')
  const guessed = `mgh_rt_${Buffer.concat([bytes.subarray(0, 20), Buffer.alloc(32)]).toString('base64url')}`
  for (const token of [own.refreshToken, own.accessToken, guessed])
    expect((await revoke(gateway.issuer, theirs, token)).status).toBe(200)
  expect((await callRoute(`${gateway.issuer}/mcp`, own.accessToken)).status).toBe(200)
  expect((await revoke(gateway.issuer, mine, own.refreshToken)).status).toBe(200)
  expect((await callRoute(`${gateway.issuer}/mcp`, own.accessToken)).status).toBe(401)
  expect((await callRoute(`${gateway.issuer}/mcp`, other.accessToken)).status).toBe(200)
})

describe('refresh tokens that are too old', () => {
  it('B170 one that has run out inside the grace is invalid_grant, and the access token lives on', async () => {
    const clock = installMovableClock()
    cleanUps.push(() => clock.restore())
    const tokens = { access_ttl: '1h', refresh_idle_ttl: '10s', refresh_ttl: '1d', refresh_grace: '60s' }
    const gateway = await start({ tokens })
    const client = await register(gateway.issuer)
    const first = await obtainTokens(gateway.issuer, client, {}, ALICE)
    const second = tokensOf(client, await refresh(gateway.issuer, client, first.refreshToken))
    clock.advance(5000)
    expect((await refresh(gateway.issuer, client, first.refreshToken)).status).toBe(200)
    clock.advance(6000)
    expect((await refresh(gateway.issuer, client, first.refreshToken)).json()).toMatchObject({ error: 'invalid_grant' })
    expect((await callRoute(`${gateway.issuer}/mcp`, second.accessToken)).status).toBe(200)
  })

  it('B172 one of a user who is on no list any more, or of a route that is gone, is invalid_grant', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'gatehouse-stale-'))
    cleanUps.push(() => rmSync(directory, { recursive: true }))
    const server = await startPlainServer((_request, response) => void response.end('{}'))
    cleanUps.push(() => server.close())
    const base = { database: `sqlite:${join(directory, 'gatehouse.db')}`, providers: await passwordProviders() }
    const route = (users: string[]) => ({ upstream: server.url, sign_in: 'home', allow: { users } })
    const first = await startTestGateway({ ...base, routes: { '/mcp': route(['alice']), '/other': route(['alice']) } })
    const client = await register(first.issuer)
    const { accessToken, refreshToken } = await obtainTokens(
      first.issuer,
      client,
      { resource: `${first.issuer}/mcp` },
      ALICE,
    )
    await first.close()

    const again = {
      ...base,
      public_url: first.issuer,
      listen: new URL(first.issuer).host,
      encryption_keys: [first.encryptionKey],
    }
    for (const routes of [{ '/mcp': route(['bob']) }, { '/other': route(['alice']) }]) {
      const gateway = await startTestGateway({ ...again, routes })
      expect((await refresh(first.issuer, client, refreshToken)).json()).toMatchObject({ error: 'invalid_grant' })
      expect([401, 404]).toContain((await callRoute(`${first.issuer}/mcp`, accessToken)).status)
      await gateway.close()
    }
    const back = await startTestGateway({ ...again, routes: { '/mcp': route(['alice']) } })
    expect((await callRoute(`${first.issuer}/mcp`, accessToken)).status).toBe(200)
    expect((await refresh(first.issuer, client, refreshToken)).status).toBe(200)
    await back.close()
  })
})
