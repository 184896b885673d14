import Database from 'better-sqlite3'
import { decodeJwt } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TestGateway } from '../fixtures/gateway.ts'
import { startTestGateway } from '../fixtures/gateway.ts'
import { type IdentityProvider, startIdentityProvider } from '../fixtures/identity-provider.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { installMovableClock, type MovableClock } from '../fixtures/movable-clock.ts'
import { type OAuthClient, registerClient, type TokenAnswer } from '../fixtures/oauth-client.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'
import { oidcProviders } from '../fixtures/provider-gateway.ts'

const PROVIDER_TTL_MS = 10 * 60_000

let clock: MovableClock
let provider: IdentityProvider
let other: IdentityProvider
let server: PlainServer
let gateway: TestGateway
let client: OAuthClient
/** What the MCP server got of each call. */
let seen: { readonly authorization: string | undefined; readonly user: string | string[] | undefined }[]
/** What the provider says about its users; tests change it. */
let alice: { sub: string; email: string; email_verified: boolean; groups: string[] }
let bob: typeof alice

const ALLOW = { allow: { groups: ['engineering'] } }
const USER = { inject: { Authorization: 'Bearer {credential}', 'X-User': '{user.email}' } }

beforeEach(async () => {
  clock = installMovableClock()
  seen = []
  alice = { sub: 'alice', email: 'alice@example.com', email_verified: true, groups: ['engineering'] }
  bob = { sub: 'bob', email: 'bob@example.com', email_verified: true, groups: ['engineering', 'staff'] }
  provider = await startIdentityProvider({ accounts: [alice, bob], accessTokenTtlSeconds: PROVIDER_TTL_MS / 1000 })
  other = await startIdentityProvider({ accessTokenTtlSeconds: 10 * 3600 })
  server = await startPlainServer(({ headers, method }, response) => {
    seen.push({ authorization: headers.authorization, user: headers['x-user'] })
    if (method !== 'GET') return void response.end('{}')
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': open\n\n')
  })
  const { corp } = oidcProviders(provider)
  const { corp: second } = oidcProviders(other)
  gateway = await startTestGateway({
    providers: { corp: { ...(corp as object), revocation_ends: 'tokens' }, second },
    routes: {
      '/own': { upstream: server.url, sign_in: 'corp', credential: { kind: 'provider-token' }, ...ALLOW, ...USER },
      '/none': { upstream: server.url, sign_in: 'corp', ...ALLOW, inject: { 'X-User': '{user.email}' } },
      '/second': {
        upstream: server.url,
        sign_in: 'corp',
        credential: { kind: 'provider-token', provider: 'second' },
        ...ALLOW,
        ...USER,
      },
      '/signed': {
        upstream: server.url,
        sign_in: 'corp',
        credential: { kind: 'signed-jwt', audience: 'reports', lifetime: '1h' },
        ...ALLOW,
      },
      '/everybody': { upstream: server.url, sign_in: 'corp' },
    },
  })
  provider.allowRedirect(`${gateway.issuer}/callback/corp`)
  other.allowRedirect(`${gateway.issuer}/callback/second`)
  client = await registerClient(gateway.issuer)
})

afterEach(async () => {
  await gateway?.close()
  await Promise.all([server?.close(), provider?.close(), other?.close()])
  clock.restore()
})

const url = (path: string) => gateway.issuer + path

async function signIn(path: string, user: typeof alice = alice): Promise<TokenAnswer> {
  provider.setCurrentAccount(user.sub)
  return client.obtain(url(path))
}

async function statusOf(path: string, tokens: TokenAnswer): Promise<number> {
  return (await callMcp(url(path), tokens.access_token)).status
}

/** Refreshes, a little later than the last look at the user. */
async function refreshLater(tokens: TokenAnswer): Promise<TokenAnswer> {
  clock.advance(2 * 60_000)
  return client.refresh(tokens.refresh_token)
}

function revocations(): unknown[] {
  const lines = gateway.output().split('\n')
  return lines.filter((line) => line.includes('"event":"grant_revoked"')).map((line) => JSON.parse(line).reason)
}

describe('a user whose provider’s tokens go to the server, on a route for a group (U-06, U-11)', () => {
  it('loses access with the next refresh after leaving the group, with all streams, and others do not', async () => {
    const [hers, his] = [await signIn('/own'), await signIn('/own', bob)]
    const stream = await callMcp(url('/own'), hers.access_token, { method: 'GET', body: null })
    const reader = stream.body?.getReader()
    await reader?.read()
    alice.groups = ['guests']
    expect(await statusOf('/own', hers)).toBe(200)
    clock.advance(PROVIDER_TTL_MS)
    const refused = await callMcp(url('/own'), hers.access_token)
    expect(refused.status).toBe(401)
    expect(refused.headers.get('www-authenticate')).toContain('error="invalid_token"')
    expect(await reader?.read()).toMatchObject({ done: true })
    expect(await client.refresh(hers.refresh_token)).toMatchObject({ status: 400, error: 'invalid_grant' })
    expect(revocations()).toEqual(['not_on_list'])
    // Her tokens are given back (V-03), his are not.
    const givenBack = () => provider.requests.filter(({ path }) => path === '/token/revocation').length
    await expect.poll(givenBack).toBe(1)
    expect(await statusOf('/own', his)).toBe(200)
    expect(givenBack()).toBe(1)
  })

  it('is known by a new address from then on', async () => {
    const tokens = await signIn('/own')
    await statusOf('/own', tokens)
    alice.email = 'alice@married.example'
    clock.advance(PROVIDER_TTL_MS)
    expect(await statusOf('/own', tokens)).toBe(200)
    expect(await statusOf('/own', tokens)).toBe(200)
    expect(seen.map(({ user }) => user)).toEqual(['alice@example.com', expect.any(String), 'alice@married.example'])
  })

  it('keeps access and fresh tokens while nobody can say who is in the group (U-13)', async () => {
    const tokens = await signIn('/own')
    alice.groups = ['guests']
    provider.setMode({ userinfo: 'unavailable' })
    clock.advance(PROVIDER_TTL_MS)
    expect(await statusOf('/own', tokens)).toBe(200)
    expect(provider.refreshes()).toBe(1)
    provider.setMode({ userinfo: 'ok' })
    clock.advance(PROVIDER_TTL_MS)
    expect(await statusOf('/own', await client.refresh(tokens.refresh_token))).toBe(401)
    expect(provider.refreshes()).toBe(2)
  })
})

describe.each([
  ['gets nothing of the user', '/none'],
  ['gets the token of another provider', '/second'],
])('a route for a group whose server %s', (_what, path) => {
  it('asks the provider of the sign-in at the client’s refresh, and ends who has left the group (U-11)', async () => {
    const first = await signIn(path)
    const second = await refreshLater(first)
    expect(second.status).toBe(200)
    expect(provider.refreshes()).toBe(1)
    expect(await statusOf(path, second)).toBe(200)
    alice.groups = []
    expect(await refreshLater(second)).toMatchObject({ status: 400, error: 'invalid_grant' })
    expect(await statusOf(path, second)).toBe(401)
    expect(revocations()).toEqual(['not_on_list'])
  })

  it('asks once for a client that refreshes several times at once', async () => {
    const first = await signIn(path)
    clock.advance(2 * 60_000)
    const answers = await Promise.all(Array.from({ length: 8 }, () => client.refresh(first.refresh_token)))
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200))
    expect(provider.refreshes()).toBe(1)
  })

  it('counts the grace from when it rotates, however long the provider took (B169, T-12)', async () => {
    const first = await signIn(path)
    let passMs = 61_000
    const { groups } = alice
    // The time that the provider takes is over when it looks at the user.
    Object.defineProperty(alice, 'groups', {
      get() {
        clock.advance(passMs)
        passMs = 0
        return groups
      },
    })
    const lost = await refreshLater(first)
    expect([lost.status, passMs]).toEqual([200, 0])
    expect((await client.refresh(first.refresh_token)).refresh_token).toBe(lost.refresh_token)
  })

  it('keeps users while the provider is away (U-13)', async () => {
    const first = await signIn(path)
    provider.setMode({ tokenEndpoint: 'unavailable' })
    const second = await refreshLater(first)
    expect(second.status).toBe(200)
    expect(await statusOf(path, second)).toBe(200)
    provider.setMode({ tokenEndpoint: 'ok' })
    alice.groups = []
    expect(await refreshLater(second)).toMatchObject({ status: 400 })
  })

  it('ends a user whose sign-in the provider has ended (C22)', async () => {
    const first = await signIn(path)
    const second = await refreshLater(first)
    provider.endSignIns()
    expect(await refreshLater(second)).toMatchObject({ status: 400, error: 'invalid_grant' })
    expect(revocations()).toEqual(['invalid_grant'])
    expect((await callMcp(url(path), (await signIn(path)).access_token)).status).toBe(200)
  })
})

it('a statement about a user says what was learned of them last, also for the access token of before (U-06)', async () => {
  const groupsTold = async (tokens: TokenAnswer) => {
    expect(await statusOf('/signed', tokens)).toBe(200)
    return decodeJwt(String(seen.at(-1)?.authorization).replace('Bearer ', '')).groups
  }
  const first = await signIn('/signed', bob)
  expect(await groupsTold(first)).toEqual(['engineering', 'staff'])
  bob.groups = ['engineering']
  const second = await refreshLater(first)
  for (const tokens of [second, first]) expect(await groupsTold(tokens)).toEqual(['engineering'])
})

it('a user whose sign-in cannot be read any more signs in again (X-20)', async () => {
  const [first, other] = [await signIn('/none'), await signIn('/none', bob)]
  const database = new Database(gateway.databaseFile)
  const rows = database.prepare("SELECT id, sealed FROM credentials WHERE purpose = 'sign-in' ORDER BY rowid").all()
  const [hers, his] = rows as { readonly id: string; readonly sealed: string }[]
  database.prepare('UPDATE credentials SET sealed = ? WHERE id = ?').run(his?.sealed, hers?.id)
  database.close()
  expect(await refreshLater(first)).toMatchObject({ status: 400, error: 'invalid_grant' })
  expect(revocations()).toEqual(['sign_in_unreadable'])
  expect((await client.refresh(other.refresh_token)).status).toBe(200)
})

it('a user whose sign-in was found dead just before a crash has no access after it (C01, C22)', async () => {
  const first = await signIn('/none')
  const database = new Database(gateway.databaseFile)
  database.prepare("UPDATE credentials SET state = 'dead', sealed = '' WHERE purpose = 'sign-in'").run()
  database.close()
  expect(await refreshLater(first)).toMatchObject({ status: 400, error: 'invalid_grant' })
  expect(await statusOf('/none', first)).toBe(401)
  expect(revocations()).toEqual(['sign_in_ended'])
})

it('nobody is asked about who may use a route like everybody else', async () => {
  const first = await signIn('/everybody')
  expect((await refreshLater(first)).status).toBe(200)
  expect(provider.refreshes()).toBe(0)
})
