import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startTestGateway } from '../fixtures/gateway.ts'
import { ask } from '../fixtures/http-exchange.ts'
import { startIdentityProvider } from '../fixtures/identity-provider.ts'
import { callRoute, obtainTokens, refresh, register } from '../fixtures/oauth-requests.ts'
import { startPlainServer } from '../fixtures/plain-server.ts'

it('a grant without the credential that its route has come to need: refused, not refreshed, not active (B157, T-10)', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gatehouse-introspection-'))
  const server = await startPlainServer((_, response) => void response.end('{}'))
  const provider = await startIdentityProvider()
  const corp = {
    type: 'oidc',
    issuer: provider.issuer,
    client_id: provider.clientId,
    client_secret: provider.clientSecret,
  }
  const base = { database: `sqlite:${join(directory, 'gatehouse.db')}`, providers: { corp } }
  const routes = (credential: Record<string, unknown>) => ({
    '/mcp': { upstream: server.url, sign_in: 'corp', credential },
  })
  const ownToken = { kind: 'provider-token', provider: 'corp' }
  const first = await startTestGateway({ ...base, routes: routes({ kind: 'none' }) })
  const url = `${first.issuer}/mcp`
  const again = {
    ...base,
    public_url: first.issuer,
    listen: new URL(first.issuer).host,
    encryption_keys: [first.encryptionKey],
  }
  provider.allowRedirect(`${first.issuer}/callback/corp`)
  const client = await register(first.issuer, { token_endpoint_auth_method: 'client_secret_post' })
  const { accessToken, refreshToken } = await obtainTokens(first.issuer, client)
  const decisions = async () => {
    const body = new URLSearchParams({
      client_id: client.clientId,
      client_secret: client.clientSecret ?? '',
      token: accessToken,
    })
    const introspected = await ask(`${first.issuer}/introspect`, { body })
    return [introspected.json().active, (await callRoute(url, accessToken)).status]
  }
  expect(await decisions()).toEqual([true, 200])
  await first.close()

  const second = await startTestGateway({ ...again, routes: routes(ownToken) })
  expect(await decisions()).toEqual([false, 401])
  const refreshed = await refresh(first.issuer, client, refreshToken)
  expect([refreshed.status, refreshed.json().error]).toEqual([400, 'invalid_grant'])
  await second.close()

  const third = await startTestGateway({ ...again, routes: routes({ kind: 'static', value: 'shared' }) })
  expect(await decisions()).toEqual([true, 200])
  expect((await refresh(first.issuer, client, refreshToken)).status).toBe(200)
  await third.close()
  await provider.close()
  await server.close()
  rmSync(directory, { recursive: true })
})
