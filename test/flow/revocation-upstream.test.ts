import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { type IdentityProvider, startIdentityProvider } from '../fixtures/identity-provider.ts'
import { callRoute, obtainTokens, refresh, register, revoke } from '../fixtures/oauth-requests.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

let provider: IdentityProvider
let server: PlainServer
let gateway: TestGateway

async function start(revocationEnds: 'tokens' | 'account'): Promise<void> {
  provider = await startIdentityProvider()
  server = await startPlainServer((_request, response) => void response.end('{}'))
  gateway = await startTestGateway({
    providers: {
      corp: {
        type: 'oidc',
        issuer: provider.issuer,
        client_id: provider.clientId,
        client_secret: provider.clientSecret,
        scopes: ['openid', 'email', 'offline_access'],
        revocation_ends: revocationEnds,
      },
    },
    routes: { '/mcp': { upstream: server.url, sign_in: 'corp', credential: { kind: 'provider-token' } } },
  })
  provider.allowRedirect(`${gateway.issuer}/callback/corp`)
}

afterEach(async () => {
  await gateway?.close()
  await Promise.all([provider?.close(), server?.close()])
})

const givenBack = () =>
  provider.requests.filter(({ path }) => path === '/token/revocation').map(({ form }) => form.get('token'))

describe('a grant that ends at a provider whose revocation ends single tokens (V-03)', () => {
  beforeEach(() => start('tokens'))

  it('gives its provider tokens back, and those of other grants stay', async () => {
    const client = await register(gateway.issuer)
    const [ending, staying] = [await obtainTokens(gateway.issuer, client), await obtainTokens(gateway.issuer, client)]
    expect((await revoke(gateway.issuer, client, ending.refreshToken)).status).toBe(200)
    await vi.waitFor(() => expect(givenBack().length).toBeGreaterThan(0))
    expect((await callRoute(`${gateway.issuer}/mcp`, ending.accessToken)).status).toBe(401)
    expect((await callRoute(`${gateway.issuer}/mcp`, staying.accessToken)).status).toBe(200)
    expect((await refresh(gateway.issuer, client, staying.refreshToken)).status).toBe(200)
  })

  it('does so after reuse of a refresh token, too (RFC 9700 §4.14.2)', async () => {
    const client = await register(gateway.issuer)
    const first = await obtainTokens(gateway.issuer, client)
    const second = (await refresh(gateway.issuer, client, first.refreshToken)).json()
    await refresh(gateway.issuer, client, String(second.refresh_token))
    expect(givenBack()).toEqual([])
    expect((await refresh(gateway.issuer, client, first.refreshToken)).json()).toMatchObject({ error: 'invalid_grant' })
    await vi.waitFor(() => expect(givenBack().length).toBeGreaterThan(0))
  })
})

describe('a grant that ends at a provider whose revocation ends the whole account (C23)', () => {
  beforeEach(() => start('account'))

  it('leaves the tokens to run out, because other grants of the user would go with them', async () => {
    const client = await register(gateway.issuer)
    const [ending, staying] = [await obtainTokens(gateway.issuer, client), await obtainTokens(gateway.issuer, client)]
    await revoke(gateway.issuer, client, ending.refreshToken)
    expect((await callRoute(`${gateway.issuer}/mcp`, ending.accessToken)).status).toBe(401)
    expect((await callRoute(`${gateway.issuer}/mcp`, staying.accessToken)).status).toBe(200)
    expect(givenBack()).toEqual([])
  })
})
