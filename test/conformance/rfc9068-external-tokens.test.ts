import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newEncryptionKey } from '../../src/domain/encryption-key.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { ask } from '../fixtures/http-exchange.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { installMovableClock } from '../fixtures/movable-clock.ts'
import { callRoute, obtainTokens, register } from '../fixtures/oauth-requests.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'
import { startSessionServer } from '../fixtures/session-server.ts'
import { startTokenIssuer, type TokenChanges, type TokenIssuer } from '../fixtures/token-issuer.ts'

const AUDIENCE = 'https://mcp.example.com/own'

describe('a route that takes the tokens of another authorization server (RFC 9068 §4)', () => {
  let issuer: TokenIssuer
  let server: PlainServer
  let gateway: TestGateway
  let calls = 0

  beforeAll(async () => {
    issuer = await startTokenIssuer()
    server = await startPlainServer((request, response) => {
      calls += 1
      request.resume()
      const { authorization, 'x-user': user } = request.headers
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ authorization, user }))
    })
    const credential = { kind: 'static', value: 'the-server-own-key' }
    const inject = { Authorization: 'Bearer {credential}', 'X-User': '{user.sub}' }
    gateway = await startTestGateway({
      providers: await passwordProviders(),
      routes: {
        '/own': {
          upstream: server.url,
          authorization: { issuers: [issuer.issuer], audience: AUDIENCE },
          allow: { users: ['alice'] },
          credential,
          inject,
        },
        '/ours': { upstream: server.url, sign_in: 'home', credential, inject },
      },
    })
  })
  afterAll(async () => {
    await gateway?.close()
    await Promise.all([issuer?.close(), server?.close()])
  })

  const call = async (changes?: TokenChanges, audience = AUDIENCE) =>
    callRoute(`${gateway.issuer}/own`, await issuer.issue(audience, changes))

  it('sends clients to that server, by metadata and challenge (D-02, D-50)', async () => {
    const challenge = (await ask(`${gateway.issuer}/own`)).headers['www-authenticate'] ?? ''
    const address = /resource_metadata="([^"]+)"/.exec(challenge)?.[1] ?? ''
    const metadata = (await ask(address)).json()
    expect(metadata).toMatchObject({ resource: `${gateway.issuer}/own`, authorization_servers: [issuer.issuer] })
    expect(challenge).not.toContain('scope=')
    expect(metadata).not.toHaveProperty('scopes_supported')
  })

  it('swaps the token for the server’s own credential (X-02)', async () => {
    expect((await call()).json()).toEqual({ authorization: 'Bearer the-server-own-key', user: 'alice' })
  })

  it.each<[string, TokenChanges]>([
    ['another issuer', { claims: { iss: 'https://evil.example' } }],
    ['an end in the past', { claims: { exp: 1_700_000_000 } }],
    ['no end', { claims: { exp: undefined } }],
    ['an end that is text', { claims: { exp: '9999999999' } }],
    ['no subject', { claims: { sub: undefined } }],
    ['a beginning in the future', { claims: { nbf: 4_000_000_000 } }],
    ['a second audience', { claims: { aud: [AUDIENCE, 'https://other.example'] } }],
    ['the type of an id_token', { header: { typ: 'JWT' } }],
    ['a key that is not published', { header: { kid: 'somebody' } }],
  ])('refuses a token with %s, and nothing reaches the server (B179)', async (_what, changes) => {
    const before = calls
    const refused = await call(changes)
    expect(refused.status).toBe(401)
    expect(refused.headers['www-authenticate']).toContain('error="invalid_token"')
    expect(calls).toBe(before)
    expect((await call()).status).toBe(200)
  })

  it('refuses a token that is signed by somebody else, or by nobody (B179, RFC 8725 §3.1)', async () => {
    const { privateKey } = await generateKeyPair('ES256')
    expect((await call({ key: privateKey })).status).toBe(401)
    const [header, payload] = (await issuer.issue(AUDIENCE)).split('.')
    const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'at+jwt' })).toString('base64url')
    for (const forged of [`${none}.${payload}.`, `${header}.${payload}.`, `${header}.${payload}.AAAA`])
      expect((await callRoute(`${gateway.issuer}/own`, forged)).status).toBe(401)
    const shared = await issuer.issue(AUDIENCE, { header: { alg: 'HS256' }, key: new Uint8Array(32) })
    expect((await callRoute(`${gateway.issuer}/own`, shared)).status).toBe(401)
  })

  it.each([
    ['is no JSON', 'nonsense'],
    ['is no object', '"at+jwt"'],
    ['names a type that is no text', '{"alg":"ES256","typ":1}'],
    ['names no algorithm', '{"typ":"at+jwt"}'],
    ['names an algorithm that is no text', '{"alg":1,"typ":"at+jwt"}'],
    ['names critical members that are none', '{"alg":"ES256","typ":"at+jwt","crit":1}'],
    ['names a key by a number', '{"alg":"ES256","typ":"at+jwt","kid":1}'],
  ])(
    'refuses a token whose header %s: it is not the issuer that is away (T-22, RFC 7515 §5.2)',
    async (_how, header) => {
      const [, payload, signature] = (await issuer.issue(AUDIENCE)).split('.')
      const malformed = `${Buffer.from(header).toString('base64url')}.${payload}.${signature}`
      expect((await callRoute(`${gateway.issuer}/own`, malformed)).status).toBe(401)
      expect((await call()).status).toBe(200)
    },
  )

  it('refuses a token for another audience, and our own tokens on that route and the other way round (K-01, K-02)', async () => {
    expect((await call({}, 'https://mcp.example.com/other')).status).toBe(401)
    const ours = await obtainTokens(gateway.issuer, await register(gateway.issuer), {}, ALICE)
    expect((await callRoute(`${gateway.issuer}/ours`, ours.accessToken)).status).toBe(200)
    expect((await callRoute(`${gateway.issuer}/own`, ours.accessToken)).status).toBe(401)
    expect((await callRoute(`${gateway.issuer}/ours`, await issuer.issue(AUDIENCE))).status).toBe(401)
  })

  it('asks the policy, and does not challenge who would only come back (S-07)', async () => {
    const refused = await call({ claims: { sub: 'eve' } })
    expect(refused.status).toBe(403)
    expect(refused.headers).not.toHaveProperty('www-authenticate')
  })

  it('does not offer the route for sign-in with us (A-10)', async () => {
    const client = await register(gateway.issuer)
    const page = await ask(
      `${gateway.issuer}/authorize?${new URLSearchParams({
        response_type: 'code',
        client_id: client.clientId,
        redirect_uri: client.redirectUri,
        code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
        code_challenge_method: 'S256',
        resource: `${gateway.issuer}/own`,
      })}`,
    )
    expect(page.body).toContain('invalid_target')
  })

  it('asks for the keys once for many tokens, and goes on with what it verified while the issuer is away (B127, C27)', async () => {
    const known = await issuer.issue(AUDIENCE)
    expect((await callRoute(`${gateway.issuer}/own`, known)).status).toBe(200)
    const before = issuer.keyRequests()
    for (let count = 0; count < 20; count += 1) expect((await call()).status).toBe(200)
    expect(issuer.keyRequests()).toBe(before)
    issuer.setAvailable(false)
    expect((await callRoute(`${gateway.issuer}/own`, known)).status).toBe(200)
    issuer.setAvailable(true)
  })
})

describe('sessions of a server behind such a route (P-41)', () => {
  it('belong to the user and client of the token that opened them, whatever token comes next, over a restart', async () => {
    const [issuer, server] = await Promise.all([startTokenIssuer(), startSessionServer()])
    const directory = mkdtempSync(join(tmpdir(), 'gatehouse-external-'))
    const yaml = {
      database: `sqlite:${join(directory, 'gatehouse.db')}`,
      encryption_keys: [newEncryptionKey().reveal()],
      providers: await passwordProviders(),
      routes: { '/own': { upstream: server.url, authorization: { issuers: [issuer.issuer], audience: AUDIENCE } } },
    }
    let gateway = await startTestGateway(yaml)
    const route = `${gateway.issuer}/own`
    const call = async (claims: Record<string, unknown>, more: Parameters<typeof callMcp>[2] = {}) =>
      callMcp(route, await issuer.issue(AUDIENCE, { claims }), more)
    const opened = await call({ jti: 'first' }, { body: '{"jsonrpc":"2.0","id":1,"method":"initialize"}' })
    const headers = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' }
    expect([opened.status, headers]).toEqual([200, { 'mcp-session-id': 'session' }])
    for (const restarted of [false, true]) {
      if (restarted) {
        await gateway.close()
        gateway = await startTestGateway({ ...yaml, public_url: gateway.issuer, listen: new URL(gateway.issuer).host })
      }
      expect((await call({ jti: 'second' }, { headers })).status).toBe(200)
      for (const other of [{ sub: 'bob' }, { client_id: 'another' }])
        expect((await call(other, { headers })).status).toBe(404)
    }
    await Promise.all([gateway.close(), issuer.close(), server.close()])
    rmSync(directory, { recursive: true })
  })
})

describe('an issuer that cannot be reached at all (C27)', () => {
  it('means 503, never 401: a new sign-in would not help (T-22)', async () => {
    const clock = installMovableClock()
    const issuer = await startTokenIssuer()
    const server = await startPlainServer((_request, response) => void response.end('{}'))
    const gateway = await startTestGateway({
      providers: await passwordProviders(),
      routes: { '/own': { upstream: server.url, authorization: { issuers: [issuer.issuer], audience: AUDIENCE } } },
    })
    const token = await issuer.issue(AUDIENCE)
    issuer.setAvailable(false)
    const away = await callRoute(`${gateway.issuer}/own`, token)
    expect(away.status).toBe(503)
    expect(away.headers['retry-after']).toBeDefined()
    issuer.setAvailable(true)
    clock.advance(5000)
    expect((await callRoute(`${gateway.issuer}/own`, token)).status).toBe(200)
    await Promise.all([gateway.close(), issuer.close(), server.close()])
    clock.restore()
  })
})
