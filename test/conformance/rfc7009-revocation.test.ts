import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ask } from '../fixtures/http-exchange.ts'
import {
  type Changes,
  callRoute,
  type KnownClient,
  obtainCode,
  obtainTokens,
  redeem,
  refresh,
  register,
  revoke,
  type Tokens,
  tokensOf,
} from '../fixtures/oauth-requests.ts'
import { type Rig, startRig } from './rig.ts'

let rig: Rig
let client: KnownClient
let tokens: Tokens
beforeAll(async () => {
  rig = await startRig()
  client = await register(rig.issuer)
  return () => rig.close()
})
beforeEach(async () => {
  tokens = await obtainTokens(rig.issuer, client, { resource: rig.one })
  expect((await callRoute(rig.one, tokens.accessToken)).status).toBe(200)
})

async function works(token: string): Promise<boolean> {
  return (await callRoute(rig.one, token)).status === 200
}

describe('what it ends (RFC 7009 §2.1)', () => {
  it('a refresh token takes its family along, and nothing of other grants (V-02, K-05, B154)', async () => {
    const other = await obtainTokens(rig.issuer, client, { resource: rig.one })
    const next = tokensOf(client, await refresh(rig.issuer, client, tokens.refreshToken))
    expect((await revoke(rig.issuer, client, next.refreshToken)).status).toBe(200)
    for (const { accessToken } of [tokens, next]) expect(await works(accessToken)).toBe(false)
    for (const { refreshToken } of [tokens, next])
      expect((await refresh(rig.issuer, client, refreshToken)).json().error).toBe('invalid_grant')
    expect(await works(other.accessToken)).toBe(true)
  })

  it('an access token goes alone (V-02, B154)', async () => {
    const next = tokensOf(client, await refresh(rig.issuer, client, tokens.refreshToken))
    expect((await revoke(rig.issuer, client, tokens.accessToken)).status).toBe(200)
    expect(await works(tokens.accessToken)).toBe(false)
    expect(await works(next.accessToken)).toBe(true)
    expect((await refresh(rig.issuer, client, next.refreshToken)).status).toBe(200)
  })

  it('believes the token and not the hint (V-01)', async () => {
    await revoke(rig.issuer, client, tokens.accessToken, { token_type_hint: 'refresh_token' })
    expect(await works(tokens.accessToken)).toBe(false)
    const next = tokensOf(client, await refresh(rig.issuer, client, tokens.refreshToken))
    await revoke(rig.issuer, client, next.refreshToken, { token_type_hint: 'access_token' })
    expect(await works(next.accessToken)).toBe(false)
  })
})

describe('what it leaves alone', () => {
  it.each(['accessToken', 'refreshToken'] as const)(
    'the %s of another client, with the same 200 (V-01, B152)',
    async (kind) => {
      const other = await register(rig.issuer)
      const answer = await revoke(rig.issuer, other, tokens[kind])
      expect([answer.status, answer.body]).toEqual([200, ''])
      expect(await works(tokens.accessToken)).toBe(true)
      expect((await refresh(rig.issuer, client, tokens.refreshToken)).status).toBe(200)
    },
  )

  it.each(['x', `mgh_at_${'A'.repeat(43)}`, `mgh_rt_${'A'.repeat(70)}`, 'mgh_ac_x', 'é'.repeat(100)])(
    'everything, when the token is %j: 200 (V-01)',
    async (token) => expect((await revoke(rig.issuer, client, token)).status).toBe(200),
  )

  it('a refresh token with one character changed (V-01)', async () => {
    await revoke(
      rig.issuer,
      client,
      tokens.refreshToken.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
    )
    expect(await works(tokens.accessToken)).toBe(true)
  })

  it('a code that was not redeemed yet (V-01)', async () => {
    const issued = await obtainCode(rig.issuer, client, { resource: rig.one })
    expect((await revoke(rig.issuer, client, issued.code)).status).toBe(200)
    expect((await redeem(rig.issuer, issued)).status).toBe(200)
  })
})

describe('what it refuses (RFC 7009 §2.2.1)', () => {
  it.each<[string, Changes, number, string]>([
    ['no token', { token: null }, 400, 'invalid_request'],
    ['an empty token', { token: '' }, 400, 'invalid_request'],
    ['two tokens', { token: ['x', 'y'] }, 400, 'invalid_request'],
    ['no client', { client_id: null }, 400, 'invalid_request'],
    ['an unknown client', { client_id: 'nobody' }, 401, 'invalid_client'],
    ['a confidential client without its secret', { client_id: 'static-basic' }, 401, 'invalid_client'],
  ])('%s (V-01)', async (_, changes, status, error) => {
    const answer = await revoke(rig.issuer, client, tokens.refreshToken, changes)
    expect([answer.status, answer.json().error]).toEqual([status, error])
    expect(await works(tokens.accessToken)).toBe(true)
  })

  it('a token in the query, in JSON, or in a megabyte (V-01, B155)', async () => {
    const body = { client_id: client.clientId, token: tokens.refreshToken }
    const url = `${rig.issuer}/revoke`
    expect((await ask(`${url}?${new URLSearchParams(body)}`, { method: 'POST' })).status).toBe(400)
    expect((await ask(`${url}?token=x`, { body: new URLSearchParams(body) })).status).toBe(400)
    expect((await ask(url, { body })).status).toBe(400)
    expect((await ask(url, { body: new URLSearchParams({ ...body, x: 'y'.repeat(200_000) }) })).status).toBe(413)
    expect((await ask(url)).status).toBe(405)
    expect(await works(tokens.accessToken)).toBe(true)
  })
})
