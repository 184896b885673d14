import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type SpawnedGateway, spawnTestGateway, startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { type LedgerProvider, startLedgerProvider } from '../fixtures/ledger-provider.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { installMovableClock, type MovableClock } from '../fixtures/movable-clock.ts'
import { type OAuthClient, registerClient, type TokenAnswer } from '../fixtures/oauth-client.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

const CALLERS = 200
const TTL_MS = 10 * 60_000
/** Later than the moment at which the gateway refreshes any token, and before its end. */
const STALE_MS = TTL_MS * 0.9
const GRACE_MS = 30_000

let clock: MovableClock
let provider: LedgerProvider
let server: PlainServer
let gateway: TestGateway
let client: OAuthClient
let tokens: TokenAnswer
let resource: string

afterEach(async () => {
  await gateway?.close()
  await Promise.all([server?.close(), provider?.close()])
  clock?.restore()
})

/** A server that takes live tokens of the provider and nothing else, and a gateway in front of it. */
async function prepare(graceMs: number, ttlMs = TTL_MS) {
  provider = await startLedgerProvider({ graceMs, accessTtlSeconds: ttlMs / 1000 })
  server = await startPlainServer(({ headers }, response) => {
    const subject = provider.subjectOf(headers.authorization?.replace('Bearer ', '') ?? '')
    response.writeHead(subject === undefined ? 401 : 200).end('{}')
  })
  return {
    providers: { corp: provider.yaml },
    routes: { '/mcp': { upstream: server.url, sign_in: 'corp', credential: { kind: 'provider-token' } } },
    limits: { concurrent_per_grant: CALLERS * 2, token_requests: 1_000_000 },
  }
}

async function start(graceMs: number): Promise<void> {
  clock = installMovableClock()
  gateway = await startTestGateway(await prepare(graceMs))
  client = await registerClient(gateway.issuer)
  resource = `${gateway.issuer}/mcp`
  tokens = await client.obtain(resource)
}

const call = () => callMcp(resource, tokens.access_token)
/** Only the gateway's own token is renewed. */
const renew = async () => {
  tokens = await client.refresh(tokens.refresh_token)
  expect(tokens.status).toBe(200)
}
const credential = (column: string) => {
  const reader = new Database(gateway.databaseFile, { readonly: true })
  const value = reader.prepare(`SELECT ${column} FROM credentials`).pluck().get()
  reader.close()
  return value
}

describe('a provider whose answer is lost after it has exchanged the refresh token, within its grace (C11, C17)', () => {
  beforeEach(() => start(GRACE_MS))

  it('logs nobody out: 200 callers with an expired token wait for the second answer and get theirs', async () => {
    clock.advance(TTL_MS)
    provider.setMode('drop-after-commit')
    const answers = Promise.all(Array.from({ length: CALLERS }, call))
    await expect.poll(() => provider.refreshes(), { interval: 5, timeout: 10_000 }).toBe(1)
    provider.setMode('ok')
    expect((await answers).map(({ status }) => status)).toEqual(Array(CALLERS).fill(200))
    expect(provider.refreshes()).toBe(2)
    expect(provider.violations).toEqual([])
  })

  it('is asked again before the grace is over although nobody calls any more', async () => {
    clock.advance(STALE_MS)
    provider.setMode('drop-after-commit')
    expect((await call()).status).toBe(200)
    // Both that follow at once are lost as well.
    await expect.poll(() => provider.refreshes(), { timeout: 10_000 }).toBe(3)
    provider.setMode('ok')
    await expect.poll(() => credential('version'), { timeout: 10_000 }).toBe(2)
    expect(provider.violations).toEqual([])
    clock.advance(TTL_MS - STALE_MS + 1000)
    expect((await call()).status).toBe(200)
  })
})

describe('a 502 of something between gateway and provider, which has a grace (C17)', () => {
  beforeEach(() => start(GRACE_MS))

  const failures = () => gateway.output().split('provider refused to refresh').length - 1

  it('may come after the provider has exchanged the token: it is asked again before the grace is over', async () => {
    clock.advance(STALE_MS)
    provider.setMode('bad-gateway-after-commit')
    provider.onRefresh(() => setImmediate(() => provider.setMode('ok')))
    expect((await call()).status).toBe(200)
    await expect.poll(() => credential('version'), { timeout: 10_000 }).toBe(2)
    expect(provider.refreshes()).toBe(2)
    expect(provider.violations).toEqual([])
  })

  it('is believed otherwise: an outage of that kind costs nobody their sign-in, and is not asked for ever', async () => {
    clock.advance(STALE_MS)
    provider.setMode('bad-gateway')
    expect((await call()).status).toBe(200)
    await expect.poll(failures, { timeout: 10_000 }).toBe(3)
    await expect.poll(() => credential('presented_at')).toBeNull()
    clock.advance(GRACE_MS)
    // The one that was planned before; nothing follows it.
    await expect.poll(failures, { timeout: 10_000 }).toBe(4)
    clock.advance(TTL_MS)
    await renew()
    expect((await call()).status).toBe(503)
    expect(provider.refreshes()).toBe(5)
    provider.setMode('ok')
    clock.advance(5 * 60_000)
    expect((await call()).status).toBe(200)
    expect(provider.violations).toEqual([])
  })
})

describe('a provider whose answer is lost, and that promises no grace (C17)', () => {
  beforeEach(() => start(0))

  it('never sees that refresh token again: the access token serves to its end, then the user signs in', async () => {
    clock.advance(STALE_MS)
    provider.setMode('drop-after-commit')
    expect((await call()).status).toBe(200)
    // Before it is asked there is no lease either.
    await expect.poll(() => provider.refreshes()).toBe(1)
    await expect.poll(() => credential('lease_until')).toBeNull()
    provider.setMode('ok')
    for (const _ of ['at once', 'later']) {
      expect((await call()).status).toBe(200)
      clock.advance(10_000)
    }
    expect(provider.refreshes()).toBe(1)

    clock.advance(TTL_MS - STALE_MS)
    expect((await call()).status).toBe(401)
    expect(await client.refresh(tokens.refresh_token)).toMatchObject({ status: 400, error: 'invalid_grant' })
    expect(gateway.output()).toContain('"reason":"refresh_interrupted"')
    expect(provider.refreshes()).toBe(1)
    expect(provider.violations).toEqual([])
    expect((await callMcp(resource, (await client.obtain(resource)).access_token)).status).toBe(200)
  })

  it.each([
    ['turning requests away', 'unavailable'],
    ['a page that stands before it for hours, with status 200', 'page'],
  ] as const)('costs nobody anything by %s: nothing was exchanged', async (_, mode) => {
    clock.advance(STALE_MS)
    provider.setMode(mode)
    expect((await call()).status).toBe(200)
    await expect.poll(() => gateway.output()).toContain('provider refused to refresh: unavailable')
    expect(credential('presented_at')).toBeNull()
    clock.advance(TTL_MS - STALE_MS)
    await renew()
    expect((await call()).status).toBe(503)
    provider.setMode('ok')
    clock.advance(5 * 60_000)
    expect((await call()).status).toBe(200)
    expect(provider.violations).toEqual([])
  })
})

describe('an answer about a user that is lost, at a provider that names neither grace nor life of its tokens (C17, U-11)', () => {
  it('leaves the user in for an hour, and not for ever: nobody could be asked about them again', async () => {
    clock = installMovableClock()
    const yaml = await prepare(0)
    await provider.close()
    provider = await startLedgerProvider({ graceMs: 0, accessTtlSeconds: 10 * 3600, untold: true })
    gateway = await startTestGateway({
      ...yaml,
      providers: { corp: provider.yaml },
      routes: { '/mcp': { upstream: server.url, sign_in: 'corp', allow: { users: ['alice'] } } },
    })
    client = await registerClient(gateway.issuer)
    resource = `${gateway.issuer}/mcp`
    tokens = await client.obtain(resource)
    clock.advance(2 * 60_000)
    provider.setMode('drop-after-commit')
    await renew()
    provider.setMode('ok')
    clock.advance(59 * 60_000)
    await renew()
    expect(provider.refreshes()).toBe(1)
    clock.advance(60_000)
    expect(await client.refresh(tokens.refresh_token)).toMatchObject({ status: 400, error: 'invalid_grant' })
    expect(gateway.output()).toContain('"reason":"refresh_interrupted"')
    expect(provider.violations).toEqual([])
  })
})

describe('a provider that is down (C17, U-13)', () => {
  it('leaves tokens that live in use, answers 503 for the others, and 401 for nobody', async () => {
    await start(GRACE_MS)
    const expired = tokens
    clock.advance(TTL_MS / 2)
    const alive = await client.obtain(resource)
    clock.advance(TTL_MS / 2)
    provider.setMode('unavailable')
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) => callMcp(resource, (index % 2 === 0 ? alive : expired).access_token)),
    )
    expect(answers.map(({ status }) => status)).toEqual(
      Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? 200 : 503)),
    )
    for (const answer of answers) expect(answer.headers.get('www-authenticate')).toBeNull()
    provider.setMode('ok')
    clock.advance(5 * 60_000)
    for (const { access_token } of [alive, expired]) expect((await callMcp(resource, access_token)).status).toBe(200)
  })
})

describe('a database that is away when the provider answers (C15)', () => {
  it('costs nothing: the new token is used at once and stored as soon as that is possible', async () => {
    await start(GRACE_MS)
    clock.advance(TTL_MS)
    const blocker = new Database(gateway.databaseFile)
    provider.onRefresh(() => blocker.exec('BEGIN IMMEDIATE'))
    expect((await call()).status).toBe(200)
    expect(credential('version')).toBe(1)
    expect((await call()).status).toBe(200)
    blocker.exec('ROLLBACK')
    blocker.close()
    await expect.poll(() => credential('version'), { timeout: 20_000 }).toBe(2)
    expect(credential('presented_at')).toBeNull()
    expect(provider.refreshes()).toBe(1)
    clock.advance(TTL_MS)
    expect((await call()).status).toBe(200)
    expect(provider.violations).toEqual([])
  })
})

describe('a database that is away for longer than any lease (C14, C15)', () => {
  it('never makes the gateway present the refresh token again whose successor waits to be stored', async () => {
    await start(0)
    clock.advance(TTL_MS)
    const blocker = new Database(gateway.databaseFile)
    provider.onRefresh(() => blocker.exec('BEGIN IMMEDIATE'))
    expect((await call()).status).toBe(200)
    clock.advance(TTL_MS)
    // The database is back, and callers are faster than the write that is to be repeated.
    blocker.exec('ROLLBACK')
    blocker.close()
    await call()
    await expect.poll(() => credential('version'), { timeout: 20_000 }).toBeGreaterThan(1)
    expect((await call()).status).toBe(200)
    expect(gateway.output()).not.toContain('"event":"grant_revoked"')
    expect(provider.violations).toEqual([])
  })
})

describe('a 502 that hides an exchange, and a restart before the grace is over, with nobody calling afterwards (C01, C17)', () => {
  it('the next process presents the same refresh token by itself', async () => {
    const spawned: SpawnedGateway = await spawnTestGateway(await prepare(60_000, 1000))
    gateway = spawned
    client = await registerClient(gateway.issuer)
    resource = `${gateway.issuer}/mcp`
    tokens = await client.obtain(resource)
    provider.setMode('bad-gateway-after-commit')
    provider.onRefresh(() => setImmediate(() => provider.setMode('bad-gateway')))
    await expect.poll(() => call().then(() => provider.refreshes()), { timeout: 20_000 }).toBeGreaterThan(0)
    // Both that follow at once have failed, too.
    await expect.poll(() => provider.refreshes(), { timeout: 20_000 }).toBeGreaterThanOrEqual(3)
    await expect.poll(() => credential('presented_at'), { timeout: 20_000 }).toBeNull()
    await spawned.kill()
    provider.setMode('ok')
    await spawned.restart()
    await expect.poll(() => credential('version'), { timeout: 20_000 }).toBe(2)
    expect((await call()).status).toBe(200)
    expect(provider.violations).toEqual([])
  })
})

describe('kill -9 between the provider’s answer and the commit, with nobody calling afterwards (C01)', () => {
  it('the next process presents the same refresh token by itself, within the grace', async () => {
    const spawned: SpawnedGateway = await spawnTestGateway(await prepare(60_000, 1000), {
      GATEHOUSE_FAILPOINT: 'refresh.answered',
    })
    gateway = spawned
    client = await registerClient(gateway.issuer)
    resource = `${gateway.issuer}/mcp`
    tokens = await client.obtain(resource)
    await expect
      .poll(
        () =>
          call().then(
            ({ status }) => status,
            () => 'gone',
          ),
        { timeout: 20_000 },
      )
      .toBe('gone')
    await spawned.process().ended
    expect(provider.refreshes()).toBe(1)
    await spawned.restart({ GATEHOUSE_FAILPOINT: 'refresh.answered:1000' })
    await expect.poll(() => provider.refreshes(), { timeout: 20_000 }).toBe(2)
    expect((await call()).status).toBe(200)
    expect(provider.violations).toEqual([])
  })
})
