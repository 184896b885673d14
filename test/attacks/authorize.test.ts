import { createHash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { expect, it } from 'vitest'
import { STATIC_REDIRECT } from '../conformance/rig.ts'
import { openConsent, postDecision } from '../fixtures/consent-steps.ts'
import { ask } from '../fixtures/http-exchange.ts'
import {
  authorizeUrl,
  type Changes,
  type KnownClient,
  obtainCode,
  redeem,
  register,
} from '../fixtures/oauth-requests.ts'
import { underAttack } from './oracles.ts'

const gateway = underAttack()
const STATIC: KnownClient = { clientId: 'static-public', redirectUri: STATIC_REDIRECT }
const CONFIDENTIAL: KnownClient = { clientId: 'static-basic', redirectUri: STATIC_REDIRECT }

async function errorOf(client: KnownClient, changes: Changes): Promise<string | null> {
  const answer = await ask(authorizeUrl(gateway.rig.issuer, client, changes))
  return new URL(answer.headers.location ?? 'x:').searchParams.get('error')
}

it('B077 the positive twin: with a challenge it is the consent page', async () => {
  for (const client of [STATIC, CONFIDENTIAL])
    expect((await ask(authorizeUrl(gateway.rig.issuer, client))).status).toBe(200)
})

it('B077 without a challenge nobody gets further, confidential or not', async () => {
  for (const client of [STATIC, CONFIDENTIAL])
    expect(await errorOf(client, { code_challenge: null, code_challenge_method: null })).toBe('invalid_request')
})

it.each([
  '',
  'A'.repeat(42),
  'A'.repeat(44),
  'A'.repeat(129),
  `${'A'.repeat(42)}=`,
  `${'A'.repeat(42)}+`,
  `${'A'.repeat(42)}é`,
])('B079 the challenge %j', async (code_challenge) =>
  expect(await errorOf(STATIC, { code_challenge })).toBe('invalid_request'),
)

it('B080 the challenge of an empty verifier is invalid at both legs', async () => {
  const code_challenge = createHash('sha256').digest('base64url')
  expect(await errorOf(STATIC, { code_challenge })).toBe('invalid_request')
})

it.each<[string, (verifier: string) => string | null]>([
  ['B082 42 characters', (verifier) => verifier.slice(1)],
  ['B082 129 characters', () => 'a'.repeat(129)],
  ['B082 padding', (verifier) => `${verifier}=`],
  ['B082 a line break', (verifier) => `${verifier}\n`],
  ['B082 a space', (verifier) => ` ${verifier}`],
  ['B082 another case', (verifier) => verifier.toLowerCase()],
  ['B083 the challenge', (verifier) => createHash('sha256').update(verifier).digest('base64url')],
  ['B085 no verifier', () => null],
  ['B086 an empty verifier', () => ''],
])('%s redeems nothing, and the right verifier still does', async (_, spoil) => {
  const client = await register(gateway.rig.issuer)
  const issued = await obtainCode(gateway.rig.issuer, client, { resource: gateway.rig.one })
  const refused = await redeem(gateway.rig.issuer, issued, { code_verifier: spoil(issued.verifier) })
  expect([refused.status, refused.json().error]).toEqual([400, 'invalid_grant'])
  expect((await redeem(gateway.rig.issuer, issued)).status).toBe(200)
})

it('B082 a verifier with a NUL is not even read', async () => {
  const client = await register(gateway.rig.issuer)
  const issued = await obtainCode(gateway.rig.issuer, client, { resource: gateway.rig.one })
  const refused = await redeem(gateway.rig.issuer, issued, { code_verifier: `${issued.verifier}\0` })
  expect(refused.json().error).toBe('invalid_request')
})

it('B088 a challenge that was stripped on the way ends the flow there', async () => {
  expect(await errorOf(STATIC, { code_challenge: null, code_challenge_method: 'S256' })).toBe('invalid_request')
  expect(await errorOf(STATIC, { code_challenge_method: 'plain' })).toBe('invalid_request')
})

it.each([null, 'token', 'id_token', 'code token', 'code id_token', 'none', 'CODE', 'code '])(
  'B089 response_type %j',
  async (response_type) => expect(await errorOf(STATIC, { response_type })).toBe('unsupported_response_type'),
)

it('B089 a wrong response_type redirects nobody whose redirect URI is not known', async () => {
  const answer = await ask(
    authorizeUrl(gateway.rig.issuer, STATIC, { response_type: 'token', redirect_uri: 'https://evil.example/' }),
  )
  expect([answer.status, answer.headers.location]).toEqual([400, undefined])
})

it.each(['none', 'none login', 'login none'])('B091 prompt=%s is never silent', async (prompt) =>
  expect(await errorOf(STATIC, { prompt })).toBe('consent_required'),
)

it('B091 nothing that the client sends travels on to the provider', async () => {
  const client = await register(gateway.rig.issuer)
  const planted = {
    prompt: 'login',
    max_age: '0',
    login_hint: 'bob',
    id_token_hint: 'x',
    acr_values: 'x',
    claims: '{}',
  }
  const page = await openConsent(gateway.rig.issuer, client, { ...planted, ui_locales: 'x', resource: gateway.rig.one })
  const sent = new URL((await postDecision(page)).headers.location ?? '').searchParams
  for (const name of [...Object.keys(planted), 'ui_locales', 'resource']) expect(sent.has(name)).toBe(false)
  expect([...sent.keys()].toSorted()).toEqual([
    'client_id',
    'code_challenge',
    'code_challenge_method',
    'nonce',
    'redirect_uri',
    'response_type',
    'scope',
    'state',
  ])
  expect(sent.get('state')).not.toBe('state-1')
  expect(sent.get('redirect_uri')).toBe(`${gateway.rig.issuer}/callback/corp`)
})

it('B092 request objects are refused and request_uri is never fetched', async () => {
  const { identityProvider } = gateway.rig
  const before = identityProvider.requests.length
  expect(await errorOf(STATIC, { request: 'e30.e30.' })).toBe('request_not_supported')
  expect(await errorOf(STATIC, { request_uri: `${identityProvider.issuer}/request` })).toBe('request_uri_not_supported')
  expect(identityProvider.requests).toHaveLength(before)
})

it('B094 HEAD, POST and OPTIONS begin nothing', async () => {
  const count = () => {
    const database = new DatabaseSync(gateway.rig.databaseFile, { readOnly: true })
    const row = database.prepare('select count(*) as rows from interactions').get()
    database.close()
    return Number(row?.rows)
  }
  const before = count()
  for (const method of ['HEAD', 'POST', 'OPTIONS', 'PUT'])
    expect((await ask(authorizeUrl(gateway.rig.issuer, STATIC), { method })).status).toBe(405)
  expect(count()).toBe(before)
  await ask(authorizeUrl(gateway.rig.issuer, STATIC))
  expect(count()).toBe(before + 1)
})

it.each<Changes>([
  { redirect_uri: 'https://evil.example/' },
  { client_id: 'static-public' },
  { scope: 'admin' },
  { state: 'theirs' },
  { resource: 'https://evil.example/' },
  { route: '/r2/mcp' },
])('B095 a form that also says %o changes nothing about what was asked', async (changes) => {
  const client = await register(gateway.rig.issuer)
  const page = await openConsent(gateway.rig.issuer, client, { resource: gateway.rig.one })
  const denied = await postDecision(page, { ...changes, decision: 'deny' })
  const told = new URL(denied.headers.location ?? '')
  expect([told.origin, told.searchParams.get('state')]).toEqual(['http://127.0.0.1:9', 'state-1'])
})

it('B097 an id that was guessed, or belongs to another browser, opens nothing', async () => {
  const client = await register(gateway.rig.issuer)
  const mine = await openConsent(gateway.rig.issuer, client, { resource: gateway.rig.one })
  const theirs = await openConsent(gateway.rig.issuer, client, { resource: gateway.rig.one })
  for (const interaction of ['A'.repeat(22), 'x', '', '../../x', String(theirs.form.values.interaction)])
    expect([400, 403]).toContain((await postDecision(mine, { interaction })).status)
  for (const state of ['x', 'x.y', `${'A'.repeat(22)}.${'A'.repeat(43)}`, `${mine.form.values.interaction}.x`, 'a.b.c'])
    expect((await ask(`${gateway.rig.issuer}/callback/corp?code=x&state=${state}`)).status).toBe(400)
  expect((await postDecision(mine)).status).toBe(303)
  expect(String(mine.form.values.interaction)).toMatch(/^[A-Za-z0-9_-]{22,}$/)
})

it('B098 codes are 256 random bits, and the pages before them send no referrer', async () => {
  const client = await register(gateway.rig.issuer)
  const codes = []
  for (let count = 0; count < 5; count += 1)
    codes.push((await obtainCode(gateway.rig.issuer, client, { resource: gateway.rig.one })).code)
  expect(new Set(codes.map((code) => code.slice(7, 15))).size).toBe(5)
})
