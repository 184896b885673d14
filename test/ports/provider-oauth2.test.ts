import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ProviderTokens } from '../../src/domain/credential.ts'
import { Secret } from '../../src/domain/secret.ts'
import { createOauth2Provider, type OAuth2Options, type OAuth2Tools } from '../../src/providers/oauth2.ts'
import { createOidcProvider } from '../../src/providers/oidc.ts'
import type { Provider, SignInReturn } from '../../src/providers/provider.ts'
import { configOf, edit } from '../config/base.ts'
import { createBrowser } from '../fixtures/browser.ts'
import { type FakedHosts, type FakedReply, startFakedHosts } from '../fixtures/faked-hosts.ts'
import { type Account, type IdentityProvider, startIdentityProvider } from '../fixtures/identity-provider.ts'
import { begun, describeProvider, type Walked } from './provider.suite.ts'

const CALLBACK = 'http://127.0.0.1:8080/callback/corp'
const ACCOUNTS: readonly [Account, ...Account[]] = [
  { sub: 'alice', email: 'alice@example.com', email_verified: true, name: 'Alice Example', groups: ['staff'] },
  { sub: 'bob', email: 'bob@example.com', email_verified: false, groups: 'single' },
]
const ALICE = {
  provider: 'corp',
  subject: 'alice',
  email: 'alice@example.com',
  name: 'Alice Example',
  groups: ['staff'],
}

let idp: IdentityProvider
let hosts: FakedHosts
beforeAll(async () => {
  idp = await startIdentityProvider({ redirectUris: [CALLBACK], accounts: ACCOUNTS })
  hosts = await startFakedHosts()
})
afterAll(async () => {
  await idp.close()
  await hosts.close()
})
afterEach(() => {
  idp.setMode({ tokenEndpoint: 'ok', discovery: 'ok', jwks: 'ok', userinfo: 'ok', signIn: 'approve' })
  idp.setCurrentAccount('alice')
  hosts.reset()
})

/** The provider that these keys of gateway.yaml mean, at the real identity provider. */
function configure(lines: readonly string[]) {
  const plain = `type: oidc
    issuer: https://login.example.com/realms/main
    client_id: gatehouse
    client_secret: corp-client-secret
    scopes: [openid, email]
`
  const block = [...lines, `client_id: ${idp.clientId}`, `client_secret: ${idp.clientSecret}`].join('\n    ')
  const [config] = configOf(edit([plain, `${block}\n`])).providers
  return config
}

function plainOAuth2(tools: OAuth2Tools = {}): Provider {
  const config = configure([
    'preset: generic-oauth2',
    `authorization_endpoint: ${idp.issuer}/auth`,
    `token_endpoint: ${idp.issuer}/token`,
    'client_authentication: client_secret_basic',
    'scopes: [openid, email, profile, offline_access]',
    'authorization_parameters: { prompt: consent }',
    'identity:',
    `  requests: { user: { url: ${idp.issuer}/me } }`,
    '  subject: [user.sub]',
    '  name: [user.name]',
    '  email: user.email',
    '  email_verified: user.email_verified',
    '  groups: user.groups',
    'revocation:',
    `  url: ${idp.issuer}/token/revocation`,
    '  authentication: client_secret_basic',
    '  ends: tokens',
  ])
  if (config?.type !== 'oauth2') throw new Error('not oauth2')
  return createOauth2Provider(config, tools)
}

function genericOidc(): Provider {
  const config = configure(['preset: generic-oidc', `issuer: ${idp.issuer}`])
  if (config?.type !== 'oidc') throw new Error('not oidc')
  return createOidcProvider(config)
}

async function walk(location: string): Promise<Walked> {
  return { url: (await createBrowser({ stopAt: [CALLBACK] }).get(location)).url }
}

async function cameBack(provider: Provider): Promise<SignInReturn> {
  const { location, continuation } = await begun(provider, 'state', CALLBACK)
  return { ...(await walk(location)), state: 'state', continuation }
}

async function signedIn(provider: Provider): Promise<ProviderTokens> {
  const outcome = await provider.finish(await cameBack(provider))
  if (outcome.outcome !== 'signed-in' || !outcome.tokens) throw new Error(`not signed in: ${JSON.stringify(outcome)}`)
  return outcome.tokens
}

function refresh(provider: Provider, tokens: ProviderTokens) {
  if (!provider.refresh || !tokens.refreshToken) throw new Error('nothing to refresh')
  return provider.refresh(tokens.refreshToken)
}

for (const [name, create] of [
  ['oauth2, as preset generic-oauth2 at a real provider', plainOAuth2],
  ['oidc, as preset generic-oidc at a real provider', genericOidc],
] as const)
  describeProvider(name, async () => ({
    provider: create(),
    callbackUrl: CALLBACK,
    identity: ALICE,
    agree: walk,
    decline: async (location) => {
      idp.setMode({ signIn: 'deny' })
      return walk(location)
    },
    close: async () => undefined,
  }))

describe('a plain OAuth 2.0 provider', () => {
  it('refuses a callback that is replayed, and the code of another sign-in (B121, B122)', async () => {
    const provider = plainOAuth2()
    const [mine, theirs] = [await cameBack(provider), await cameBack(provider)]
    const injected = { ...theirs, continuation: mine.continuation }
    expect(await provider.finish(injected)).toEqual({ outcome: 'refused', reason: 'invalid_grant' })
    expect(await provider.finish(mine)).toMatchObject({ outcome: 'signed-in' })
    expect(await provider.finish(mine)).toEqual({ outcome: 'refused', reason: 'invalid_grant' })
  })

  it('refuses a return with a parameter twice, without code, or without what was kept (RFC 6749 §3.1)', async () => {
    const provider = plainOAuth2()
    const back = await cameBack(provider)
    const changed = (change: (query: URLSearchParams) => void) => {
      const url = new URL(back.url)
      change(url.searchParams)
      return provider.finish({ ...back, url })
    }
    const asked = idp.requests.length
    expect(await changed((query) => query.append('state', 'state'))).toMatchObject({ outcome: 'refused' })
    expect(await changed((query) => query.append('code', 'x'))).toMatchObject({ outcome: 'refused' })
    expect(await changed((query) => query.delete('code'))).toMatchObject({ outcome: 'refused' })
    expect(await changed((query) => query.delete('state'))).toMatchObject({ outcome: 'refused' })
    expect(await provider.finish({ ...back, continuation: {} })).toMatchObject({ outcome: 'refused' })
    expect(idp.requests.length).toBe(asked)
    expect(await provider.finish(back)).toMatchObject({ outcome: 'signed-in' })
  })

  it.each([
    ['access_denied', 'denied', 'access_denied'],
    ['temporarily_unavailable', 'unavailable', 'temporarily_unavailable'],
    ['invalid_scope', 'refused', 'invalid_scope'],
    ['<script>alert(1)</script>', 'refused', 'unknown_error'],
  ])('understands error=%s as %s, and repeats nothing of it (B124)', async (error, outcome, reason) => {
    const url = new URL(`${CALLBACK}?${new URLSearchParams({ error, state: 's', error_description: '<b>' })}`)
    expect(await plainOAuth2().finish({ url, state: 's', continuation: {} })).toEqual({ outcome, reason })
  })

  it('vouches for an address only when the provider says that it is verified (U-11)', async () => {
    idp.setCurrentAccount('bob')
    const provider = plainOAuth2()
    const outcome = await provider.finish(await cameBack(provider))
    expect(outcome).toMatchObject({ outcome: 'signed-in', identity: { subject: 'bob', groups: ['single'] } })
    expect(outcome).not.toHaveProperty('identity.email')
  })

  it.each(['unavailable', 'html', 'hang', 'drop-after-commit'] as const)(
    'is unavailable, not refused, when the token endpoint answers with: %s (C25, C26)',
    async (tokenEndpoint) => {
      const provider = plainOAuth2({ timeoutMs: 1000, refreshTimeoutMs: 1000 })
      const [back, tokens] = [await cameBack(provider), await signedIn(provider)]
      idp.setMode({ tokenEndpoint })
      expect(await provider.finish(back)).toMatchObject({ outcome: 'unavailable' })
      expect(await refresh(provider, tokens)).toMatchObject({ outcome: 'unavailable' })
    },
  )

  it('waits for who the user is: an API that is down signs nobody in', async () => {
    const provider = plainOAuth2()
    const back = await cameBack(provider)
    idp.setMode({ userinfo: 'unavailable' })
    expect(await provider.finish(back)).toMatchObject({ outcome: 'unavailable', reason: 'http_503' })
    idp.setMode({ userinfo: 'ok' })
    expect(await provider.finish(await cameBack(provider))).toMatchObject({ outcome: 'signed-in' })
  })

  it('rotates, and learns that a refresh token used twice is dead for ever (C17)', async () => {
    const provider = plainOAuth2()
    const first = await signedIn(provider)
    const second = await refresh(provider, first)
    if (second.outcome !== 'refreshed') throw new Error('not refreshed')
    expect(second.tokens.refreshToken?.reveal()).not.toBe(first.refreshToken?.reveal())
    expect(await refresh(provider, first)).toEqual({ outcome: 'dead', reason: 'invalid_grant' })
  })
})

describe('giving tokens back', () => {
  it.each([
    ['oauth2', plainOAuth2],
    ['oidc', genericOidc],
  ])('%s: a refresh token that was given back is dead (RFC 7009 §2.1)', async (_type, create) => {
    const provider = create()
    const tokens = await signedIn(provider)
    await provider.revoke?.(tokens)
    expect(await refresh(provider, tokens)).toEqual({ outcome: 'dead', reason: 'invalid_grant' })
  })

  it.each([
    ['oauth2', plainOAuth2],
    ['oidc', genericOidc],
  ])('%s: an access token without refresh token can be given back too', async (_type, create) => {
    const provider = create()
    const { accessToken } = await signedIn(provider)
    const me = () => fetch(`${idp.issuer}/me`, { headers: { authorization: `Bearer ${accessToken.reveal()}` } })
    expect((await me()).status).toBe(200)
    await provider.revoke?.({ accessToken })
    expect((await me()).status).toBe(401)
  })

  it('never throws, whatever the provider does (U-13)', async () => {
    const [oauth2, oidc] = [plainOAuth2(), genericOidc()]
    const tokens = await signedIn(oauth2)
    idp.setMode({ discovery: 'unavailable' })
    await expect(oidc.revoke?.(tokens)).resolves.toBeUndefined()
    const away = createOidcProvider({
      name: 'corp',
      issuer: 'http://127.0.0.1:1',
      clientId: 'x',
      scopes: ['openid'],
      groupsClaim: 'groups',
    })
    await expect(away.revoke?.(tokens)).resolves.toBeUndefined()
    expect(away.revocationEnds).toBe('account')
  })
})

const HOST = 'https://provider.example'
const OPTIONS: OAuth2Options = {
  name: 'corp',
  clientId: 'gatehouse',
  clientSecret: new Secret('client-secret'),
  authorizationEndpoint: `${HOST}/authorize?tenant=7`,
  tokenEndpoint: `${HOST}/token`,
  scopes: ['read'],
  scopeSeparator: ' ',
  scopeParameter: 'scope',
  authorizationParameters: {},
  pkce: true,
  clientAuthentication: 'client_secret_post',
  tokenRequest: { format: 'form', headers: {} },
  tokenAnswer: { tokenTypes: ['bearer'], formEncoded: false, deadCodes: [], passingCodes: [] },
  identity: {
    requests: { user: { url: `${HOST}/user`, method: 'GET', headers: {}, optional: false } },
    subject: ['user.id'],
    name: ['user.name'],
    groups: 'user.teams[].slug',
  },
  requiredClaims: {},
  refresh: { issued: 'sometimes', rotates: 'sometimes', graceMs: 0 },
  tokenExchange: 'rfc8693',
}

/** A sign-in at a provider that answers this. */
async function signIn(token: FakedReply, user: FakedReply, changes: Partial<OAuth2Options> = {}) {
  hosts.on(`POST ${HOST}/token`, () => token)
  hosts.on(`GET ${HOST}/user`, () => user)
  const provider = createOauth2Provider({ ...OPTIONS, ...changes }, { fetch: hosts.fetch, now: () => 1000 })
  const { continuation } = await begun(provider, 's', CALLBACK)
  return provider.finish({ url: new URL(`${CALLBACK}?code=c&state=s`), state: 's', continuation })
}
const TOKEN = { access_token: 'access', token_type: 'bearer' }
const USER = { id: 7, name: 'Alice' }

describe('what a plain OAuth 2.0 provider answers (B131)', () => {
  it.each([
    ['an access token that is no text', { ...TOKEN, access_token: { a: 1 } }],
    ['an empty access token', { ...TOKEN, access_token: '' }],
    ['an access token with a line break', { ...TOKEN, access_token: 'a\r\nX: y' }],
    ['an access token of 64 KB', { ...TOKEN, access_token: 'a'.repeat(65_536) }],
    ['no token type', { access_token: 'access' }],
    ['another token type', { ...TOKEN, token_type: 'mac' }],
    ['an error with status 200', { error: 'bad_verification_code' }],
    ['nothing', {}],
  ])('refuses %s before anybody stores it', async (_what, body) => {
    expect(await signIn({ body }, { body: USER })).toMatchObject({ outcome: 'refused' })
    expect(hosts.asked.some(({ url }) => url === `${HOST}/user`)).toBe(false)
    expect(await signIn({ body: TOKEN }, { body: USER })).toMatchObject({ outcome: 'signed-in' })
  })

  it.each([
    ['3600', 3_601_000],
    [3600, 3_601_000],
    [0, undefined],
    [-1, undefined],
    [null, undefined],
    ['soon', undefined],
  ])('takes expires_in %j for what it is worth', async (expires_in, expiresAt) => {
    const outcome = await signIn({ body: { ...TOKEN, expires_in } }, { body: USER })
    expect(outcome).toMatchObject({ outcome: 'signed-in' })
    expect('tokens' in outcome ? outcome.tokens?.expiresAt : 'none').toBe(expiresAt)
  })

  it.each([
    ['no id', { name: 'Alice' }],
    ['an empty id', { id: '' }],
    ['an id that is a list', { id: [7] }],
    ['an id beyond exact numbers', { id: 2 ** 60 }],
    ['an id that is inherited', '{"__proto__":{"id":7}}'],
    ['an id of 300 characters', { id: 'a'.repeat(300) }],
    ['an error with status 200', { id: 7, error: 'invalid_auth' }],
  ])('signs nobody in for %s', async (_what, body) => {
    expect(await signIn({ body: TOKEN }, { body })).toMatchObject({ outcome: 'refused' })
    expect(await signIn({ body: TOKEN }, { body: USER })).toMatchObject({ identity: { subject: '7', name: 'Alice' } })
  })

  it('needs every part of a subject', async () => {
    const identity = { ...OPTIONS.identity, subject: ['user.team', 'user.id'] }
    expect(await signIn({ body: TOKEN }, { body: USER }, { identity })).toMatchObject({ outcome: 'refused' })
    const whole = { body: { ...USER, team: 'T1' } }
    expect(await signIn({ body: TOKEN }, whole, { identity })).toMatchObject({ identity: { subject: 'T1:7' } })
  })

  it.each([
    ['a list', [{ slug: 'a' }, { slug: 'b' }], ['a', 'b']],
    ['a list with something else in it (B130)', [{ slug: 'a' }, { slug: 7 }], []],
    ['no list (B130)', { slug: 'a' }, []],
    ['nothing (B130)', undefined, []],
    ['far too many (B130)', Array.from({ length: 5000 }, (_, index) => ({ slug: `g${index}` })), []],
  ])('takes groups from %s', async (_what, teams, groups) => {
    const outcome = await signIn({ body: TOKEN }, { body: { ...USER, teams } })
    expect(outcome).toMatchObject({ outcome: 'signed-in', identity: { groups } })
  })

  it('follows no redirect, with secrets in hand (U-12)', async () => {
    hosts.on('POST https://evil.example/token', () => ({ body: TOKEN }))
    const redirect = { status: 307, location: 'https://evil.example/token' }
    expect(await signIn(redirect, { body: USER })).toMatchObject({ outcome: 'unavailable' })
    expect(hosts.asked.some(({ url }) => url.startsWith('https://evil.example'))).toBe(false)
  })

  it('gives up on an answer without end (C26)', async () => {
    const endless = { body: { ...TOKEN, extra: 'x'.repeat(2 * 1024 * 1024) } }
    expect(await signIn(endless, { body: USER })).toEqual({ outcome: 'unavailable', reason: 'answer_too_large' })
  })

  it('keeps the query of an authorization endpoint, and its own parameters over those of the set-up', async () => {
    const authorizationParameters = { prompt: 'login', state: 'fixed', empty: '' }
    const provider = createOauth2Provider({ ...OPTIONS, authorizationParameters })
    const { searchParams } = new URL((await begun(provider, 'mine', CALLBACK)).location)
    expect(searchParams.get('tenant')).toBe('7')
    expect(searchParams.getAll('state')).toEqual(['mine'])
    expect(searchParams.get('prompt')).toBe('login')
    expect(searchParams.has('empty')).toBe(false)
  })

  it('lets a set-up add headers, and replace none of the credentials, however they are written', async () => {
    const headers = { Accept: 'application/vnd.example+json', AUTHORIZATION: 'Bearer somebody-else' }
    const requests = { user: { url: `${HOST}/user`, method: 'GET', headers, optional: false } } as const
    await signIn({ body: TOKEN }, { body: USER }, { identity: { ...OPTIONS.identity, requests } })
    expect(hosts.asked.at(-1)?.headers).toMatchObject({
      accept: 'application/vnd.example+json',
      authorization: 'Bearer access',
    })
  })

  it('says only who it is where it has no secret (RFC 6749 §3.2.1)', async () => {
    const { clientSecret: _, ...rest } = OPTIONS
    hosts.on(`POST ${HOST}/token`, () => ({ body: TOKEN }))
    const provider = createOauth2Provider(rest, { fetch: hosts.fetch })
    await provider.refresh?.(new Secret('r'))
    expect(hosts.asked.map(({ body }) => body)).toEqual([
      { grant_type: 'refresh_token', refresh_token: 'r', client_id: 'gatehouse' },
    ])
  })
})
