import { beforeAll, describe, expect, it } from 'vitest'
import { type Answer, ask } from '../fixtures/http-exchange.ts'
import {
  authorizeUrl,
  type Changes,
  type KnownClient,
  obtainCode,
  redeem,
  register,
} from '../fixtures/oauth-requests.ts'
import { PASSWORD_USER, type Rig, STATIC_REDIRECT, startRig } from './rig.ts'

const STATIC: KnownClient = { clientId: 'static-public', redirectUri: STATIC_REDIRECT }

let rig: Rig
let client: KnownClient
beforeAll(async () => {
  rig = await startRig()
  client = await register(rig.issuer)
  return () => rig.close()
})

function authorize(who: KnownClient, changes: Changes = {}): Promise<Answer> {
  return ask(authorizeUrl(rig.issuer, who, changes))
}

/** The error that the declared client is told at once, with all its parameters. */
async function redirected(changes: Changes): Promise<URLSearchParams> {
  const answer = await authorize(STATIC, changes)
  expect(answer.status).toBe(303)
  const location = answer.headers.location ?? ''
  expect(location.startsWith(`${STATIC_REDIRECT}&`)).toBe(true)
  return new URL(location).searchParams
}

function expectPage(answer: Answer, status: number): void {
  expect(answer.status).toBe(status)
  expect(answer.headers['content-type']).toMatch(/^text\/html/)
  expect(answer.headers.location).toBeUndefined()
}

describe('a good request', () => {
  it('is answered with the consent page, and nobody is redirected (A-01, A-30)', async () => {
    expectPage(await authorize(client, { resource: rig.one }), 200)
    expectPage(await authorize(STATIC), 200)
  })

  it('may hold parameters that mean nothing here (A-01)', async () => {
    const extra = {
      nonce: 'n',
      foo: 'bar',
      ui_locales: 'de',
      acr_values: 'x',
      login_hint: 'a',
      max_age: '0',
      claims: '{}',
    }
    expectPage(await authorize(client, extra), 200)
    expectPage(await authorize(client, { prompt: 'login', response_mode: 'query' }), 200)
    expectPage(await authorize(client, { request: '', request_uri: '', state: '' }), 200)
  })

  it.each([undefined, 'mcp', 'mcp admin', 'openid profile email offline_access'])(
    'takes the scope %j, and the token answer says what was granted (A-13, A-14)',
    async (scope) => {
      const issued = await obtainCode(rig.issuer, client, { resource: rig.one, scope: scope ?? null })
      expect((await redeem(rig.issuer, issued)).json().scope).toBe('mcp')
    },
  )

  it('shows pages that are not stored and send no referrer (A-22)', async () => {
    for (const answer of [await authorize(client), await authorize({ ...client, clientId: 'nobody' })]) {
      expect(answer.headers['cache-control']).toBe('no-store')
      expect(answer.headers['referrer-policy']).toBe('no-referrer')
    }
  })
})

describe('who asks, and where the answer goes (RFC 6749 §4.1.2.1)', () => {
  it.each<[string, Changes]>([
    ['an unknown client', { client_id: 'client-AAAAAAAAAAAAAAAAAAAAAA' }],
    ['no client', { client_id: null }],
    ['an empty client_id', { client_id: '' }],
    ['two clients', { client_id: ['static-public', 'static-public'] }],
    ['a client_id of 3000 characters', { client_id: 'x'.repeat(3000) }],
    ['a redirect URI of nobody', { redirect_uri: 'https://evil.example/cb' }],
    ['a redirect URI that is nearly right', { redirect_uri: 'http://127.0.0.1:9/callback/' }],
    ['a redirect URI twice', { redirect_uri: ['http://127.0.0.1:9/callback', 'http://127.0.0.1:9/callback'] }],
    ['two redirect URIs', { redirect_uri: ['http://127.0.0.1:9/callback', 'https://evil.example/'] }],
    ['redirect_uri[]', { redirect_uri: null, 'redirect_uri[]': 'http://127.0.0.1:9/callback' }],
    ['a loopback client without redirect URI', { redirect_uri: null }],
  ])('%s: a page and never a redirect (A-03, A-05, B061, B067, B068)', async (_, changes) => {
    const answer = await authorize(client, { ...changes, response_type: 'token' })
    expectPage(answer, 400)
    expect(answer.body).not.toContain('evil.example')
  })

  it('lets the port of a loopback redirect URI vary, and nothing else (A-04, C1)', async () => {
    expectPage(await authorize(client, { redirect_uri: 'http://127.0.0.1:50123/callback' }), 200)
    for (const uri of ['http://localhost:9/callback', 'http://127.0.0.1:9/Callback', 'http://127.0.0.1:9/callback?x=1'])
      expectPage(await authorize(client, { redirect_uri: uri }), 400)
  })

  it('takes the only redirect URI of a client that names none, when it is no loopback one (A-05, B067)', async () => {
    expectPage(await authorize(STATIC, { redirect_uri: null }), 200)
    expectPage(await authorize(STATIC, { redirect_uri: '' }), 200)
    const two = await register(rig.issuer, { redirect_uris: ['https://a.example/cb', 'https://b.example/cb'] })
    expectPage(await authorize(two), 200)
    expectPage(await authorize(two, { redirect_uri: null }), 400)
  })

  it('reads no broken encoding', async () => {
    for (const query of ['client_id=%zz', 'client_id=%ff', 'client_id=a%00', `client_id=${client.clientId}&x=%`])
      expectPage(await ask(`${rig.issuer}/authorize?${query}`), 400)
  })
})

const WRONG: [string, Changes, string][] = [
  ['no response_type', { response_type: null }, 'unsupported_response_type'],
  ['response_type=token', { response_type: 'token' }, 'unsupported_response_type'],
  ['response_type=code token', { response_type: 'code token' }, 'unsupported_response_type'],
  ['response_type=id_token', { response_type: 'id_token' }, 'unsupported_response_type'],
  ['response_type=none', { response_type: 'none' }, 'unsupported_response_type'],
  ['response_type=CODE', { response_type: 'CODE' }, 'unsupported_response_type'],
  ['response_mode=fragment', { response_mode: 'fragment' }, 'invalid_request'],
  ['response_mode=form_post', { response_mode: 'form_post' }, 'invalid_request'],
  ['response_mode=web_message', { response_mode: 'web_message' }, 'invalid_request'],
  ['response_mode=query.jwt', { response_mode: 'query.jwt' }, 'invalid_request'],
  ['a request object', { request: 'eyJhbGciOiJub25lIn0.e30.' }, 'request_not_supported'],
  ['a request_uri', { request_uri: 'https://evil.example/request' }, 'request_uri_not_supported'],
  ['prompt=none', { prompt: 'none' }, 'consent_required'],
  ['a scope of ours that does not exist', { scope: 'admin' }, 'invalid_scope'],
  ['a scope with a quote', { scope: 'mcp"' }, 'invalid_scope'],
  ['a repeated scope', { scope: ['mcp', 'mcp'] }, 'invalid_request'],
  ['a repeated parameter that means nothing', { foo: ['1', '2'] }, 'invalid_request'],
]

describe('errors that the client may be told', () => {
  it.each(WRONG)(
    '%s: a declared client is told %o → %s, with state and iss (A-02, A-07, A-08, A-17, A-19, A-20, A-21, B089, B092)',
    async (_, changes, error) => {
      const told = await redirected(changes)
      expect(told.getAll('error')).toEqual([error])
      expect(told.getAll('state')).toEqual(['state-1'])
      expect(told.getAll('iss')).toEqual([rig.issuer])
      expect(told.getAll('code')).toEqual([])
      expect(told.get('tenant')).toBe('1')
    },
  )

  it.each(WRONG)(
    '%s: the user of a client that registered itself is asked first (A-18, B073)',
    async (_, changes, error) => {
      const answer = await authorize(client, changes)
      expectPage(answer, 400)
      expect(answer.body).toContain('127.0.0.1')
      const href = /href="(http:\/\/127\.0\.0\.1:9\/callback\?[^"]*)"/.exec(answer.body)?.[1]?.replaceAll('&amp;', '&')
      expect(new URL(href ?? '').searchParams.get('error')).toBe(error)
    },
  )
})

describe('state (RFC 6749 §4.1.2)', () => {
  it.each(['a', 'a b+c&d=e#f?g/h%20', 'é 日本 🐈', '"><script>alert(1)</script>', '\r\nX: y', 'x'.repeat(2048), '%00'])(
    'comes back unchanged in an error: %j (A-07)',
    async (state) => {
      expect((await redirected({ response_type: 'token', state })).getAll('state')).toEqual([state])
    },
  )

  it('comes back unchanged with a code, and only when it was sent (A-07, A-23)', async () => {
    const state = 'a b+c&d=e#f "\'<>é🐈%20'
    const issued = await obtainCode(rig.issuer, client, { state, resource: rig.home }, PASSWORD_USER)
    expect(issued.answer.getAll('state')).toEqual([state])
    expect(issued.answer.getAll('code')).toHaveLength(1)
    const without = await obtainCode(rig.issuer, client, { state: null, resource: rig.one })
    expect(without.answer.has('state')).toBe(false)
  })

  it('is refused beyond 2048 characters (A-07)', async () => {
    expect((await redirected({ state: 'x'.repeat(2049) })).get('error')).toBe('invalid_request')
  })
})

describe('the code (RFC 6749 §4.1.2)', () => {
  it('is random, and comes in the query of a 303 (A-15, A-16, B098)', async () => {
    const issued = await Promise.all([1, 2, 3].map(() => obtainCode(rig.issuer, client, { resource: rig.one })))
    expect(new Set(issued.map(({ code }) => code)).size).toBe(3)
    for (const { code } of issued) expect(code).toMatch(/^mgh_ac_[A-Za-z0-9_-]{43}$/)
  })

  it('keeps the query of the redirect URI (A-23, B070)', async () => {
    const issued = await obtainCode(rig.issuer, STATIC, { resource: rig.one })
    expect([...issued.answer.keys()].toSorted()).toEqual(['code', 'iss', 'state', 'tenant'])
    expect(issued.answer.get('tenant')).toBe('1')
  })
})

describe('methods', () => {
  it.each(['POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS'])(
    '%s is 405 with Allow and begins nothing (A-01, B094)',
    async (method) => {
      const answer = await ask(authorizeUrl(rig.issuer, client), { method })
      expect(answer.status).toBe(405)
      expect(answer.headers.allow).toBe('GET')
      expect(answer.headers['set-cookie']).toBeUndefined()
    },
  )
})
