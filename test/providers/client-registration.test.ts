import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/domain/secret.ts'
import { createClientRegistration } from '../../src/providers/client-registration.ts'

const ENDPOINT = 'https://login.example.com/register'
const WANTED = { name: 'Claude via mcp.example.com', redirectUri: 'https://mcp.example.com/callback/corp' }

/** A provider that answers so; `asked` are the requests that it got. */
function provider(answer: unknown, status = 201, exchange?: 'rfc8693') {
  const asked: { url: string; init: RequestInit }[] = []
  const fetch = async (url: string, init: RequestInit) => {
    asked.push({ url, init })
    return new Response(typeof answer === 'string' ? answer : JSON.stringify(answer), { status })
  }
  const registration = createClientRegistration({
    fetch: fetch as typeof globalThis.fetch,
    timeoutMs: 1000,
    place: async () => ({ endpoint: ENDPOINT, authentication: 'client_secret_post' }),
    initialAccessToken: new Secret('initial'),
    ...(exchange ? { exchange } : {}),
  })
  return { asked, registration }
}

const BASIC = { token_endpoint_auth_method: 'client_secret_basic' }
const GOOD = { client_id: 'c1', client_secret: 'hush', token_endpoint_auth_method: 'client_secret_post' }

describe('a registration (RFC 7591 §3.1)', () => {
  it('asks for what a code flow with refresh tokens needs, with the initial access token', async () => {
    const { asked, registration } = provider(GOOD)
    const registered = await registration.register(WANTED)
    expect(registered).toMatchObject({
      outcome: 'registered',
      client: { clientId: 'c1', authentication: 'client_secret_post' },
    })
    expect(asked[0]?.url).toBe(ENDPOINT)
    expect(new Headers(asked[0]?.init.headers).get('authorization')).toBe('Bearer initial')
    expect(JSON.parse(String(asked[0]?.init.body))).toEqual({
      client_name: WANTED.name,
      redirect_uris: [WANTED.redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_post',
    })
  })

  it('asks for the exchange of tokens where a route needs it (RFC 8693 §2.1)', async () => {
    const { asked, registration } = provider(GOOD, 201, 'rfc8693')
    await registration.register(WANTED)
    expect(JSON.parse(String(asked[0]?.init.body)).grant_types).toEqual([
      'authorization_code',
      'refresh_token',
      'urn:ietf:params:oauth:grant-type:token-exchange',
    ])
    expect([registration.exchanges, provider(GOOD).registration.exchanges]).toEqual([true, false])
  })

  it.each<[string, object, object]>([
    [
      'a public client',
      { client_id: 'c1', token_endpoint_auth_method: 'none', client_secret: 'ignored' },
      { clientId: 'c1' },
    ],
    ['a client without a word on secrets', { client_id: 'c1' }, { clientId: 'c1' }],
    ['Basic, the default', { client_id: 'c1', client_secret: 'hush' }, { authentication: 'client_secret_basic' }],
    [
      'the end of a secret, in seconds',
      { ...GOOD, client_secret_expires_at: 1_900_000_000 },
      { secretExpiresAt: 1_900_000_000_000 },
    ],
  ])('takes %s as it was registered', async (_, answer, expected) => {
    const registered = await provider(answer).registration.register(WANTED)
    expect(registered).toMatchObject({ outcome: 'registered', client: expected })
  })

  it('takes 0 for a secret without end, and none for a public client', async () => {
    const endless = await provider({ ...GOOD, client_secret_expires_at: 0 }).registration.register(WANTED)
    const open = await provider({
      client_id: 'c1',
      token_endpoint_auth_method: 'none',
      client_secret: 'x',
    }).registration.register(WANTED)
    if (endless.outcome !== 'registered' || open.outcome !== 'registered') throw new Error('not registered')
    expect('secretExpiresAt' in endless.client).toBe(false)
    expect('clientSecret' in open.client).toBe(false)
  })

  it.each<[string, unknown, number, string, string]>([
    ['no client id', { client_secret: 'hush' }, 201, 'misconfigured', 'registered_client_id_unusable'],
    ['a client id that cannot be sent', { client_id: 'a\nb' }, 201, 'misconfigured', 'registered_client_id_unusable'],
    [
      'a method that needs keys',
      { client_id: 'c1', token_endpoint_auth_method: 'private_key_jwt' },
      201,
      'misconfigured',
      'registered_auth_method_unusable',
    ],
    [
      'a method without its secret',
      { client_id: 'c1', token_endpoint_auth_method: 'client_secret_basic' },
      201,
      'misconfigured',
      'registered_client_secret_unusable',
    ],
    [
      'another redirect URI',
      { ...GOOD, redirect_uris: ['https://evil.example/'] },
      201,
      'misconfigured',
      'registered_redirect_uris_unusable',
    ],
    ['a refusal', { error: 'invalid_client_metadata' }, 400, 'misconfigured', 'invalid_client_metadata'],
    ['a refusal without words', 'no', 403, 'misconfigured', 'http_403'],
    ['an outage', { error: 'server_error' }, 503, 'unavailable', 'http_503'],
    ['too many requests', '', 429, 'unavailable', 'http_429'],
    ['a page', '<!doctype html>', 201, 'unavailable', 'answer_not_json'],
    ['a redirect', '', 302, 'unavailable', 'http_302'],
  ])('fails with %s', async (_, answer, status, outcome, reason) => {
    expect(await provider(answer, status).registration.register(WANTED)).toEqual({ outcome, reason })
  })
})

describe('what manages a registration (RFC 7592 §3)', () => {
  const managed = (uri: unknown, token: unknown = 'managing') => ({
    ...GOOD,
    registration_client_uri: uri,
    registration_access_token: token,
  })
  const managementOf = async (answer: object) => {
    const registered = await provider(answer).registration.register(WANTED)
    return registered.outcome === 'registered' ? registered.client.management : undefined
  }

  it('is kept where it leads back to the origin of the registration, and used to take the client back', async () => {
    const url = 'https://login.example.com/register/c1'
    const management = await managementOf(managed(url))
    expect(management?.url).toBe(url)
    const { asked, registration } = provider('', 204)
    if (management) await registration.remove(management)
    expect(asked).toEqual([{ url, init: expect.objectContaining({ method: 'DELETE' }) }])
    expect(new Headers(asked[0]?.init.headers).get('authorization')).toBe('Bearer managing')
  })

  it.each([
    ['another host', 'https://evil.example/register/c1'],
    ['another scheme', 'http://login.example.com/register/c1'],
    ['another port', 'https://login.example.com:8443/register/c1'],
    ['user information', 'https://a:b@login.example.com/register/c1'],
    ['no address', 'register/c1'],
  ])('is not kept with %s: its token goes to nobody else', async (_, uri) => {
    expect(await managementOf(managed(uri))).toBeUndefined()
  })

  it('is not kept with a token that cannot be sent', async () => {
    expect(await managementOf(managed('https://login.example.com/register/c1', 'a\r\nb'))).toBeUndefined()
  })

  it('fails nothing when the provider is away', async () => {
    const registration = createClientRegistration({
      fetch: async () => {
        throw new TypeError('fetch failed')
      },
      timeoutMs: 1000,
      place: async () => ({ endpoint: ENDPOINT, authentication: 'client_secret_basic' }),
    })
    await registration.remove({ url: ENDPOINT, token: new Secret('t') })
    expect(await registration.register(WANTED)).toEqual({ outcome: 'unavailable', reason: 'unreachable' })
  })
})

describe('a client that is asked after (RFC 7592 §2.1)', () => {
  const URL_OF_C1 = 'https://login.example.com/register/c1'
  const CLIENT = {
    clientId: 'c1',
    redirectUri: WANTED.redirectUri,
    management: { url: URL_OF_C1, token: new Secret('managing') },
  }

  it('is there as it is described now, with the address and the secret of that answer', async () => {
    const next = { registration_client_uri: `${URL_OF_C1}?v=2`, registration_access_token: 'next' }
    const { asked, registration } = provider({ ...GOOD, client_secret: 'changed', ...next }, 200)
    const looked = await registration.look(CLIENT)
    if (looked.outcome !== 'there') throw new Error(looked.outcome)
    expect(looked.client?.clientSecret?.reveal()).toBe('changed')
    expect(looked.client?.management?.url).toBe(`${URL_OF_C1}?v=2`)
    expect(looked.client?.management?.token.reveal()).toBe('next')
    expect(asked).toEqual([{ url: URL_OF_C1, init: expect.objectContaining({ method: 'GET' }) }])
    expect(new Headers(asked[0]?.init.headers).get('authorization')).toBe('Bearer managing')
  })

  it('has a new token to be asked after with, also where its provider does not repeat the secret', async () => {
    const held = {
      clientSecret: new Secret('hush'),
      authentication: 'client_secret_post',
      secretExpiresAt: 9e12,
    } as const
    const next = { registration_client_uri: URL_OF_C1, registration_access_token: 'next' }
    const { registration } = provider({ client_id: 'c1', ...next }, 200)
    const looked = await registration.look({ ...CLIENT, ...held })
    if (looked.outcome !== 'there') throw new Error(looked.outcome)
    expect(looked.client?.management?.token.reveal()).toBe('next')
    expect(looked.client?.clientSecret?.reveal()).toBe('hush')
    expect(looked.client).toMatchObject({ authentication: 'client_secret_post', secretExpiresAt: 9e12 })
  })

  it.each<[string, unknown, number, object]>([
    ['there', { ...GOOD, client_secret: 'changed' }, 200, { outcome: 'there', client: { clientId: 'c1' } }],
    ['there, without a word that could be used', { client_id: 'c1', ...BASIC }, 200, { outcome: 'there' }],
    ['gone', { error: 'invalid_token' }, 401, { outcome: 'gone' }],
    ['not told: the right to look is missing', '', 403, { outcome: 'unknown' }],
    ['not told: nobody answers there', '', 404, { outcome: 'unknown' }],
    ['not told: another client is described', { ...GOOD, client_id: 'c2' }, 200, { outcome: 'unknown' }],
    ['not told: trouble', '', 503, { outcome: 'unknown' }],
    ['not told: a page', '<html>', 200, { outcome: 'unknown' }],
  ])('%s', async (_, answer, status, expected) => {
    expect(await provider(answer, status).registration.look(CLIENT)).toMatchObject(expected)
  })
})
