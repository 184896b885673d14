import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/domain/secret.ts'
import type { UpstreamClient } from '../../src/domain/upstream-client.ts'
import { createOauth2Provider } from '../../src/providers/oauth2.ts'
import { configOf, edit } from '../config/base.ts'

const CORP = `type: oidc
    issuer: https://login.example.com/realms/main
    client_id: gatehouse
    client_secret: corp-client-secret
    scopes: [openid, email]
`
const TRACKER = `type: oauth2
    authorization_endpoint: https://tracker.example.com/authorize
    token_endpoint: https://tracker.example.com/token
    client_id: gatehouse
    client_secret: shared-secret
    identity: { requests: { user: { url: "https://tracker.example.com/me" } }, subject: [user.id] }
    revocation: { url: "https://tracker.example.com/{client_id}/revoke" }
    upstream_clients: { mode: mirrored, registration_endpoint: "https://tracker.example.com/register" }
`

/** The provider of the configuration, and what it is asked. */
function tracker() {
  const asked: { url: string; authorization: string | null; form: URLSearchParams }[] = []
  const fetch = async (url: string, init: RequestInit) => {
    const headers = new Headers(init.headers)
    asked.push({ url, authorization: headers.get('authorization'), form: new URLSearchParams(String(init.body ?? '')) })
    return Response.json(
      { access_token: 'a', token_type: 'bearer', client_id: 'registered', client_secret: 's' },
      { status: url.endsWith('/register') ? 201 : 200 },
    )
  }
  const [config] = configOf(edit([CORP, TRACKER])).providers
  if (config?.type !== 'oauth2') throw new Error('not the provider of this test')
  return { asked, provider: createOauth2Provider(config, { fetch: fetch as typeof globalThis.fetch }) }
}

const MIRRORED: UpstreamClient = { kind: 'mirrored', clientId: 'claude', clientSecret: new Secret('own-secret') }

describe('a provider with plain OAuth 2.0, as another client of the gateway', () => {
  it('is asked under its name alone: sign-in, refresh, revocation', async () => {
    const { asked, provider } = tracker()
    const own = provider.as?.(MIRRORED)
    if (!own) throw new Error('knows no other client')
    const begun = await own.begin('state', 'https://mcp.example.com/callback/tracker')
    if ('outcome' in begun) throw new Error(begun.reason)
    expect(new URL(begun.location).searchParams.get('client_id')).toBe('claude')
    expect(await own.refresh?.(new Secret('r'))).toMatchObject({ outcome: 'refreshed' })
    await own.revoke?.({ accessToken: new Secret('a') })
    expect(asked.map(({ url }) => url)).toEqual([
      'https://tracker.example.com/token',
      'https://tracker.example.com/claude/revoke',
    ])
    for (const { form } of asked)
      expect([form.get('client_id'), form.get('client_secret')]).toEqual(['claude', 'own-secret'])
    await provider.refresh?.(new Secret('r'))
    expect([asked.at(-1)?.form.get('client_id'), asked.at(-1)?.form.get('client_secret')]).toEqual([
      'gatehouse',
      'shared-secret',
    ])
  })

  it('sends the secret as that client was registered, and none for a public one', async () => {
    const { asked, provider } = tracker()
    await provider.as?.({ ...MIRRORED, authentication: 'client_secret_basic' }).refresh?.(new Secret('r'))
    expect(asked[0]?.authorization).toBe(`Basic ${Buffer.from('claude:own-secret').toString('base64')}`)
    expect(asked[0]?.form.has('client_secret')).toBe(false)
    await provider.as?.({ kind: 'mirrored', clientId: 'public' }).refresh?.(new Secret('r'))
    expect([asked[1]?.form.get('client_id'), asked[1]?.form.get('client_secret')]).toEqual(['public', null])
    expect(asked[1]?.authorization).toBeNull()
  })

  it('registers clients where the operator says, to be authenticated as the provider wants', async () => {
    const { asked, provider } = tracker()
    const registered = await provider.registration?.register({
      name: 'N',
      redirectUri: 'https://mcp.example.com/callback/tracker',
    })
    expect(registered).toMatchObject({ outcome: 'registered', client: { clientId: 'registered' } })
    expect(asked[0]?.url).toBe('https://tracker.example.com/register')
    expect(provider.as?.(MIRRORED).registration).toBeUndefined()
  })
})
