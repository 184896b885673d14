import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Secret } from '../../src/domain/secret.ts'
import type { TokenExchangeRequest, TokenExchangeStyle } from '../../src/domain/token-exchange.ts'
import { createOauth2Provider } from '../../src/providers/oauth2.ts'
import { createOidcProvider } from '../../src/providers/oidc.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { type FakedHosts, type FakedReply, startFakedHosts } from '../fixtures/faked-hosts.ts'

const NOW = Date.UTC(2026, 0, 1)
const HOST = 'https://login.example.com'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
const JWT = 'urn:ietf:params:oauth:token-type:jwt'
const ID_TOKEN = 'urn:ietf:params:oauth:token-type:id_token'
const BASIC = `Basic ${Buffer.from('gatehouse:client-secret').toString('base64')}`
const SUBJECT = new Secret('subject-1')
const REQUEST: TokenExchangeRequest = {
  audiences: ['wiki', 'search'],
  resources: ['https://wiki.internal/'],
  scopes: ['read', 'write'],
  subjectTokenType: ACCESS_TOKEN,
}
const OBO: TokenExchangeRequest = { ...REQUEST, audiences: [], resources: [], scopes: ['api://wiki/.default'] }
const ISSUED = { access_token: 'server-1', issued_token_type: ACCESS_TOKEN, token_type: 'Bearer', expires_in: 600 }

let hosts: FakedHosts
beforeAll(async () => {
  hosts = await startFakedHosts()
})
afterAll(() => hosts.close())
beforeEach(() => {
  hosts.reset()
  hosts.on(`GET ${HOST}/.well-known/openid-configuration`, () => ({
    body: {
      issuer: HOST,
      authorization_endpoint: `${HOST}/authorize`,
      token_endpoint: `${HOST}/token`,
      jwks_uri: `${HOST}/keys`,
      response_types_supported: ['code'],
    },
  }))
})

const client = { name: 'corp', clientId: 'gatehouse', clientSecret: new Secret('client-secret') }
const tools = () => ({ fetch: hosts.fetch, now: () => NOW })

function oidc(tokenExchange?: TokenExchangeStyle): Provider {
  const style = tokenExchange === undefined ? {} : { tokenExchange }
  return createOidcProvider({ ...client, ...style, issuer: HOST, scopes: ['openid'], groupsClaim: 'groups' }, tools())
}

function oauth2(tokenExchange: TokenExchangeStyle = 'rfc8693', format: 'form' | 'json' = 'form'): Provider {
  return createOauth2Provider(
    {
      ...client,
      tokenExchange,
      authorizationEndpoint: `${HOST}/authorize`,
      tokenEndpoint: `${HOST}/token`,
      scopes: [],
      scopeSeparator: ' ',
      scopeParameter: 'scope',
      authorizationParameters: {},
      pkce: true,
      clientAuthentication: 'client_secret_basic',
      tokenRequest: { format, headers: {} },
      tokenAnswer: { tokenTypes: ['bearer'], formEncoded: false, deadCodes: [], passingCodes: [] },
      identity: { requests: {}, subject: ['token.id'], name: [] },
      requiredClaims: {},
      refresh: { issued: 'always', rotates: 'never', graceMs: 0 },
    },
    tools(),
  )
}

const answerWith = (reply: FakedReply) => hosts.on(`POST ${HOST}/token`, () => reply)
const exchange = (provider: Provider, request = REQUEST) => {
  if (!provider.exchange) throw new Error('it exchanges nothing')
  return provider.exchange(SUBJECT, request)
}

describe.each([
  ['oidc', oidc],
  ['oauth2', oauth2],
] as const)('exchanging a token at a provider of type %s', (_type, connect) => {
  it('sends what RFC 8693 §2.1 says, each audience and resource by itself, and nothing else', async () => {
    answerWith({ body: ISSUED })
    const outcome = await exchange(connect(), { ...REQUEST, requestedTokenType: ACCESS_TOKEN })
    if (outcome.outcome !== 'exchanged') throw new Error(JSON.stringify(outcome))
    expect(outcome.exchanged.token.reveal()).toBe('server-1')
    expect(outcome.exchanged.expiresAt).toBe(NOW + 600_000)
    const asked = hosts.asked.at(-1)
    expect(asked?.headers.authorization).toBe(BASIC)
    expect([...new URLSearchParams(asked?.raw)].sort()).toEqual([
      ['audience', 'search'],
      ['audience', 'wiki'],
      ['grant_type', 'urn:ietf:params:oauth:grant-type:token-exchange'],
      ['requested_token_type', ACCESS_TOKEN],
      ['resource', 'https://wiki.internal/'],
      ['scope', 'read write'],
      ['subject_token', 'subject-1'],
      ['subject_token_type', ACCESS_TOKEN],
    ])
  })

  it('sends what Entra documents for on-behalf-of, and understands its answer', async () => {
    answerWith({ body: { token_type: 'Bearer', scope: 'api://wiki/read', expires_in: 3269, access_token: 'server-1' } })
    const outcome = await exchange(connect('on-behalf-of'), OBO)
    expect(outcome).toMatchObject({ outcome: 'exchanged', exchanged: { expiresAt: NOW + 3_269_000 } })
    expect([...new URLSearchParams(hosts.asked.at(-1)?.raw)].sort()).toEqual([
      ['assertion', 'subject-1'],
      ['grant_type', 'urn:ietf:params:oauth:grant-type:jwt-bearer'],
      ['requested_token_use', 'on_behalf_of'],
      ['scope', 'api://wiki/.default'],
    ])
  })

  it('has no such thing where the provider surely knows none', () => {
    expect(connect('none').exchange).toBeUndefined()
    expect(connect('rfc8693').exchange).toBeDefined()
  })

  it.each([
    ['a JWT when none was asked for', {}, { ...ISSUED, issued_token_type: JWT, token_type: 'N_A' }],
    ['a JWT when one was asked for', { requestedTokenType: JWT }, { ...ISSUED, issued_token_type: JWT }],
    [
      'an id_token that was asked for',
      { requestedTokenType: ID_TOKEN },
      { ...ISSUED, issued_token_type: ID_TOKEN, token_type: 'N_A' },
    ],
    ['a token type in small letters', {}, { ...ISSUED, token_type: 'bearer' }],
    ['a token whose life nobody tells', {}, { ...ISSUED, expires_in: undefined }],
  ])('takes %s (RFC 8693 §2.2.1)', async (_what, change, body) => {
    answerWith({ body })
    const outcome = await exchange(connect(), { ...REQUEST, ...change })
    expect(outcome).toMatchObject({ outcome: 'exchanged' })
  })

  it.each([
    ['another kind of token than was asked for', { requestedTokenType: JWT }, ISSUED, 'issued_token_type_unexpected'],
    [
      'a refresh token',
      {},
      { ...ISSUED, issued_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' },
      'issued_token_type_unexpected',
    ],
    [
      'an answer that does not say what it is',
      {},
      { ...ISSUED, issued_token_type: undefined },
      'issued_token_type_unexpected',
    ],
    ['an access token that cannot be used as one', {}, { ...ISSUED, token_type: 'N_A' }, 'token_type_unusable'],
    ['a token that needs a proof', {}, { ...ISSUED, token_type: 'DPoP' }, 'token_type_unusable'],
    ['no token type', {}, { ...ISSUED, token_type: undefined }, 'token_type_unusable'],
    ['a token that ends a header', {}, { ...ISSUED, access_token: 'a\r\nX-Admin: 1' }, 'access_token_unusable'],
    ['no token', {}, { ...ISSUED, access_token: undefined }, 'access_token_unusable'],
    ['a token that is no text', {}, { ...ISSUED, access_token: { a: 1 } }, 'access_token_unusable'],
  ])('does not take %s (RFC 8693 §2.2.1, B131)', async (_what, change, body, reason) => {
    answerWith({ body })
    expect(await exchange(connect(), { ...REQUEST, ...change })).toEqual({ outcome: 'misconfigured', reason })
  })

  it.each([
    ['invalid_grant', 400, 'subject_refused'],
    ['invalid_token', 400, 'subject_refused'],
    ['invalid_target', 400, 'misconfigured'],
    ['invalid_scope', 400, 'misconfigured'],
    ['invalid_request', 400, 'misconfigured'],
    ['unsupported_grant_type', 400, 'misconfigured'],
    ['unauthorized_client', 403, 'misconfigured'],
    ['invalid_client', 401, 'misconfigured'],
    ['interaction_required', 400, 'interaction_required'],
    ['consent_required', 400, 'interaction_required'],
    ['temporarily_unavailable', 400, 'unavailable'],
    ['invalid_grant', 503, 'unavailable'],
    ['invalid_grant', 200, 'subject_refused'],
  ])('takes %s with status %d for %s (RFC 8693 §2.2.2, C17)', async (error, status, outcome) => {
    answerWith({ status, body: { error, error_description: '<script>' } })
    expect(await exchange(connect())).toMatchObject({ outcome })
  })

  it.each([
    ['consent that is missing', { suberror: 'consent_required', error_codes: [65001] }, 'consent_required'],
    ['conditional access', { claims: '{"access_token":{"polids":{}}}', error_codes: [50079] }, 'claims_challenge'],
  ])('knows %s from a token that is dead, although Entra calls both invalid_grant', async (_what, more, reason) => {
    answerWith({ status: 400, body: { error: 'invalid_grant', error_description: 'AADSTS', ...more } })
    expect(await exchange(connect('on-behalf-of'), OBO)).toEqual({ outcome: 'interaction_required', reason })
  })

  it.each([
    ['a page', { type: 'text/html', body: '<h1>Sign in</h1>' }],
    ['a redirect', { status: 302, location: 'https://elsewhere.example/' }],
    ['an outage', { status: 502, type: 'text/html', body: '<h1>Bad Gateway</h1>' }],
    ['too many requests', { status: 429, body: {} }],
  ])('takes %s for nothing that the user or the operator did (U-13)', async (_what, reply) => {
    answerWith(reply)
    expect(await exchange(connect())).toMatchObject({ outcome: 'unavailable' })
    expect(hosts.asked.every(({ url }) => url.startsWith(HOST))).toBe(true)
  })
})

describe('a provider that wants to be left alone', () => {
  it.each([
    ['oidc', oidc],
    ['oauth2', oauth2],
  ] as const)('says for how long, at one of type %s (RFC 9110 §10.2.3, C26)', async (_type, connect) => {
    answerWith({ status: 429, retryAfter: 60, body: {} })
    const asked = { outcome: 'unavailable', reason: 'http_429', retryAfterMs: 60_000 }
    expect(await exchange(connect())).toEqual(asked)
    answerWith({ status: 503, body: {} })
    expect(await exchange(connect())).toEqual({ outcome: 'unavailable', reason: 'http_503' })
  })
})

describe('what differs', () => {
  it('writes lists where a provider wants JSON', async () => {
    answerWith({ body: ISSUED })
    await exchange(oauth2('rfc8693', 'json'))
    expect(hosts.asked.at(-1)?.body).toMatchObject({ audience: ['wiki', 'search'], resource: 'https://wiki.internal/' })
  })

  it('does not throw when the metadata cannot be had (C27)', async () => {
    hosts.on(`GET ${HOST}/.well-known/openid-configuration`, () => ({ status: 503 }))
    expect(await exchange(oidc())).toEqual({ outcome: 'unavailable', reason: 'http_503' })
  })
})
