import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Secret } from '../../src/domain/secret.ts'
import { createOidcProvider, type OidcTools } from '../../src/providers/oidc.ts'
import { checkEndpoints } from '../../src/providers/oidc-metadata.ts'
import type { Provider, RefreshOutcome, SignInOutcome } from '../../src/providers/provider.ts'
import {
  type Reply,
  type ScriptedProvider,
  type Signing,
  startScriptedProvider,
} from '../fixtures/scripted-provider.ts'
import { begun } from '../ports/provider.suite.ts'

const CALLBACK = 'http://127.0.0.1:8080/callback/corp'
const PLANTED = 'PLANTED-SECRET-WORDS'

let idp: ScriptedProvider
beforeAll(async () => {
  idp = await startScriptedProvider()
  return () => idp.close()
})
afterEach(() => idp.reset())

function connect(tools: OidcTools = {}): Provider {
  const { issuer, clientId } = idp
  const clientSecret = new Secret(idp.clientSecret)
  return createOidcProvider(
    { name: 'corp', issuer, clientId, clientSecret, scopes: ['openid'], groupsClaim: 'groups' },
    { timeoutMs: 2000, ...tools },
  )
}

/** Signs in with a code of the scripted provider; `reply` makes its token answer from the nonce. */
async function signIn(reply: (nonce: string) => Reply | Promise<Reply>, provider = connect()): Promise<SignInOutcome> {
  const { continuation } = await begun(provider, 's', CALLBACK)
  idp.script.token = () => reply(continuation.nonce ?? '')
  return provider.finish({ url: new URL(`${CALLBACK}?code=c&state=s`), state: 's', continuation })
}

/** A good token answer except for the members given; null leaves one out. */
function tokens(members: Readonly<Record<string, unknown>> = {}): Reply {
  const all = { access_token: 'opaque-token', token_type: 'Bearer', expires_in: 3600, ...members }
  return { body: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null)) }
}

/** Signs in with an id_token whose claims or signature are changed. */
function signInWith(claims: Readonly<Record<string, unknown>>, signing?: Signing, provider?: Provider) {
  return signIn(async (nonce) => tokens({ id_token: await idp.idToken({ nonce, ...claims }, signing) }), provider)
}

async function refreshWith(reply: Reply, provider = connect()): Promise<RefreshOutcome> {
  idp.script.token = () => reply
  const outcome = await provider.refresh?.(new Secret('refresh-1'))
  if (!outcome) throw new Error('cannot refresh')
  return outcome
}

describe('metadata of a hostile provider (B128)', () => {
  it.each([
    ['another issuer', { issuer: 'https://evil.example' }],
    ['no issuer', { issuer: undefined }],
    ['no token endpoint', { token_endpoint: undefined }],
    ['no keys', { jwks_uri: undefined }],
    ['a token endpoint without TLS elsewhere', { token_endpoint: 'http://sink.example/token' }],
    ['keys without TLS elsewhere', { jwks_uri: 'http://sink.example/jwks' }],
    ['an authorization endpoint that runs code', { authorization_endpoint: 'javascript:alert(1)' }],
    ['a userinfo endpoint in a file', { userinfo_endpoint: 'file:///etc/passwd' }],
    ['a password in an endpoint', { token_endpoint: 'https://user:pass@login.example/token' }],
    ['an endpoint that is no text', { token_endpoint: { href: 'https://login.example' } }],
  ])('are refused for %s', async (_, metadata) => {
    idp.script.metadata = metadata
    expect(await connect().begin('s', CALLBACK)).toMatchObject({ outcome: 'unavailable' })
    idp.script.metadata = {}
    expect(await connect().begin('s', CALLBACK)).toHaveProperty('location')
  })

  it('may name other public hosts, and never lead from a public issuer back into this machine', () => {
    const issuer = new URL('https://accounts.example')
    const metadata = {
      issuer: issuer.href,
      authorization_endpoint: 'https://accounts.example/auth',
      token_endpoint: 'https://oauth2.example/token',
      jwks_uri: 'https://keys.example/certs',
    }
    expect(() => checkEndpoints(issuer, metadata)).not.toThrow()
    for (const inside of ['https://127.0.0.1/token', 'https://localhost/token', 'https://[::1]/', 'http://127.1/'])
      expect(() => checkEndpoints(issuer, { ...metadata, token_endpoint: inside })).toThrow()
  })

  it.each([
    ['HTML', { body: '<!doctype html>', type: 'text/html' }],
    ['nothing', { body: '' }],
    ['a list', { body: [] }],
    ['half an object', { body: '{"issuer":"', type: 'application/json' }],
    ['megabytes', { body: `{"x":"${'x'.repeat(2 ** 21)}"}`, type: 'application/json' }],
  ] as const)('are unavailable when they are %s', async (_, reply) => {
    idp.script.discovery = reply
    expect(await connect().begin('s', CALLBACK)).toMatchObject({ outcome: 'unavailable' })
    idp.reset()
    expect(await connect().begin('s', CALLBACK)).toHaveProperty('location')
  })
})

describe('an id_token (U-02)', () => {
  it('is accepted when everything about it is right', async () => {
    expect(await signInWith({})).toMatchObject({ outcome: 'signed-in', identity: { subject: 'alice' } })
  })

  const hash = createHash('sha256').update('opaque-token').digest()
  const now = Math.floor(Date.now() / 1000)

  it.each([
    ['for somebody else', { aud: 'another-client' }],
    ['for several without azp', { aud: ['gatehouse', 'another'] }],
    ['with the azp of somebody else', { azp: 'another-client' }],
    ['of another issuer', { iss: 'https://evil.example' }],
    ['long expired (B289)', { exp: now - 120 }],
    ['without an end', { exp: null }],
    ['not yet valid', { nbf: now + 600 }],
    ['with another nonce', { nonce: 'other' }],
    ['without a nonce', { nonce: null }],
    ['with the at_hash of another token', { at_hash: hash.subarray(16).toString('base64url') }],
    ['without a subject', { sub: null }],
    ['with an empty subject', { sub: '' }],
    ['with a number as subject', { sub: 7 }],
    ['with an endless subject', { sub: 'x'.repeat(256) }],
  ])('is refused %s', async (_, claims) => {
    expect(await signInWith(claims)).toMatchObject({ outcome: 'refused' })
  })

  it.each([
    ['expired within the tolerated minute (B289)', { exp: now - 30 }],
    ['for several with our azp', { aud: ['gatehouse', 'another'], azp: 'gatehouse' }],
    ['with the right at_hash', { at_hash: hash.subarray(0, 16).toString('base64url') }],
    ['with a subject of 255 characters', { sub: 'x'.repeat(255) }],
  ])('is accepted %s', async (_, claims) => {
    expect(await signInWith(claims)).toMatchObject({ outcome: 'signed-in' })
  })

  it('is refused unsigned, signed with our own secret, and signed with an unpublished key (RFC 8725 §3.1)', async () => {
    expect(await signInWith({}, { alg: 'none' })).toMatchObject({ outcome: 'refused' })
    expect(await signInWith({}, { alg: 'HS256', secret: idp.clientSecret })).toMatchObject({ outcome: 'refused' })
    expect(await signInWith({}, { forged: true })).toMatchObject({ outcome: 'refused' })
    expect(await signInWith({})).toMatchObject({ outcome: 'signed-in' })
  })

  it('is refused when it is missing or no token at all', async () => {
    expect(await signIn(() => tokens())).toMatchObject({ outcome: 'refused' })
    for (const id_token of ['', 'x', 'a.b.c', '..', {}, 7])
      expect(await signIn(() => tokens({ id_token }))).toMatchObject({ outcome: 'refused' })
  })

  it('is verified with a key that came only just now, after one look at the provider (B127)', async () => {
    let clock = Date.now()
    const provider = connect({ now: () => clock })
    expect(await signInWith({}, undefined, provider)).toMatchObject({ outcome: 'signed-in' })
    await idp.rotateKey()
    clock += 15_000
    const before = idp.seen.filter((path) => path === '/jwks').length
    expect(await signInWith({}, undefined, provider)).toMatchObject({ outcome: 'signed-in' })
    expect(idp.seen.filter((path) => path === '/jwks')).toHaveLength(before + 1)
  })

  it('with an unknown key id makes us ask once in a while, however many come (B127)', async () => {
    const provider = connect()
    await signInWith({}, undefined, provider)
    const before = idp.seen.filter((path) => path === '/jwks').length
    for (let index = 0; index < 20; index += 1)
      expect(await signInWith({}, { kid: `storm-${index}` }, provider)).toMatchObject({ outcome: 'refused' })
    expect(idp.seen.filter((path) => path === '/jwks')).toHaveLength(before)
    expect(await signInWith({}, undefined, provider)).toMatchObject({ outcome: 'signed-in' })
  })
})

describe('claims (U-11, B130)', () => {
  it.each([
    ['a list', ['a', 'b'], ['a', 'b']],
    ['one word', 'a', ['a']],
    ['a thousand', Array.from({ length: 1000 }, (_, index) => `g${index}`), 1000],
    ['more than a thousand', Array.from({ length: 1001 }, (_, index) => `g${index}`), []],
    ['a hundred thousand, short ones', Array.from({ length: 100_000 }, () => 'g'), []],
    ['an object', { a: true }, []],
    ['nested lists', [['a']], []],
    ['a list with a number in it', ['a', 7], []],
    ['a very long name', ['x'.repeat(257)], []],
    ['null', null, []],
    ['a number', 7, []],
  ])('take groups that are %s for what they are, or for none', async (_, groups, expected) => {
    const outcome = await signInWith({ groups, email: 'x@example.com' })
    if (outcome.outcome !== 'signed-in') throw new Error('not signed in')
    if (typeof expected === 'number') expect(outcome.identity.groups).toHaveLength(expected)
    else expect(outcome.identity.groups).toEqual(expected)
  })

  it.each([
    ['verified', { email: 'a@example.com', email_verified: true }, 'a@example.com'],
    ['verified as text', { email: 'a@example.com', email_verified: 'true' }, undefined],
    ['unverified', { email: 'a@example.com', email_verified: false }, undefined],
    ['not said to be verified', { email: 'a@example.com' }, undefined],
    ['no address', { email: 'a@example.com, b@evil.example', email_verified: true }, undefined],
    ['a list', { email: ['a@example.com'], email_verified: true }, undefined],
  ])('give an e-mail address only when it is one and verified: %s', async (_, claims, email) => {
    const outcome = await signInWith({ groups: [], ...claims })
    if (outcome.outcome !== 'signed-in') throw new Error('not signed in')
    expect(outcome.identity.email).toBe(email)
  })

  it('never take the verification of one address for another', async () => {
    idp.script.metadata = { userinfo_endpoint: `${idp.issuer}/userinfo` }
    idp.script.userinfo = { body: { sub: 'alice', email_verified: true, groups: ['staff'] } }
    const outcome = await signInWith({ email: 'boss@example.com' })
    expect(outcome).toMatchObject({ outcome: 'signed-in', identity: { groups: ['staff'] } })
    expect(outcome).not.toHaveProperty('identity.email')
  })

  it('from the userinfo endpoint count for the same subject only (OpenID Connect Core §5.3.2)', async () => {
    idp.script.metadata = { userinfo_endpoint: `${idp.issuer}/userinfo` }
    idp.script.userinfo = { body: { sub: 'mallory', groups: ['admins'] } }
    expect(await signInWith({})).toMatchObject({ outcome: 'refused' })
    idp.script.userinfo = { body: { sub: 'alice', groups: ['admins'] } }
    expect(await signInWith({})).toMatchObject({ identity: { groups: ['admins'] } })
  })

  it('are simply fewer when the userinfo endpoint does not take our token', async () => {
    idp.script.metadata = { userinfo_endpoint: `${idp.issuer}/userinfo` }
    idp.script.userinfo = { status: 403, body: 'no' }
    expect(await signInWith({})).toMatchObject({ outcome: 'signed-in', identity: { groups: [] } })
  })
})

describe('a token answer is judged before it is stored (B131)', () => {
  const unusable: [string, Readonly<Record<string, unknown>>][] = [
    ['no access_token', { access_token: null }],
    ['an empty access_token', { access_token: '' }],
    ['an object as access_token', { access_token: {} }],
    ['a line break in it', { access_token: 'a\r\nX-Evil: 1' }],
    ['a NUL in it', { access_token: 'a\0b' }],
    ['a letter that no header can hold', { access_token: 'tok\u00e9n' }],
    ['64 KB of it', { access_token: 'x'.repeat(65_536) }],
    ['no token_type', { token_type: null }],
    ['token_type mac', { token_type: 'mac' }],
    ['token_type DPoP', { token_type: 'DPoP' }],
    ['a list as refresh_token', { refresh_token: ['a'] }],
  ]

  it.each(unusable)('refuses %s', async (_, members) => {
    const outcome = await signIn(async (nonce) => tokens({ id_token: await idp.idToken({ nonce }), ...members }))
    expect(outcome).toMatchObject({ outcome: 'refused' })
    expect(await refreshWith(tokens(members))).toMatchObject({ outcome: 'misconfigured' })
  })

  it.each([
    [3600, 3600_000],
    ['3600', 3600_000],
    [1e12, 365 * 24 * 3600_000],
    [3600.9, 3600_000],
    [0.5, undefined],
    [0, undefined],
    [-1, undefined],
    [null, undefined],
    ['soon', undefined],
    [{}, undefined],
  ])('reads expires_in %j as a time it can work with', async (expires_in, expected) => {
    const outcome = await refreshWith({ body: { access_token: 'a', token_type: 'bearer', expires_in } }, at(0))
    if (outcome.outcome !== 'refreshed') throw new Error(outcome.reason)
    expect(outcome.tokens.expiresAt).toBe(expected)
  })

  it('takes 1e309, which no number can hold, for an unknown end', async () => {
    const body = '{"access_token":"a","token_type":"bearer","expires_in":1e309}'
    const outcome = await refreshWith({ body, type: 'application/json' }, at(0))
    expect(outcome).toMatchObject({ outcome: 'refreshed' })
    expect(outcome).not.toHaveProperty('tokens.expiresAt')
  })

  it('keeps the old refresh token when none comes back, and takes the new one when it does (RFC 6749 §6)', async () => {
    for (const [refresh_token, expected] of [
      [null, 'refresh-1'],
      ['', 'refresh-1'],
      ['refresh-2', 'refresh-2'],
    ] as const) {
      const outcome = await refreshWith(tokens({ refresh_token }))
      if (outcome.outcome !== 'refreshed') throw new Error(outcome.reason)
      expect(outcome.tokens.refreshToken?.reveal()).toBe(expected)
    }
  })

  it('does not mind members it does not know, up to a size', async () => {
    expect(await refreshWith(tokens({ extra: 'x'.repeat(900_000) }))).toMatchObject({ outcome: 'refreshed' })
    const huge = await refreshWith(tokens({ extra: 'x'.repeat(1_100_000) }))
    expect(huge).toMatchObject({ outcome: 'unavailable', reason: 'answer_too_large' })
  })

  it('does not care about an id_token in a refreshed answer, which nobody uses', async () => {
    expect(await refreshWith(tokens({ id_token: 'broken' }))).toMatchObject({ outcome: 'refreshed' })
  })
})

describe('a failed refresh is understood (C17, C26, U-13)', () => {
  const error = (code: unknown) => ({ error: code, error_description: PLANTED })

  it.each<[string, Reply, RefreshOutcome['outcome'], string]>([
    ['400 invalid_grant', { status: 400, body: error('invalid_grant') }, 'dead', 'invalid_grant'],
    ['200 with invalid_grant', { status: 200, body: error('invalid_grant') }, 'dead', 'invalid_grant'],
    ['401 invalid_client', { status: 401, body: error('invalid_client') }, 'misconfigured', 'invalid_client'],
    [
      '400 unauthorized_client',
      { status: 400, body: error('unauthorized_client') },
      'misconfigured',
      'unauthorized_client',
    ],
    ['400 invalid_request', { status: 400, body: error('invalid_request') }, 'misconfigured', 'invalid_request'],
    ['400 with a word of its own', { status: 400, body: error('xyz') }, 'misconfigured', 'xyz'],
    ['400 with markup as a word', { status: 400, body: error(`<b>${PLANTED}`) }, 'misconfigured', 'unknown_error'],
    ['400 without a word', { status: 400, body: {} }, 'misconfigured', 'http_400'],
    ['403 HTML', { status: 403, body: PLANTED, type: 'text/html' }, 'misconfigured', 'http_403'],
    [
      '400 temporarily_unavailable',
      { status: 400, body: error('temporarily_unavailable') },
      'unavailable',
      'temporarily_unavailable',
    ],
    ['200 server_error', { status: 200, body: error('server_error') }, 'unavailable', 'server_error'],
    ['429', { status: 429, body: error('invalid_grant') }, 'unavailable', 'http_429'],
    ['408', { status: 408 }, 'unavailable', 'http_408'],
    ['500', { status: 500, body: PLANTED }, 'unavailable', 'http_500'],
    ['500 that mentions invalid_grant', { status: 500, body: error('invalid_grant') }, 'unavailable', 'http_500'],
    ['502 HTML', { status: 502, body: PLANTED, type: 'text/html' }, 'unavailable', 'http_502'],
    ['200 HTML', { status: 200, body: PLANTED, type: 'text/html' }, 'unavailable', 'answer_not_json'],
    ['200 and nothing', { status: 200 }, 'unavailable', 'answer_not_json'],
    ['204', { status: 204 }, 'unavailable', 'answer_not_json'],
    ['half a JSON object', { body: '{"access_token":"a', type: 'application/json' }, 'unavailable', 'answer_not_json'],
    ['a JSON list', { body: ['a'] }, 'unavailable', 'answer_not_json'],
    [
      'invalid UTF-8',
      { body: Buffer.from([0x7b, 0xff, 0xfe]), type: 'application/json' },
      'unavailable',
      'answer_not_json',
    ],
    ['a redirect', { status: 307, location: '/token-elsewhere' }, 'unavailable', 'http_307'],
    ['a connection cut at once', (response) => response.destroy(), 'unavailable', 'unreachable'],
    ['a connection cut in the middle', cutInTheMiddle, 'unavailable', 'unreachable'],
  ])('%s', async (name, reply, outcome, reason) => {
    const failed = await refreshWith(reply)
    expect(failed).toMatchObject({ outcome, reason })
    // Only an answer that was lost, or is none, leaves it open whether the refresh token is spent; a page is no answer of its.
    if (failed.outcome === 'unavailable' || failed.outcome === 'misconfigured')
      expect(failed.unspent).toBe(name === '200 HTML' || !['answer_not_json', 'unreachable'].includes(reason))
    expect(JSON.stringify(failed)).not.toContain(PLANTED)
    expect(idp.seen).not.toContain('/token-elsewhere')
    expect(await refreshWith(tokens())).toMatchObject({ outcome: 'refreshed' })
  })

  it('does not wait longer than its deadline for an answer that drips (C25)', async () => {
    const drip: Reply = (response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const timer = setInterval(() => response.write(' '), 50)
      response.on('close', () => clearInterval(timer))
    }
    const late = await refreshWith(drip, connect({ timeoutMs: 400 }))
    expect(late).toMatchObject({ outcome: 'unavailable', reason: 'timeout' })
    expect(await refreshWith(tokens(), connect({ timeoutMs: 400 }))).toMatchObject({ outcome: 'refreshed' })
  })

  it('means the same for a sign-in, and repeats nothing of what was said (B124)', async () => {
    for (const reply of [
      { status: 400, body: error('invalid_grant') },
      { status: 401, body: error('invalid_client') },
      { status: 200, body: error(PLANTED) },
      { status: 503, body: PLANTED },
      { status: 200, body: PLANTED, type: 'text/html' },
    ]) {
      const outcome = await signIn(() => reply)
      expect(['refused', 'unavailable']).toContain(outcome.outcome)
      expect(JSON.stringify(outcome)).not.toContain(PLANTED)
    }
  })
})

describe('our client secret', () => {
  it('goes in the Authorization header, form-encoded, unless the provider only takes it in the body (RFC 6749 §2.3.1)', async () => {
    const sent: { authorization: string | null; body: string }[] = []
    const watching: typeof fetch = (url, init) => {
      if (init?.method === 'POST')
        sent.push({ authorization: new Headers(init.headers).get('authorization'), body: String(init.body) })
      return fetch(url, init)
    }
    await refreshWith(tokens(), connect({ fetch: watching }))
    idp.script.metadata = { token_endpoint_auth_methods_supported: ['client_secret_post'] }
    await refreshWith(tokens(), connect({ fetch: watching }))
    const pair = `${idp.clientId}:${idp.clientSecret}`
    expect(sent[0]?.authorization).toBe(`Basic ${Buffer.from(pair).toString('base64')}`)
    expect(sent[0]?.body).not.toContain(idp.clientSecret)
    expect(sent[1]?.authorization).toBeNull()
    expect(new URLSearchParams(sent[1]?.body).get('client_secret')).toBe(idp.clientSecret)
  })
})

function at(now: number): Provider {
  return connect({ now: () => now })
}

function cutInTheMiddle(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
  response.write('{"access_token":"a"', () => response.destroy())
}
