import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBrowser } from '../fixtures/browser.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { type IdentityProvider, startIdentityProvider } from '../fixtures/identity-provider.ts'
import { authorizeUrl, callRoute, obtainTokens, register } from '../fixtures/oauth-requests.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

describe('a server that gets the token of another provider than the one for sign-in (U-15)', () => {
  let corp: IdentityProvider
  let linear: IdentityProvider
  let server: PlainServer
  let gateway: TestGateway

  beforeAll(async () => {
    corp = await startIdentityProvider({
      accounts: [
        { sub: 'alice', email: 'alice@example.com', email_verified: true },
        { sub: 'eve', email: 'eve@evil.example', email_verified: true },
      ],
    })
    linear = await startIdentityProvider({
      accounts: [{ sub: 'linear-user', email: 'a@linear.example', email_verified: true }],
    })
    server = await startPlainServer((request, response) => {
      request.resume()
      const { authorization, 'x-user': user } = request.headers
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ authorization, user }))
    })
    const provider = (idp: IdentityProvider) => ({
      type: 'oidc',
      issuer: idp.issuer,
      client_id: idp.clientId,
      client_secret: idp.clientSecret,
      scopes: ['openid', 'email', 'offline_access'],
    })
    gateway = await startTestGateway({
      providers: { corp: provider(corp), linear: provider(linear) },
      routes: {
        '/linear': {
          upstream: server.url,
          sign_in: 'corp',
          allow: { email_domains: ['example.com'] },
          credential: { kind: 'provider-token', provider: 'linear' },
          inject: { Authorization: 'Bearer {credential}', 'X-User': '{user.email}' },
        },
      },
    })
    corp.allowRedirect(`${gateway.issuer}/callback/corp`)
    linear.allowRedirect(`${gateway.issuer}/callback/linear`)
  })
  afterAll(async () => {
    await gateway?.close()
    await Promise.all([corp?.close(), linear?.close(), server?.close()])
  })

  it('asks both in one flow and sends the second one’s token with the first one’s identity', async () => {
    const tokens = await obtainTokens(gateway.issuer, await register(gateway.issuer))
    const seen = (await callRoute(`${gateway.issuer}/linear`, tokens.accessToken)).json()
    expect(seen.user).toBe('alice@example.com')
    const token = String(seen.authorization).replace('Bearer ', '')
    const bearer = { authorization: `Bearer ${token}` }
    expect((await fetch(`${linear.issuer}/me`, { headers: bearer })).status).toBe(200)
    expect((await fetch(`${corp.issuer}/me`, { headers: bearer })).status).toBe(401)
  })

  it('gives each leg its own state, nonce and verifier (U-01, U-02)', async () => {
    const begun = (idp: IdentityProvider) =>
      idp.requests.filter(({ query }) => query.has('code_challenge')).at(-1)?.query
    const [first, second] = [begun(corp), begun(linear)]
    for (const name of ['state', 'nonce', 'code_challenge']) {
      expect(first?.get(name)).toMatch(/.{20}/)
      expect(second?.get(name)).not.toBe(first?.get(name))
    }
  })

  it('leaves nothing behind when the second provider is denied, and the client is told (A-25)', async () => {
    linear.setMode({ signIn: 'deny' })
    const client = await register(gateway.issuer)
    const browser = createBrowser({ stopAt: [client.redirectUri] })
    const consent = await browser.get(authorizeUrl(gateway.issuer, client))
    const end = await browser.submit(consent.form(), { decision: 'approve' })
    linear.setMode({ signIn: 'approve' })
    expect(end.stopped).toBe(true)
    expect(end.url.searchParams.get('error')).toBe('access_denied')
    expect(end.url.searchParams.has('code')).toBe(false)
  })

  it('does not let the callback of one provider finish the leg of the other (B125, X-05)', async () => {
    const client = await register(gateway.issuer)
    const browser = createBrowser({ stopAt: [client.redirectUri, `${gateway.issuer}/callback/linear`] })
    const consent = await browser.get(authorizeUrl(gateway.issuer, client))
    const back = await browser.submit(consent.form(), { decision: 'approve' })
    expect(back.url.pathname).toBe('/callback/linear')
    const swapped = new URL(back.url)
    swapped.pathname = '/callback/corp'
    expect((await browser.get(swapped)).status).toBe(400)
  })

  it('binds the second leg to this browser anew: elsewhere its return ends it, and no token is stored (B101)', async () => {
    const client = await register(gateway.issuer)
    const browser = createBrowser({ stopAt: [client.redirectUri, `${gateway.issuer}/callback/linear`] })
    const consent = await browser.get(authorizeUrl(gateway.issuer, client))
    const first = new Set(browser.cookies(gateway.issuer).keys())
    const back = await browser.submit(consent.form(), { decision: 'approve' })
    const added = [...browser.cookies(gateway.issuer).keys()].filter((name) => !first.has(name))
    expect(added.length).toBeGreaterThan(0)
    const elsewhere = createBrowser({ stopAt: [client.redirectUri] })
    expect((await elsewhere.get(back.url)).status).toBe(403)
    const here = createBrowser({ stopAt: [client.redirectUri] })
    expect((await here.get(back.url)).status).toBe(400)
  })

  it('turns away who may not use the route before the second provider is asked', async () => {
    const before = linear.requests.length
    corp.setCurrentAccount('eve')
    const client = await register(gateway.issuer)
    const browser = createBrowser({ stopAt: [client.redirectUri] })
    const end = await browser.submit((await browser.get(authorizeUrl(gateway.issuer, client))).form(), {
      decision: 'approve',
    })
    corp.setCurrentAccount('alice')
    expect(end.status).toBe(403)
    expect(end.body).toContain('error=access_denied')
    expect(linear.requests.length).toBe(before)
  })
})
