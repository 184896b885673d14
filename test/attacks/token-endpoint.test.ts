import { describe, expect, it } from 'vitest'
import { STATIC_REDIRECT, STATIC_SECRET } from '../conformance/rig.ts'
import { ask, rawAsk, statuses } from '../fixtures/http-exchange.ts'
import {
  askToken,
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
import { underAttack } from './oracles.ts'

const gateway = underAttack()
const STATIC: KnownClient = { clientId: 'static-basic', redirectUri: STATIC_REDIRECT }

async function fresh() {
  const client = await register(gateway.rig.issuer)
  return obtainCode(gateway.rig.issuer, client, { resource: gateway.rig.one })
}

const encoded = (text: string) => Buffer.from(text).toString('base64')
const ESCAPED = encodeURIComponent(STATIC_SECRET)

describe('client authentication', () => {
  async function attempt(authorization: string) {
    const body = change({ grant_type: 'refresh_token', refresh_token: 'x' }, {})
    return ask(`${gateway.rig.issuer}/token`, { body, headers: { authorization } })
  }

  it.each([`Basic ${encoded(`static-basic:${ESCAPED}`)}`, `basic ${encoded(`static%2Dbasic:${ESCAPED}`)}`])(
    'B136 the positive twin: %s is the client',
    async (authorization) => expect((await attempt(authorization)).json().error).toBe('invalid_grant'),
  )

  it.each([
    'Basic',
    'Basic ===',
    'Basic é',
    `Basic ${encoded('static-basic')}`,
    `Basic ${encoded(`:${ESCAPED}`)}`,
    `Basic ${encoded('static-basic:')}`,
    `Basic ${encoded('static-basic:%')}`,
    `Basic ${encoded(`static-basic:${ESCAPED}\0`)}`,
    `Basic ${encoded(`static-basic:${ESCAPED}`)} x`,
    `Basic ${encoded(`STATIC-BASIC:${ESCAPED}`)}`,
    `Bearer ${encoded(`static-basic:${ESCAPED}`)}`,
    `Basic ${encoded(`__proto__:${ESCAPED}`)}`,
  ])('B136 %j is nobody', async (authorization) => {
    const answer = await attempt(Buffer.from(authorization).toString('latin1'))
    expect([answer.status, answer.json().error]).toEqual([401, 'invalid_client'])
  })

  it('B136 two Authorization headers are refused, in either order', async () => {
    const { issuer } = gateway.rig
    const good = `Authorization: Basic ${encoded(`static-basic:${ESCAPED}`)}\r\n`
    const bad = 'Authorization: Basic x\r\n'
    for (const lines of [good + bad, bad + good, good + good]) {
      const head = `POST /token HTTP/1.1\r\nHost: ${new URL(issuer).host}\r\nConnection: close\r\n${lines}`
      const got = await rawAsk(
        issuer,
        `${head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b`,
      )
      expect(statuses(got)).toEqual([400])
    }
  })

  it('B137 a client uses the method it registered, and no other', async () => {
    const issued = await obtainCode(gateway.rig.issuer, STATIC, { resource: gateway.rig.one })
    expect((await redeem(gateway.rig.issuer, issued, { client_secret: STATIC_SECRET })).status).toBe(401)
    expect((await redeem(gateway.rig.issuer, issued)).status).toBe(401)
    const body = change({ grant_type: 'authorization_code', code: issued.code, code_verifier: issued.verifier }, {})
    const headers = { authorization: `Basic ${encoded(`static-basic:${ESCAPED}`)}` }
    expect((await ask(`${gateway.rig.issuer}/token`, { body, headers })).status).toBe(200)
  })
})

it.each([
  'password',
  'client_credentials',
  'urn:ietf:params:oauth:grant-type:device_code',
  'Authorization_Code',
  'refresh_token ',
  'x',
])('B139 grant_type=%s issues nothing', async (grant_type) => {
  const issued = await fresh()
  const answer = await redeem(gateway.rig.issuer, issued, { grant_type })
  expect([answer.status, answer.json().error]).toEqual([400, 'unsupported_grant_type'])
  expect((await redeem(gateway.rig.issuer, issued)).status).toBe(200)
})

it.each(['GET', 'PUT', 'HEAD', 'DELETE', 'PATCH'])('B140 %s issues nothing', async (method) => {
  const issued = await fresh()
  const parameters = { grant_type: 'authorization_code', code: issued.code, code_verifier: issued.verifier }
  const query = change({ ...parameters, client_id: issued.client.clientId }, {})
  expect((await ask(`${gateway.rig.issuer}/token?${query}`, { method })).status).toBe(405)
  expect((await redeem(gateway.rig.issuer, issued)).status).toBe(200)
})

it.each([
  'application/json',
  'text/plain',
  '',
  'multipart/form-data; boundary=a',
  'application/json, application/x-www-form-urlencoded',
  'application/x-www-form-urlencoded, text/plain',
])('B142 a body of type %j is not parsed', async (type) => {
  const issued = await fresh()
  const parameters = { grant_type: 'authorization_code', code: issued.code, code_verifier: issued.verifier }
  const body = change({ ...parameters, client_id: issued.client.clientId }, {}).toString()
  const headers = type === '' ? {} : { 'content-type': type }
  const answer = await ask(`${gateway.rig.issuer}/token`, { body, headers })
  expect([400, 415]).toContain(answer.status)
  expect((await redeem(gateway.rig.issuer, issued)).status).toBe(200)
})

it('B143 a code in the hands of another client is worth nothing there, and is not spent', async () => {
  const issued = await fresh()
  const thief = await register(gateway.rig.issuer)
  expect((await redeem(gateway.rig.issuer, { ...issued, client: thief })).json().error).toBe('invalid_grant')
  expect((await redeem(gateway.rig.issuer, issued)).status).toBe(200)
})

it('B145 a code used twice ends everything that came of it', async () => {
  const issued = await fresh()
  const first = tokensOf(issued.client, await redeem(gateway.rig.issuer, issued))
  const second = tokensOf(issued.client, await refresh(gateway.rig.issuer, issued.client, first.refreshToken))
  expect((await redeem(gateway.rig.issuer, issued)).json().error).toBe('invalid_grant')
  for (const { accessToken, refreshToken } of [first, second]) {
    expect((await callRoute(gateway.rig.one, accessToken)).status).toBe(401)
    expect((await refresh(gateway.rig.issuer, issued.client, refreshToken)).json().error).toBe('invalid_grant')
  }
})

it('B146 fifty who redeem one code at once get one answer', async () => {
  const issued = await fresh()
  const answers = await Promise.all(Array.from({ length: 50 }, () => redeem(gateway.rig.issuer, issued)))
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  for (const answer of answers.filter(({ status }) => status !== 200)) expect(answer.json().error).toBe('invalid_grant')
})

it('B148 a resource that was not authorised costs nothing', async () => {
  const issued = await fresh()
  for (const resource of [gateway.rig.two, 'https://evil.example/', `${gateway.rig.one}#x`])
    expect((await redeem(gateway.rig.issuer, issued, { resource })).json().error).toBe('invalid_target')
  expect((await redeem(gateway.rig.issuer, issued, { resource: gateway.rig.one })).status).toBe(200)
})

it('B149 an error names the rule and repeats nothing of the request', async () => {
  const issued = await fresh()
  for (const changes of [
    { grant_type: 'PLANTED' },
    { code: 'PLANTED' },
    { code_verifier: 'PLANTED' },
    { client_id: 'PLANTED' },
    { resource: 'PLANTED' },
  ]) {
    const answer = await redeem(gateway.rig.issuer, issued, changes)
    expect(answer.body).not.toContain('PLANTED')
    expect(Object.keys(answer.json()).toSorted()).toEqual(['error', 'error_description'])
    expect(answer.headers).toMatchObject({ 'cache-control': 'no-store', pragma: 'no-cache' })
  }
})

it('B151 an unknown code, a foreign one and a wrong verifier look the same', async () => {
  const [issued, other] = [await fresh(), await fresh()]
  const answers = [
    await redeem(gateway.rig.issuer, issued, { code: `mgh_ac_${'A'.repeat(43)}` }),
    await redeem(gateway.rig.issuer, issued, { code: other.code }),
    await redeem(gateway.rig.issuer, issued, { code_verifier: 'a'.repeat(43) }),
    await redeem(gateway.rig.issuer, issued, { redirect_uri: 'https://evil.example/' }),
    await askToken(gateway.rig.issuer, issued.client, { grant_type: 'authorization_code', code: 'x' }),
  ]
  expect(new Set(answers.map(({ status, body }) => `${status} ${body}`)).size).toBe(1)
  expect((await redeem(gateway.rig.issuer, issued)).status).toBe(200)
})

it('B160 tokens of one kind are worth nothing as another', async () => {
  const issued = await fresh()
  const { rig } = gateway
  expect((await refresh(rig.issuer, issued.client, issued.code)).json().error).toBe('invalid_grant')
  expect((await callRoute(rig.one, issued.code)).status).toBe(401)
  const tokens = tokensOf(issued.client, await redeem(rig.issuer, issued))
  expect((await redeem(rig.issuer, issued, { code: tokens.refreshToken })).json().error).toBe('invalid_grant')
  expect((await refresh(rig.issuer, issued.client, tokens.accessToken)).json().error).toBe('invalid_grant')
  expect((await callRoute(rig.one, tokens.refreshToken)).status).toBe(401)
  expect((await callRoute(rig.one, tokens.accessToken)).status).toBe(200)
})

it('B188 nobody redeems what policy refused', async () => {
  const { rig } = gateway
  rig.identityProvider.setCurrentAccount('bob')
  const client = await register(rig.issuer)
  await expect(obtainCode(rig.issuer, client, { resource: rig.two })).rejects.toThrow('no code: 403')
  rig.identityProvider.setCurrentAccount('alice')
  expect(
    (await callRoute(rig.two, (await obtainTokens(rig.issuer, client, { resource: rig.two })).accessToken)).status,
  ).toBe(200)
})
