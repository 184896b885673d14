import { afterEach, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { type IdentityProvider, startIdentityProvider } from '../fixtures/identity-provider.ts'
import { callRoute, obtainTokens, refresh, register } from '../fixtures/oauth-requests.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

let provider: IdentityProvider
let server: PlainServer
let gateway: TestGateway

afterEach(async () => {
  await gateway?.close()
  await Promise.all([provider?.close(), server?.close()])
})

it('takes a client from nothing to a call with the token of a plain OAuth 2.0 provider (U-08, U-11)', async () => {
  const sent: (string | undefined)[] = []
  provider = await startIdentityProvider()
  server = await startPlainServer((request, response) => {
    sent.push(request.headers.authorization)
    response.end('{}')
  })
  gateway = await startTestGateway({
    providers: {
      corp: {
        preset: 'generic-oauth2',
        authorization_endpoint: `${provider.issuer}/auth`,
        token_endpoint: `${provider.issuer}/token`,
        client_authentication: 'client_secret_basic',
        client_id: provider.clientId,
        client_secret: provider.clientSecret,
        scopes: ['openid', 'email', 'offline_access'],
        authorization_parameters: { prompt: 'consent' },
        identity: {
          requests: { user: { url: `${provider.issuer}/me` } },
          subject: ['user.sub'],
          email: 'user.email',
          email_verified: 'user.email_verified',
        },
      },
    },
    routes: {
      '/mcp': {
        upstream: server.url,
        sign_in: 'corp',
        allow: { users: ['alice@example.com'] },
        credential: { kind: 'provider-token' },
      },
    },
  })
  provider.allowRedirect(`${gateway.issuer}/callback/corp`)

  const client = await register(gateway.issuer)
  const tokens = await obtainTokens(gateway.issuer, client)
  expect((await callRoute(`${gateway.issuer}/mcp`, tokens.accessToken)).status).toBe(200)
  const [authorization = ''] = sent
  expect(authorization).not.toContain(tokens.accessToken)
  expect((await fetch(`${provider.issuer}/me`, { headers: { authorization } })).status).toBe(200)
  expect((await refresh(gateway.issuer, client, tokens.refreshToken)).status).toBe(200)
})
