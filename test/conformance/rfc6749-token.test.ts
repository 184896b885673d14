import { DatabaseSync } from 'node:sqlite'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Answer, ask } from '../fixtures/http-exchange.ts'
import {
  askToken,
  type Changes,
  callRoute,
  change,
  type KnownClient,
  obtainCode,
  obtainTokens,
  redeem,
  refresh,
  register,
  tokensOf,
} from '../fixtures/oauth-requests.ts'
import { type Rig, STATIC_REDIRECT, STATIC_SECRET, startRig } from './rig.ts'

const STATIC: KnownClient = { clientId: 'static-basic', redirectUri: STATIC_REDIRECT }

let rig: Rig
let client: KnownClient
beforeAll(async () => {
  rig = await startRig()
  client = await register(rig.issuer)
  return () => rig.close()
})

function expectError(answer: Answer, status: number, error: string): void {
  expect([answer.status, answer.json().error]).toEqual([status, error])
  expect(answer.headers['content-type']).toMatch(/^application\/json/)
  expect(answer.headers['cache-control']).toBe('no-store')
  expect(Object.keys(answer.json()).toSorted()).toEqual(['error', 'error_description'])
}

function basic(id: string, secret: string): string {
  const encode = (text: string) => encodeURIComponent(text).replaceAll('%20', '+')
  return `Basic ${Buffer.from(`${encode(id)}:${encode(secret)}`).toString('base64')}`
}

describe('the token response (RFC 6749 §5.1)', () => {
  it('has everything a client needs, is never stored, and holds nothing else (T-02, T-15, T-25, K-11, B149)', async () => {
    const answer = await redeem(rig.issuer, await obtainCode(rig.issuer, client, { resource: rig.one }))
    expect(answer.status).toBe(200)
    expect(answer.headers).toMatchObject({ 'cache-control': 'no-store', pragma: 'no-cache' })
    expect(answer.json()).toEqual({
      access_token: expect.stringMatching(/^mgh_at_[A-Za-z0-9_-]{43}$/),
      refresh_token: expect.stringMatching(/^mgh_rt_[A-Za-z0-9_-]+$/),
      token_type: 'Bearer',
      expires_in: 3600,
      scope: 'mcp',
    })
  })

  it('gives tokens that can be sent as they are and are our own (K-02, K-03, K-07)', async () => {
    const tokens = await obtainTokens(rig.issuer, client, { resource: rig.one })
    for (const token of [tokens.accessToken, tokens.refreshToken]) {
      expect(token).toMatch(/^[A-Za-z0-9\-._~+/]+=*$/)
      expect(token.length).toBeLessThan(200)
    }
    expect((await callRoute(rig.one, tokens.accessToken)).status).toBe(200)
  })

  it('counts nobody’s tokens in the database: hashes alone are there (K-04, K-10, B281, S-14)', async () => {
    const issued = await obtainCode(rig.issuer, client, { resource: rig.one })
    const tokens = tokensOf(client, await redeem(rig.issuer, issued))
    const database = new DatabaseSync(rig.databaseFile, { readOnly: true })
    const tables = database.prepare("select name from sqlite_master where type = 'table'").all()
    const rows = tables.flatMap(({ name }) => database.prepare(`select * from "${name}"`).all())
    database.close()
    const dump = JSON.stringify(rows)
    expect(dump).toContain(client.clientId)
    for (const secret of [issued.code, issued.verifier, tokens.accessToken, tokens.refreshToken])
      for (const part of [secret, secret.slice(7), secret.slice(20, 32)]) expect(dump).not.toContain(part)
  })
})

describe('the request (RFC 6749 §3.2)', () => {
  it.each(['GET', 'PUT', 'DELETE', 'HEAD', 'PATCH'])('%s is 405 in JSON (T-01, T-04, B140)', async (method) => {
    const answer = await ask(`${rig.issuer}/token`, { method })
    expect(answer.status).toBe(405)
    expect(answer.headers.allow).toContain('POST')
    expect(answer.headers['content-type']).toMatch(/^application\/json/)
  })

  it.each([
    'application/json',
    'text/plain',
    'multipart/form-data; boundary=x',
    'application/x-www-form-urlencoded, application/json',
    'application/x-www-form-urlencodedx',
    'application/x-www-form-urlencoded\ta',
  ])('a body of type %j is refused, and costs nothing (T-01, B142)', async (type) => {
    const issued = await obtainCode(rig.issuer, client, { resource: rig.one })
    const form = { grant_type: 'authorization_code', code: issued.code, code_verifier: issued.verifier }
    const body = change({ ...form, client_id: client.clientId }, {}).toString()
    const refused = await ask(`${rig.issuer}/token`, { body, headers: { 'content-type': type } })
    expect([400, 415]).toContain(refused.status)
    expect(refused.json().error).toBe('invalid_request')
    const headers = { 'content-type': 'APPLICATION/x-www-form-urlencoded;charset=utf-8' }
    expect((await ask(`${rig.issuer}/token`, { body, headers })).status).toBe(200)
  })

  it('without a body or with a broken one is refused (T-01)', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    for (const body of ['', '%', 'client_id=%zz', `client_id=${client.clientId}&grant_type=%ff`, 'client_id=a%00'])
      expectError(await ask(`${rig.issuer}/token`, { method: 'POST', body, headers }), 400, 'invalid_request')
  })

  it('belongs in the body, not in the query (T-01)', async () => {
    const { refreshToken } = await obtainTokens(rig.issuer, client, { resource: rig.one })
    const form = change({ grant_type: 'refresh_token', refresh_token: refreshToken, client_id: client.clientId }, {})
    expectError(await ask(`${rig.issuer}/token?${form}`, { method: 'POST' }), 400, 'invalid_request')
    expectError(await ask(`${rig.issuer}/token?x=1`, { body: form }), 400, 'invalid_request')
    expect((await ask(`${rig.issuer}/token`, { body: form })).status).toBe(200)
  })

  it.each(['grant_type', 'code', 'redirect_uri', 'client_id', 'code_verifier', 'scope', 'unknown'])(
    'with a second %s is refused, and costs nothing (T-01, B068)',
    async (name) => {
      const issued = await obtainCode(rig.issuer, client, { resource: rig.one })
      const form = { grant_type: 'authorization_code', client_id: client.clientId, ...issued, unknown: 'x' }
      const value = { ...form, redirect_uri: client.redirectUri, code_verifier: issued.verifier, scope: 'mcp' }[name]
      expectError(await redeem(rig.issuer, issued, { [name]: [String(value), String(value)] }), 400, 'invalid_request')
      expect((await redeem(rig.issuer, issued)).status).toBe(200)
    },
  )

  it('may hold more than is asked for (T-01)', async () => {
    const issued = await obtainCode(rig.issuer, client, { resource: rig.one })
    expect(
      (await redeem(rig.issuer, issued, { scope: 'mcp', foo: 'bar', client_secret: '', audience: 'x' })).status,
    ).toBe(200)
  })

  it('may hold parameters without a value, which count as absent (T-01, RFC 6749 §3.2)', async () => {
    const issued = await obtainCode(rig.issuer, client, { resource: rig.one })
    const names = ['resource', 'scope', 'client_secret', 'client_assertion', 'client_assertion_type', 'redirect_uri']
    const empty = Object.fromEntries(names.map((name) => [name, '']))
    expectError(await redeem(rig.issuer, issued, { ...empty, client_assertion: 'x' }), 400, 'invalid_request')
    expect((await redeem(rig.issuer, issued, empty)).status).toBe(200)
  })

  it('answers HTML and others in JSON too (T-04)', async () => {
    const answer = await ask(`${rig.issuer}/token`, {
      body: change({}, { client_id: 'x' }),
      headers: { accept: 'text/html' },
    })
    expectError(answer, 401, 'invalid_client')
    const large = await ask(`${rig.issuer}/token`, { body: change({}, { x: 'y'.repeat(70_000) }) })
    expect([large.status, large.json().error]).toEqual([413, 'invalid_request'])
  })
})

describe('grant types (RFC 6749 §5.2)', () => {
  it.each([
    'password',
    'client_credentials',
    'implicit',
    'urn:ietf:params:oauth:grant-type:device_code',
    'urn:ietf:params:oauth:grant-type:jwt-bearer',
    'urn:ietf:params:oauth:grant-type:token-exchange',
    'AUTHORIZATION_CODE',
    'constructor',
    '',
  ])('%j is unsupported_grant_type (T-20, R-64, B139)', async (grant_type) => {
    const more = { username: 'carol', password: 'x', scope: 'mcp' }
    expectError(await askToken(rig.issuer, client, { grant_type, ...more }), 400, 'unsupported_grant_type')
  })

  it.each<[string, Record<string, string>]>([
    ['a code', { grant_type: 'authorization_code' }],
    ['a refresh token', { grant_type: 'refresh_token' }],
  ])('without %s it is invalid_request (T-03)', async (_, form) => {
    expectError(await askToken(rig.issuer, client, form), 400, 'invalid_request')
  })
})

describe('client authentication (RFC 6749 §2.3)', () => {
  const form = { grant_type: 'refresh_token', refresh_token: 'mgh_rt_x' }
  function attempt(changes: Changes, authorization?: string): Promise<Answer> {
    const headers = authorization === undefined ? {} : { authorization }
    return ask(`${rig.issuer}/token`, { body: change(form, changes), headers })
  }

  it('knows the declared client by its secret, form-encoded (R-60, R-61, R-62, T-05, B136)', async () => {
    expectError(await attempt({}, basic('static-basic', STATIC_SECRET)), 400, 'invalid_grant')
    const lower = basic('static-basic', STATIC_SECRET).replace('Basic', 'basic')
    expectError(await attempt({ client_id: 'static-basic' }, lower), 400, 'invalid_grant')
  })

  it.each<[string, Changes, string | undefined]>([
    ['an unknown client', { client_id: 'client-AAAAAAAAAAAAAAAAAAAAAA' }, undefined],
    ['no secret', { client_id: 'static-basic' }, undefined],
    ['the secret in the body', { client_id: 'static-basic', client_secret: STATIC_SECRET }, undefined],
    ['a wrong secret', {}, basic('static-basic', `${STATIC_SECRET}x`)],
    ['an empty secret', {}, basic('static-basic', '')],
    ['a secret that was never encoded', {}, `Basic ${Buffer.from(`static-basic:${STATIC_SECRET}`).toString('base64')}`],
    ['a secret for a public client', {}, basic('static-public', 'x')],
    ['no colon', {}, `Basic ${Buffer.from('static-basic').toString('base64')}`],
    ['no id', {}, `Basic ${Buffer.from(':secret').toString('base64')}`],
    ['broken base64', {}, 'Basic !!!'],
    ['broken percent-encoding', {}, `Basic ${Buffer.from('a%zz:b').toString('base64')}`],
    ['an access token', {}, 'Bearer mgh_at_x'],
    ['nothing behind Basic', {}, 'Basic'],
  ])(
    '%s is invalid_client, in the same words (T-03, T-05, T-21, R-61, R-63, B136, B137)',
    async (_, changes, authorization) => {
      const answer = await attempt(changes, authorization)
      expectError(answer, 401, 'invalid_client')
      const offered = answer.headers['www-authenticate']
      if (authorization === undefined) expect(offered).toBeUndefined()
      else expect(offered).toMatch(/^Basic /)
      expect(answer.body).not.toContain('static')
    },
  )

  it.each<[string, Changes, string | undefined]>([
    ['two methods', { client_secret: STATIC_SECRET }, basic('static-basic', STATIC_SECRET)],
    ['two clients', { client_id: 'static-public' }, basic('static-basic', STATIC_SECRET)],
    ['no client', {}, undefined],
  ])('%s is invalid_request (R-62)', async (_, changes, authorization) => {
    expectError(await attempt(changes, authorization), 400, 'invalid_request')
  })

  it('is required for refreshing what a confidential client holds (T-10)', async () => {
    const issued = await obtainCode(rig.issuer, STATIC, { resource: rig.one })
    const headers = { authorization: basic('static-basic', STATIC_SECRET) }
    const body = change({ grant_type: 'authorization_code', code: issued.code, code_verifier: issued.verifier }, {})
    const { refreshToken } = tokensOf(STATIC, await ask(`${rig.issuer}/token`, { body, headers }))
    expectError(await refresh(rig.issuer, STATIC, refreshToken), 401, 'invalid_client')
    const good = change({ grant_type: 'refresh_token', refresh_token: refreshToken }, {})
    expect((await ask(`${rig.issuer}/token`, { body: good, headers })).status).toBe(200)
  })
})

describe('the code (RFC 6749 §4.1.3)', () => {
  it.each<[string, Changes]>([
    ['an unknown code', { code: `mgh_ac_${'A'.repeat(43)}` }],
    ['junk', { code: 'x' }],
    ['another redirect URI', { redirect_uri: 'http://127.0.0.1:10/callback' }],
  ])('%s is invalid_grant, and the code is not spent (T-07, A-15, B151)', async (_, changes) => {
    const issued = await obtainCode(rig.issuer, client, { resource: rig.one })
    expectError(await redeem(rig.issuer, issued, changes), 400, 'invalid_grant')
    expect((await redeem(rig.issuer, issued)).status).toBe(200)
  })

  it('needs no redirect_uri, as OAuth 2.1 has it (T-07, C11)', async () => {
    const issued = await obtainCode(rig.issuer, client, { resource: rig.one })
    expect((await redeem(rig.issuer, issued, { redirect_uri: null })).status).toBe(200)
  })

  it('used a second time ends its grant (T-08, A-15, B145)', async () => {
    const issued = await obtainCode(rig.issuer, client, { resource: rig.one })
    const tokens = tokensOf(client, await redeem(rig.issuer, issued))
    const next = tokensOf(client, await refresh(rig.issuer, client, tokens.refreshToken))
    expect((await callRoute(rig.one, next.accessToken)).status).toBe(200)
    expectError(await redeem(rig.issuer, issued), 400, 'invalid_grant')
    for (const { accessToken } of [tokens, next]) expect((await callRoute(rig.one, accessToken)).status).toBe(401)
    expectError(await refresh(rig.issuer, client, next.refreshToken), 400, 'invalid_grant')
  })

  it('used a second time by someone who cannot prove it ends nothing (T-08)', async () => {
    const issued = await obtainCode(rig.issuer, client, { resource: rig.one })
    const tokens = tokensOf(client, await redeem(rig.issuer, issued))
    expectError(await redeem(rig.issuer, issued, { code_verifier: 'a'.repeat(43) }), 400, 'invalid_grant')
    expectError(await redeem(rig.issuer, { ...issued, client: await register(rig.issuer) }), 400, 'invalid_grant')
    expect((await callRoute(rig.one, tokens.accessToken)).status).toBe(200)
  })

  it('is good for one of many who present it at once (A-15, B146)', async () => {
    const issued = await obtainCode(rig.issuer, client, { resource: rig.one })
    const answers = await Promise.all(Array.from({ length: 20 }, () => redeem(rig.issuer, issued)))
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, ...Array(19).fill(400)])
  })
})

describe('refreshing (RFC 6749 §6, RFC 9700 §4.14.2)', () => {
  it('rotates, and both access tokens live on (T-11, T-14, T-16, K-06)', async () => {
    const first = await obtainTokens(rig.issuer, client, { resource: rig.one })
    const answer = await refresh(rig.issuer, client, first.refreshToken)
    const second = tokensOf(client, answer)
    expect(second.refreshToken).not.toBe(first.refreshToken)
    expect(second.accessToken).not.toBe(first.accessToken)
    expect(answer.json()).toMatchObject({ token_type: 'Bearer', expires_in: 3600, scope: 'mcp' })
    for (const { accessToken } of [first, second]) expect((await callRoute(rig.one, accessToken)).status).toBe(200)
  })

  it('gives a lost answer again: the previous token yields the same successor (T-12, T-13, C12)', async () => {
    const { refreshToken } = await obtainTokens(rig.issuer, client, { resource: rig.one })
    const answers = [await refresh(rig.issuer, client, refreshToken), await refresh(rig.issuer, client, refreshToken)]
    const [one, two] = answers.map((answer) => tokensOf(client, answer))
    expect(two?.refreshToken).toBe(one?.refreshToken)
    for (const tokens of [one, two]) expect((await callRoute(rig.one, tokens?.accessToken)).status).toBe(200)
    expect((await refresh(rig.issuer, client, String(two?.refreshToken))).status).toBe(200)
  })

  it('ends the whole family when an older token comes back, and no other grant (T-11, K-05, K-10, B166, B167)', async () => {
    const other = await obtainTokens(rig.issuer, client, { resource: rig.one })
    const family = [await obtainTokens(rig.issuer, client, { resource: rig.one })]
    for (let generation = 0; generation < 2; generation += 1)
      family.push(tokensOf(client, await refresh(rig.issuer, client, String(family.at(-1)?.refreshToken))))
    expectError(await refresh(rig.issuer, client, String(family[0]?.refreshToken)), 400, 'invalid_grant')
    for (const tokens of family) {
      expect((await callRoute(rig.one, tokens.accessToken)).status).toBe(401)
      expectError(await refresh(rig.issuer, client, tokens.refreshToken), 400, 'invalid_grant')
    }
    expect((await callRoute(rig.one, other.accessToken)).status).toBe(200)
    expect((await refresh(rig.issuer, client, other.refreshToken)).status).toBe(200)
  })

  it('never widens the scope, and refuses before it rotates (T-10, T-14, B161)', async () => {
    const { refreshToken } = await obtainTokens(rig.issuer, client, { resource: rig.one })
    for (const scope of ['admin', 'mcp admin', '*'])
      expectError(await refresh(rig.issuer, client, refreshToken, { scope }), 400, 'invalid_scope')
    const same = await refresh(rig.issuer, client, refreshToken, { scope: 'mcp offline_access' })
    expect(same.json().scope).toBe('mcp')
  })

  it('is refused to another client, and to other kinds of tokens (T-10, B160)', async () => {
    const tokens = await obtainTokens(rig.issuer, client, { resource: rig.one })
    const other = await register(rig.issuer)
    expectError(await refresh(rig.issuer, other, tokens.refreshToken), 400, 'invalid_grant')
    for (const wrong of [tokens.accessToken, 'x', `${tokens.refreshToken}=`, tokens.refreshToken.slice(0, -1)])
      expectError(await refresh(rig.issuer, client, wrong), 400, 'invalid_grant')
    expect((await callRoute(rig.one, tokens.refreshToken)).status).toBe(401)
    expect((await refresh(rig.issuer, client, tokens.refreshToken)).status).toBe(200)
  })
})
