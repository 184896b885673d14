import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { newEncryptionKey } from '../../src/domain/encryption-key.ts'
import { joinCookies, openConsent, postDecision } from '../fixtures/consent-steps.ts'
import { type GatewayYaml, startTestGateway } from '../fixtures/gateway.ts'
import { ask } from '../fixtures/http-exchange.ts'
import { obtainCode, obtainTokens, redeem, refresh, register, tokensOf } from '../fixtures/oauth-requests.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'

const directory = mkdtempSync(join(tmpdir(), 'gatehouse-keys-'))
afterEach(() => rmSync(directory, { recursive: true, force: true }))

async function configuration(): Promise<GatewayYaml> {
  return {
    database: `sqlite:${join(directory, 'gatehouse.db')}`,
    providers: await passwordProviders(),
    routes: { '/mcp': { upstream: 'http://127.0.0.1:9/mcp', sign_in: 'home' } },
  }
}

it('B287 a sign-in that is under way goes on after a new key; without its old one it ends with a page, and begins anew', async () => {
  const base = await configuration()
  const [old, next] = [newEncryptionKey(), newEncryptionKey()].map((key) => key.reveal())
  const first = await startTestGateway({ ...base, encryption_keys: [old] })
  const { issuer } = first
  const client = await register(issuer)
  const resource = { resource: `${issuer}/mcp` }
  const opened = [await openConsent(issuer, client, resource), await openConsent(issuer, client, resource)]
  await first.close()

  const again = { ...base, public_url: issuer, listen: new URL(issuer).host }
  const second = await startTestGateway({ ...again, encryption_keys: [next, old] })
  const [kept, lost] = opened
  if (!kept || !lost) throw new Error('two pages were opened')
  expect((await postDecision(kept)).headers.location).toContain(`${issuer}/callback/home?`)
  await second.close()

  const third = await startTestGateway({ ...again, encryption_keys: [next] })
  const ended = await postDecision(lost)
  expect([ended.status >= 400 && ended.status < 500, ended.headers.location]).toEqual([true, undefined])
  expect(ended.headers['content-type']).toMatch(/^text\/html/)
  expect((await obtainTokens(issuer, client, resource, ALICE)).accessToken).toMatch(/^mgh_at_/)
  await third.close()
})

it('B286 a client whose user was sealed with a key that was taken out is told to sign in anew, not that the gateway failed', async () => {
  const base = await configuration()
  const [old, next] = [newEncryptionKey(), newEncryptionKey()].map((key) => key.reveal())
  const first = await startTestGateway({ ...base, encryption_keys: [old] })
  const { issuer } = first
  const client = await register(issuer, { token_endpoint_auth_method: 'client_secret_post' })
  const resource = { resource: `${issuer}/mcp` }
  const begun = await obtainTokens(issuer, client, resource, ALICE)
  const code = await obtainCode(issuer, client, resource, ALICE)
  const atProvider = await postDecision(await openConsent(issuer, client, resource))
  await first.close()

  const again = { ...base, public_url: issuer, listen: new URL(issuer).host }
  const second = await startTestGateway({ ...again, encryption_keys: [next, old] })
  // The refresh token is of the new key from here on; what is known of the user is not.
  const { refreshToken } = tokensOf(client, await refresh(issuer, client, begun.refreshToken))
  await second.close()

  const third = await startTestGateway({ ...again, encryption_keys: [next] })
  for (const refused of [await refresh(issuer, client, refreshToken), await redeem(issuer, code)])
    expect([refused.status, refused.json().error]).toEqual([400, 'invalid_grant'])
  const { clientId, clientSecret = '' } = client
  const body = new URLSearchParams({ token: refreshToken, client_id: clientId, client_secret: clientSecret })
  expect((await ask(`${issuer}/introspect`, { body })).json()).toEqual({ active: false })
  const returned = await ask(atProvider.headers.location ?? '', {
    headers: { cookie: joinCookies('', atProvider) },
  })
  expect([returned.status, returned.body]).toEqual([400, expect.stringContaining('This sign-in has ended')])
  expect((await obtainTokens(issuer, client, resource, ALICE)).accessToken).toMatch(/^mgh_at_/)
  await third.close()
})
