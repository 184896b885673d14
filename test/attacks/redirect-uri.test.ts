import { describe, expect, it } from 'vitest'
import { openConsent, postDecision } from '../fixtures/consent-steps.ts'
import { type Answer, ask } from '../fixtures/http-exchange.ts'
import { authorizeUrl, type Changes, type KnownClient, register } from '../fixtures/oauth-requests.ts'
import { underAttack } from './oracles.ts'

const gateway = underAttack()
const URIS = ['https://app.example/cb', 'http://127.0.0.1/cb', 'com.example.app:/cb']

let registered: Promise<KnownClient> | undefined
function client(): Promise<KnownClient> {
  registered ??= register(gateway.rig.issuer, { redirect_uris: URIS })
  return registered
}

async function authorize(redirectUri: string, changes: Changes = {}): Promise<Answer> {
  return ask(authorizeUrl(gateway.rig.issuer, await client(), { redirect_uri: redirectUri, ...changes }))
}

/** A page without any redirect, and without a link to where it must not go. */
function expectRefused(answer: Answer, uri: string): void {
  expect(answer.status).toBe(400)
  expect(answer.headers.location).toBeUndefined()
  expect(answer.body).not.toContain(`href="${uri.split('?')[0]}`)
  expect(answer.body).not.toContain('<form')
}

it.each([...URIS, 'http://127.0.0.1:4711/cb'])('B062 the positive twin: %s is good', async (uri) => {
  expect((await authorize(uri)).status).toBe(200)
})

describe('near misses of what is registered', () => {
  it.each(
    `/cb/ /cb?x=1 /cb? /cb# /CB /c%62 //cb /cb;x=1 /./cb /x/../cb /%2e/cb /cb%00 /cb%0d%0aSet-Cookie:a=b`
      .split(' ')
      .concat(['/cb ', '/cb\t', '/cb\r\nX: y', '/cb\\', '/cb\u200b', '/cb*']),
  )('B062 %j', async (path) => {
    for (const origin of ['https://app.example', 'http://127.0.0.1:4711'])
      expectRefused(await authorize(`${origin}${path}`), `${origin}${path}`)
  })

  it.each([
    'http://app.example/cb',
    'https://127.0.0.1/cb',
    'com.example.app://cb',
    'COM.EXAMPLE.APP:/cb',
    'javascript:alert(1)//https://app.example/cb',
    'data:text/html,https://app.example/cb',
  ])('B064 %s', async (uri) => expectRefused(await authorize(uri), uri))

  it.each([
    'http://127.0.0.2/cb',
    'http://[::1]/cb',
    'http://localhost/cb',
    'http://127.1/cb',
    'http://2130706433/cb',
    'http://localhost./cb',
    'http://localhost.evil.example/cb',
    'http://127.0.0.1.evil.example/cb',
    'http://127.0.0.1:80@evil.example/cb',
    'http://127.0.0.1:0/cb',
    'http://127.0.0.1:99999/cb',
    'http://127.0.0.1:4711/other',
    'http://127.0.0.1:4711/cb?a=1',
    'https://app.example:8443/cb',
    'https://app.example.evil.example/cb',
    'https://evil.example/cb',
    'https://app.example@evil.example/cb',
    'https://evil.example#app.example/cb',
    '//evil.example/cb',
    '/cb',
  ])('B065 %s', async (uri) => expectRefused(await authorize(uri), uri))
})

it('B061 the redirect URI of another client is not good, nor is any for an unknown client', async () => {
  const other = await register(gateway.rig.issuer, { redirect_uris: ['https://other.example/cb'] })
  expect((await ask(authorizeUrl(gateway.rig.issuer, other))).status).toBe(200)
  expectRefused(await authorize('https://other.example/cb'), 'https://other.example')
  expectRefused(await authorize('https://evil.example/', { client_id: 'nobody' }), 'https://evil.example')
})

it('B067 with several registered none is taken by itself', async () => {
  expectRefused(await authorize('', { redirect_uri: null }), 'https://app.example')
  expectRefused(await authorize('', { redirect_uri: '' }), 'https://app.example')
})

it.each<[string, Changes]>([
  ['the same twice', { redirect_uri: ['https://app.example/cb', 'https://app.example/cb'] }],
  ['a good one and a bad one', { redirect_uri: ['https://app.example/cb', 'https://evil.example/'] }],
  ['a bad one and a good one', { redirect_uri: ['https://evil.example/', 'https://app.example/cb'] }],
  ['an empty one and a good one', { redirect_uri: ['', 'https://app.example/cb'] }],
  ['an array by name', { redirect_uri: null, 'redirect_uri[]': 'https://app.example/cb' }],
  ['another case of the name', { redirect_uri: null, Redirect_URI: 'https://app.example/cb' }],
])('B068 %s', async (_, changes) => expectRefused(await authorize('', changes), 'https://evil.example'))

it('B070 B116 a query of its own is kept, and nothing occurs twice', async () => {
  const uri = 'http://127.0.0.1:9/cb?a=1&code=x&iss=y&state=z&flag'
  const strange = await register(gateway.rig.issuer, { redirect_uris: [uri] })
  const denied = await postDecision(await openConsent(gateway.rig.issuer, strange), { decision: 'deny' })
  const query = denied.headers.location?.split('?')[1] ?? ''
  expect(query.startsWith('a=1&flag&')).toBe(true)
  const told = new URLSearchParams(query)
  expect([told.getAll('state'), told.getAll('iss')]).toEqual([['state-1'], [gateway.rig.issuer]])
  expect(told.has('code')).toBe(false)
})

it.each(['fragment', 'form_post', 'web_message', 'jwt', 'query.jwt', 'fragment.jwt', 'QUERY', ''])(
  'B071 response_mode=%s never moves a code out of the query',
  async (mode) => {
    const answer = await authorize('https://app.example/cb', { response_mode: mode })
    expect(answer.status).toBe(mode === '' ? 200 : 400)
    expect(answer.headers.location).toBeUndefined()
  },
)

it('B073 an error never redirects by itself to a client that nobody knows', async () => {
  const evil = await register(gateway.rig.issuer, { redirect_uris: ['https://phish.example/login'] })
  for (const changes of [{ response_type: 'token' }, { scope: 'nope' }, { code_challenge: null }, { resource: 'x' }]) {
    const answer = await ask(authorizeUrl(gateway.rig.issuer, evil, changes))
    expect([answer.status, answer.headers.location]).toEqual([400, undefined])
    expect(answer.headers.refresh).toBeUndefined()
    expect(answer.body).toContain('phish.example')
    expect(answer.body).not.toMatch(/http-equiv="?refresh/i)
  }
})

it('B074 forms are answered with 303, never with 307 or 308', async () => {
  const loopback = await register(gateway.rig.issuer)
  for (const decision of ['approve', 'deny']) {
    const page = await openConsent(gateway.rig.issuer, loopback, { resource: gateway.rig.one })
    expect((await postDecision(page, { decision })).status).toBe(303)
  }
})
