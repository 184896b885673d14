import fc from 'fast-check'
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
  revoke,
  type Tokens,
  tokensOf,
} from '../fixtures/oauth-requests.ts'
import { type Rig, startRig } from './rig.ts'

const CONFIDENTIAL = { token_endpoint_auth_method: 'client_secret_post' }

let rig: Rig
let client: KnownClient
beforeAll(async () => {
  rig = await startRig()
  client = await register(rig.issuer, CONFIDENTIAL)
  return () => rig.close()
})

function introspect(caller: KnownClient, token: string, changes: Changes = {}): Promise<Answer> {
  const secret = caller.clientSecret === undefined ? {} : { client_secret: caller.clientSecret }
  return ask(`${rig.issuer}/introspect`, { body: change({ client_id: caller.clientId, ...secret, token }, changes) })
}

async function isActive(token: string): Promise<unknown> {
  return (await introspect(client, token)).json().active
}

describe('what it says (RFC 7662 §2.2)', () => {
  let tokens: Tokens
  beforeAll(async () => {
    tokens = await obtainTokens(rig.issuer, client, { resource: rig.one })
  })

  it('of an access token: whose, for whom, for which server, until when (V-05)', async () => {
    const answer = await introspect(client, tokens.accessToken)
    expect(answer.status).toBe(200)
    expect(answer.headers['cache-control']).toBe('no-store')
    const { exp, iat, ...rest } = answer.json()
    expect(rest).toEqual({
      active: true,
      client_id: client.clientId,
      sub: 'alice',
      aud: rig.one,
      iss: rig.issuer,
      scope: 'mcp',
      token_type: 'Bearer',
    })
    expect(Number(exp) - Number(iat)).toBeGreaterThanOrEqual(3599)
    expect(Math.abs(Number(iat) - Date.now() / 1000)).toBeLessThan(30)
  })

  it('of a refresh token: the same grant, for longer; of a spent one nothing (V-05)', async () => {
    const described = (await introspect(client, tokens.refreshToken)).json()
    expect(described).toMatchObject({ active: true, client_id: client.clientId, aud: rig.one })
    expect(Number(described.exp) - Date.now() / 1000).toBeGreaterThan(29 * 24 * 3600)
    const next = tokensOf(client, await refresh(rig.issuer, client, tokens.refreshToken))
    expect(await isActive(next.refreshToken)).toBe(true)
    expect(await isActive(tokens.refreshToken)).toBe(false)
  })

  it.each(['x', `mgh_at_${'A'.repeat(43)}`, `mgh_rt_${'A'.repeat(70)}`, 'mgh_ac_x', 'é'.repeat(100)])(
    'of %j: not active, and not one word more (V-05, RFC 7662 §2.2)',
    async (token) => expect((await introspect(client, token)).body).toBe('{"active":false}'),
  )

  it('of a code: not active (V-05)', async () => {
    const { code } = await obtainCode(rig.issuer, client, { resource: rig.one })
    expect((await introspect(client, code)).body).toBe('{"active":false}')
  })

  it('of the tokens of another client: what it says of tokens that never were (V-05, RFC 7662 §4)', async () => {
    const other = await register(rig.issuer, CONFIDENTIAL)
    for (const token of [tokens.accessToken, tokens.refreshToken])
      expect((await introspect(other, token)).body).toBe('{"active":false}')
    expect(await isActive(tokens.accessToken)).toBe(true)
  })

  it('believes the token and not the hint (RFC 7662 §2.1)', async () => {
    const answer = await introspect(client, tokens.accessToken, { token_type_hint: 'refresh_token' })
    expect(answer.json()).toMatchObject({ active: true, token_type: 'Bearer' })
  })
})

describe('whom it answers (RFC 7662 §2.1)', () => {
  it('no public client, not even about its own tokens (V-05)', async () => {
    const open = await register(rig.issuer)
    const tokens = await obtainTokens(rig.issuer, open, { resource: rig.one })
    const answer = await introspect(open, tokens.accessToken)
    expect([answer.status, answer.json().error]).toEqual([401, 'invalid_client'])
    expect(answer.body).not.toContain('active')
  })

  it.each<[string, Changes, number, string]>([
    ['nobody', { client_id: null, client_secret: null }, 400, 'invalid_request'],
    ['an unknown client', { client_id: 'nobody' }, 401, 'invalid_client'],
    ['a client without its secret', { client_secret: null }, 401, 'invalid_client'],
    ['a client with a wrong secret', { client_secret: 'x' }, 401, 'invalid_client'],
    ['a client without a token to ask about', { token: null }, 400, 'invalid_request'],
    ['a client with two tokens', { token: ['x', 'y'] }, 400, 'invalid_request'],
  ])('%s is refused (V-05)', async (_, changes, status, error) => {
    const answer = await introspect(client, 'x', changes)
    expect([answer.status, answer.json().error]).toEqual([status, error])
  })

  it('is not for web pages, takes no GET, and no token from the query (V-05, D-39)', async () => {
    const preflight = await ask(`${rig.issuer}/introspect`, {
      method: 'OPTIONS',
      headers: { origin: 'https://page.example', 'access-control-request-method': 'POST' },
    })
    expect(preflight.headers['access-control-allow-origin']).toBeUndefined()
    expect((await ask(`${rig.issuer}/introspect?token=x`)).status).toBe(405)
    const body = change({ client_id: client.clientId, client_secret: client.clientSecret ?? '', token: 'x' }, {})
    expect((await ask(`${rig.issuer}/introspect?token=x`, { body })).json().error).toBe('invalid_request')
  })

  it('is announced with its methods, none of which is none (D-35)', async () => {
    const metadata = (await ask(`${rig.issuer}/.well-known/oauth-authorization-server`)).json()
    expect(metadata.introspection_endpoint).toBe(`${rig.issuer}/introspect`)
    expect(metadata.introspection_endpoint_auth_methods_supported).toEqual([
      'client_secret_basic',
      'client_secret_post',
      'private_key_jwt',
    ])
  })
})

/** What can happen to tokens; `at` picks one of those that were issued so far. */
type Operation =
  | { readonly does: 'sign in' | 'reuse a spent refresh token' | 'replay a code' }
  | { readonly does: 'refresh' | 'revoke the access token' | 'revoke the refresh token'; readonly at: number }

const OPERATIONS = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Operation>({ does: 'sign in' }) },
  { weight: 1, arbitrary: fc.constant<Operation>({ does: 'replay a code' }) },
  { weight: 1, arbitrary: fc.constant<Operation>({ does: 'reuse a spent refresh token' }) },
  { weight: 4, arbitrary: fc.nat().map((at): Operation => ({ does: 'refresh', at })) },
  { weight: 2, arbitrary: fc.nat().map((at): Operation => ({ does: 'revoke the access token', at })) },
  { weight: 1, arbitrary: fc.nat().map((at): Operation => ({ does: 'revoke the refresh token', at })) },
)

describe('introspection and the routes', () => {
  it('never disagree about a token, and agree with what happened to it (B157, V-05)', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(OPERATIONS, { minLength: 10, maxLength: 40 }), async (operations) => {
        const model = await startModel()
        for (const operation of operations) {
          await model.apply(operation)
          await model.check()
        }
      }),
      { numRuns: 8 },
    )
  })
})

interface Known {
  readonly token: string
  readonly grant: Family
  revoked: boolean
}

/** One grant: its codes, its newest refresh token, and whether it has ended. */
interface Family {
  readonly code: Awaited<ReturnType<typeof obtainCode>>
  refreshTokens: string[]
  ended: boolean
}

/** What should be true of every token that was ever issued in one run. */
async function startModel() {
  const families: Family[] = []
  const access: Known[] = []

  function take(grant: Family, answer: Answer): void {
    const { accessToken, refreshToken } = tokensOf(client, answer)
    access.push({ token: accessToken, grant, revoked: false })
    if (grant.refreshTokens.at(-1) !== refreshToken) grant.refreshTokens.push(refreshToken)
  }
  async function signIn(): Promise<void> {
    const code = await obtainCode(rig.issuer, client, { resource: rig.one })
    const family: Family = { code, refreshTokens: [], ended: false }
    families.push(family)
    take(family, await redeem(rig.issuer, code))
  }
  const pick = (at: number) => families[at % families.length]

  async function apply(operation: Operation): Promise<void> {
    switch (operation.does) {
      case 'sign in':
        return signIn()
      case 'replay a code': {
        const family = families.at(-1)
        if (!family) return
        expect((await redeem(rig.issuer, family.code)).status).toBe(400)
        family.ended = true
        return
      }
      case 'reuse a spent refresh token': {
        const family = families.find(({ refreshTokens }) => refreshTokens.length > 2)
        if (!family) return
        expect((await refresh(rig.issuer, client, family.refreshTokens[0] ?? '')).status).toBe(400)
        family.ended = true
        return
      }
      case 'refresh': {
        const family = pick(operation.at)
        if (!family) return
        const grant = { grant_type: 'refresh_token', refresh_token: family.refreshTokens.at(-1) ?? '' }
        const answer = await askToken(rig.issuer, client, grant)
        expect(answer.status).toBe(family.ended ? 400 : 200)
        if (!family.ended) take(family, answer)
        return
      }
      case 'revoke the access token': {
        const known = access[operation.at % Math.max(access.length, 1)]
        if (!known) return
        expect((await revoke(rig.issuer, client, known.token)).status).toBe(200)
        known.revoked = true
        return
      }
      case 'revoke the refresh token': {
        const family = pick(operation.at)
        if (!family) return
        expect((await revoke(rig.issuer, client, family.refreshTokens.at(-1) ?? '')).status).toBe(200)
        family.ended = true
      }
    }
  }

  return {
    apply,
    async check(): Promise<void> {
      for (const { token, grant, revoked } of access) {
        const expected = !revoked && !grant.ended
        const [active, { status }] = await Promise.all([isActive(token), callRoute(rig.one, token)])
        expect([active, status]).toEqual([expected, expected ? 200 : 401])
      }
      for (const { refreshTokens, ended } of families)
        for (const [index, token] of refreshTokens.entries())
          expect(await isActive(token)).toBe(!ended && index === refreshTokens.length - 1)
    },
  }
}
