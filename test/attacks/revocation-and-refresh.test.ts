import { describe, expect, it } from 'vitest'
import { ask } from '../fixtures/http-exchange.ts'
import {
  callRoute,
  obtainTokens,
  refresh,
  register,
  revoke,
  type Tokens,
  tokensOf,
} from '../fixtures/oauth-requests.ts'
import { underAttack } from './oracles.ts'

const gateway = underAttack()

async function fresh(): Promise<Tokens> {
  const client = await register(gateway.rig.issuer)
  return obtainTokens(gateway.rig.issuer, client, { resource: gateway.rig.one })
}

async function works({ accessToken }: Pick<Tokens, 'accessToken'>): Promise<boolean> {
  return (await callRoute(gateway.rig.one, accessToken)).status === 200
}

async function next(tokens: Tokens): Promise<Tokens> {
  return tokensOf(tokens.client, await refresh(gateway.rig.issuer, tokens.client, tokens.refreshToken))
}

describe('revocation', () => {
  it('B152 of another client’s tokens: 200 and no effect', async () => {
    const [mine, other] = [await fresh(), await fresh()]
    for (const token of [mine.accessToken, mine.refreshToken])
      expect((await revoke(gateway.rig.issuer, other.client, token)).status).toBe(200)
    expect(await works(mine)).toBe(true)
    expect(await works(await next(mine))).toBe(true)
  })

  it('B154 of a refresh token: that grant is dead at once, others of the same user and client live', async () => {
    const mine = await fresh()
    const sister = await obtainTokens(gateway.rig.issuer, mine.client, { resource: gateway.rig.one })
    const second = await next(mine)
    expect(await works(second)).toBe(true)
    expect((await revoke(gateway.rig.issuer, mine.client, mine.refreshToken)).status).toBe(200)
    for (const tokens of [mine, second]) expect(await works(tokens)).toBe(false)
    expect((await refresh(gateway.rig.issuer, mine.client, second.refreshToken)).json().error).toBe('invalid_grant')
    expect(await works(sister)).toBe(true)
  })

  it('B154 of an access token: that one alone', async () => {
    const mine = await fresh()
    const second = await next(mine)
    await revoke(gateway.rig.issuer, mine.client, mine.accessToken)
    expect([await works(mine), await works(second)]).toEqual([false, true])
  })

  it('B155 in a query, in JSON or in a megabyte: refused, and nothing is revoked', async () => {
    const mine = await fresh()
    const url = `${gateway.rig.issuer}/revoke`
    const form = { client_id: mine.client.clientId, token: mine.refreshToken }
    const answers = [
      await ask(`${url}?${new URLSearchParams(form)}`, { method: 'POST' }),
      await ask(`${url}?token=${mine.refreshToken}`, { body: new URLSearchParams({ client_id: form.client_id }) }),
      await ask(url, { body: form }),
      await ask(url, { body: new URLSearchParams({ ...form, filler: 'x'.repeat(1_000_000) }) }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 413])
    expect(await works(mine)).toBe(true)
  })
})

describe('refresh', () => {
  it('B160 by another client, or with a wrong MAC: refused, and the owner is unharmed', async () => {
    const [mine, other] = [await fresh(), await fresh()]
    expect((await refresh(gateway.rig.issuer, other.client, mine.refreshToken)).json().error).toBe('invalid_grant')
    const forged = mine.refreshToken.slice(0, -2) + (mine.refreshToken.endsWith('AA') ? 'BA' : 'AA')
    for (const token of [forged, `${mine.refreshToken} `, `${mine.refreshToken}=`, mine.refreshToken.toLowerCase()])
      expect((await refresh(gateway.rig.issuer, mine.client, token)).json().error).toBe('invalid_grant')
    expect(await works(mine)).toBe(true)
    expect(await works(await next(mine))).toBe(true)
  })

  it('B160 forged generations of a real grant end nothing', async () => {
    const mine = await fresh()
    const bytes = Buffer.from(mine.refreshToken.slice(7), 'base64url')
    for (const generation of [0, 2, 3, 0xffffffff]) {
      const forged = Buffer.from(bytes)
      forged.writeUInt32BE(generation, 16)
      const token = `mgh_rt_${forged.toString('base64url')}`
      expect((await refresh(gateway.rig.issuer, mine.client, token)).json().error).toBe('invalid_grant')
      await revoke(gateway.rig.issuer, mine.client, token)
    }
    expect(await works(mine)).toBe(true)
  })

  it('B161 with a wider scope or another resource: refused before anything rotates', async () => {
    const mine = await fresh()
    const attempts = [
      [{ scope: 'mcp admin' }, 'invalid_scope'],
      [{ scope: 'admin' }, 'invalid_scope'],
      [{ resource: gateway.rig.two }, 'invalid_target'],
    ] as const
    for (const [changes, error] of attempts)
      expect((await refresh(gateway.rig.issuer, mine.client, mine.refreshToken, changes)).json().error).toBe(error)
    const [one, two] = [await next(mine), await next(mine)]
    expect(one.refreshToken).toBe(two.refreshToken)
  })

  it('B163 two at once: both end with live tokens and one lineage', async () => {
    const mine = await fresh()
    const [one, two] = await Promise.all([next(mine), next(mine)])
    expect(one.refreshToken).toBe(two.refreshToken)
    expect(await works(one)).toBe(true)
    expect(await works(two)).toBe(true)
  })

  it('B164 a hundred at once: no failure, nobody logged out, one successor', async () => {
    const mine = await fresh()
    const all = await Promise.all(Array.from({ length: 100 }, () => next(mine)))
    expect(new Set(all.map(({ refreshToken }) => refreshToken)).size).toBe(1)
    expect(await works(await next(all[0] ?? mine))).toBe(true)
  })

  it('B166 B167 the last but one within the grace is reuse: the family dies, a sister grant lives', async () => {
    const mine = await fresh()
    const sister = await obtainTokens(gateway.rig.issuer, mine.client, { resource: gateway.rig.one })
    const second = await next(mine)
    const third = await next(second)
    expect((await refresh(gateway.rig.issuer, mine.client, mine.refreshToken)).json().error).toBe('invalid_grant')
    for (const tokens of [mine, second, third]) expect(await works(tokens)).toBe(false)
    expect((await refresh(gateway.rig.issuer, mine.client, third.refreshToken)).json().error).toBe('invalid_grant')
    expect(await works(sister)).toBe(true)
    expect(gateway.rig.log()).toContain('refresh_token_reused')
  })
})
