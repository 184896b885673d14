import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { installMovableClock, type MovableClock } from '../fixtures/movable-clock.ts'
import { callRoute } from '../fixtures/oauth-requests.ts'
import { passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'
import { startTokenIssuer, type TokenChanges, type TokenIssuer } from '../fixtures/token-issuer.ts'

const AUDIENCE = 'https://mcp.example.com/own'
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

let clock: MovableClock
let issuer: TokenIssuer
let server: PlainServer
let gateway: TestGateway

beforeEach(async () => {
  clock = installMovableClock()
  issuer = await startTokenIssuer()
  server = await startPlainServer((_request, response) => void response.end('{}'))
  gateway = await startWith(issuer.issuer)
  clock.stop()
})
afterEach(async () => {
  await Promise.all([gateway?.close(), issuer?.close(), server?.close()])
  clock.restore()
})

async function startWith(trusted: string): Promise<TestGateway> {
  return startTestGateway({
    providers: await passwordProviders(),
    routes: { '/own': { upstream: server.url, authorization: { issuers: [trusted], audience: AUDIENCE } } },
  })
}

let tokens = 0

/** The status of a call with a token that nobody has seen before. */
async function call({ claims = {}, ...changes }: TokenChanges = {}): Promise<number> {
  tokens += 1
  return statusOf(await issuer.issue(AUDIENCE, { claims: { jti: `token-${tokens}`, ...claims }, ...changes }))
}

async function statusOf(token: string): Promise<number> {
  return (await callRoute(`${gateway.issuer}/own`, token)).status
}

describe('keys that an issuer changes (RFC 9068 §4)', () => {
  it('are known after one more look, twice a minute at the most, whatever ids tokens name (B127)', async () => {
    expect(await call()).toBe(200)
    await issuer.rotate()
    clock.advance(MINUTE_MS)
    expect(await call()).toBe(200)
    const before = issuer.requests()
    const unknown = { header: { kid: 'nobody-has-it' } }
    expect(await Promise.all(Array.from({ length: 20 }, () => call(unknown)))).toEqual(Array(20).fill(401))
    expect(issuer.requests()).toBe(before)
    clock.advance(MINUTE_MS)
    expect(await Promise.all(Array.from({ length: 20 }, () => call(unknown)))).toEqual(Array(20).fill(401))
    expect(issuer.keyRequests()).toBe(3)
  })

  it('verify no more 15 minutes after they were taken out, also what was verified just before', async () => {
    expect(await call()).toBe(200)
    const token = await issuer.issue(AUDIENCE, { claims: { exp: Math.floor(Date.now() / 1000) + 7200 } })
    await issuer.rotate()
    clock.advance(10 * MINUTE_MS - 1)
    expect(await statusOf(token)).toBe(200)
    clock.advance(5 * MINUTE_MS)
    expect(await statusOf(token)).toBe(401)
    expect(await call()).toBe(200)
  })

  it('are found where the metadata say that they are now (I5)', async () => {
    expect(await call()).toBe(200)
    issuer.moveKeys()
    await issuer.rotate()
    clock.advance(MINUTE_MS)
    expect(await call()).toBe(200)
  })
})

describe('keys that cannot be read (C27, B127)', () => {
  it('go on to verify for a day; a key that nobody knows yet is no reason for a new sign-in (T-22)', async () => {
    expect(await call()).toBe(200)
    issuer.setAvailable(false)
    clock.advance(20 * HOUR_MS)
    expect(await Promise.all(Array.from({ length: 10 }, () => call()))).toEqual(Array(10).fill(200))
    expect(await call({ header: { kid: 'perhaps-new' } })).toBe(503)
    clock.advance(5 * HOUR_MS)
    expect(await call()).toBe(503)
    issuer.setAvailable(true)
    clock.advance(5000)
    expect(await call()).toBe(200)
    expect(await call({ header: { kid: 'perhaps-new' } })).toBe(401)
  })

  it('are asked for once in three seconds, however many tokens come (B280)', async () => {
    issuer.setAvailable(false)
    expect(await Promise.all(Array.from({ length: 20 }, () => call()))).toEqual(Array(20).fill(503))
    const once = issuer.requests()
    expect(await call()).toBe(503)
    expect(issuer.requests()).toBe(once)
    clock.advance(3000)
    expect(await call()).toBe(503)
    expect(issuer.requests()).toBe(2 * once)
    issuer.setAvailable(true)
    clock.advance(3000)
    expect(await call()).toBe(200)
  })

  it.each<[string, (keys: readonly JWK[]) => unknown]>([
    ['a list', (keys) => keys],
    ['a set whose keys are no list', (keys) => ({ keys: keys[0] })],
    ['a set with something else in it', (keys) => ({ keys: [...keys, null] })],
    ['more than is read', (keys) => ({ keys, more: 'x'.repeat(2 ** 20) })],
  ])('because what stands there is %s do not replace those that are known (C26)', async (_what, published) => {
    issuer.publish(published)
    expect(await call()).toBe(503)
    issuer.publish()
    clock.advance(5000)
    expect(await call()).toBe(200)
    issuer.publish(published)
    clock.advance(HOUR_MS)
    expect(await call()).toBe(200)
  })
})

describe('several keys that a token could mean (RFC 7515 §6)', () => {
  it.each<[string, Record<string, string | undefined>]>([
    ['because they have one id', {}],
    ['because it names none', { kid: undefined }],
  ])('%s are all tried', async (_why, header) => {
    const others = await Promise.all([generateKeyPair('ES256'), generateKeyPair('ES256')])
    const [before, after] = await Promise.all(others.map(({ publicKey }) => exportJWK(publicKey)))
    issuer.publish((keys) => {
      const { kid = '' } = keys[0] ?? {}
      return { keys: [{ ...before, kid }, ...keys, { ...after, kid }] }
    })
    expect(await call({ header })).toBe(200)
    expect(await call({ header, key: (await generateKeyPair('ES256')).privateKey })).toBe(401)
    expect(await call({ header, claims: { aud: 'https://other.example' } })).toBe(401)
  })
})

it('metadata of a public issuer cannot make the gateway look for keys on its own computer (B128)', async () => {
  const login = 'https://login.example'
  const local = `${issuer.issuer}/keys`
  const platform = globalThis.fetch
  let jwks_uri = local
  globalThis.fetch = async (input, init) => {
    const { host, pathname } = new URL(String(input))
    if (host !== 'login.example') return platform(input, init)
    return pathname === '/keys' ? platform(local, init) : Response.json({ issuer: login, jwks_uri })
  }
  try {
    await gateway.close()
    gateway = await startWith(login)
    expect(await call({ claims: { iss: login } })).toBe(503)
    expect(issuer.requests()).toBe(0)
    jwks_uri = `${login}/keys`
    clock.advance(5000)
    expect(await call({ claims: { iss: login } })).toBe(200)
  } finally {
    globalThis.fetch = platform
  }
})
