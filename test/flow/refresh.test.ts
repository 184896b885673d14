import { request as sendRequest } from 'node:http'
import { json } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { installMovableClock, type MovableClock } from '../fixtures/movable-clock.ts'
import { type OAuthClient, registerClient, type TokenAnswer } from '../fixtures/oauth-client.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

const CALLERS = 50

/** Between refreshes that a client makes one after the other, when its tokens expire; less than refresh_grace. */
const APART_MS = 30_000

let clock: MovableClock
let server: PlainServer
let gateway: TestGateway
let client: OAuthClient
let resource: string

beforeAll(async () => {
  clock = installMovableClock()
  server = await startPlainServer((_, response) => void response.end('{}'))
  const providers = await passwordProviders()
  const route = { upstream: server.url, sign_in: 'home' }
  gateway = await startTestGateway({ providers, routes: { '/mcp': route, '/other': route } })
  client = await registerClient(gateway.issuer)
  resource = `${gateway.issuer}/mcp`
})

afterAll(async () => {
  await gateway?.close()
  await server?.close()
  clock.restore()
})

async function works({ access_token }: TokenAnswer): Promise<boolean> {
  return (await callMcp(resource, access_token)).status === 200
}

/** A refresh that leaves from `localAddress`, on a connection of its own. */
function refreshFrom(localAddress: string, refreshToken: string): Promise<TokenAnswer> {
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', localAddress, agent: false } as const
    const type = { 'content-type': 'application/x-www-form-urlencoded' }
    const request = sendRequest(`${gateway.issuer}/token`, { ...options, headers: type }, async (response) => {
      resolve({ ...((await json(response)) as TokenAnswer), status: response.statusCode ?? 0 })
    })
    request.on('error', reject)
    const form = { grant_type: 'refresh_token', refresh_token: refreshToken, client_id: client.clientId }
    request.end(new URLSearchParams(form).toString())
  })
}

describe('refreshing', () => {
  it('gives 50 callers with one refresh token, from two addresses, working tokens and one successor (T-12, C12)', async () => {
    const first = await client.obtain(resource, ALICE)
    const answers = await Promise.all(
      Array.from({ length: CALLERS }, (_, index) => refreshFrom(`127.0.0.${1 + (index % 2)}`, first.refresh_token)),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(CALLERS).fill(200))
    expect(new Set(answers.map((answer) => answer.access_token)).size).toBe(CALLERS)
    expect(await Promise.all(answers.map(works))).toEqual(Array(CALLERS).fill(true))
    const successors = new Set(answers.map((answer) => answer.refresh_token))
    expect(successors.size).toBe(1)
    expect(successors).not.toContain(first.refresh_token)
    const [successor = ''] = successors
    expect((await client.refresh(successor)).status).toBe(200)
  })

  it('ends the whole family at once when a token two generations old comes back (RFC 9700 §4.14.2, T-11)', async () => {
    const first = await client.obtain(resource, ALICE)
    const second = await client.refresh(first.refresh_token)
    clock.advance(APART_MS)
    const third = await client.refresh(second.refresh_token)
    expect(await works(third)).toBe(true)

    const reused = await client.refresh(first.refresh_token)
    expect(reused).toMatchObject({ status: 400, error: 'invalid_grant' })
    expect(await Promise.all([first, second, third].map(works))).toEqual([false, false, false])
    expect(await client.refresh(third.refresh_token)).toMatchObject({ status: 400, error: 'invalid_grant' })
  })

  it('leaves the family alone when junk or a forgery comes (B145)', async () => {
    const first = await client.obtain(resource, ALICE)
    const forged = `${first.refresh_token.slice(0, -4)}AAAA`
    for (const junk of [forged, 'mgh_rt_', 'x', `${first.refresh_token}=`]) {
      expect(await client.refresh(junk)).toMatchObject({ status: 400, error: 'invalid_grant' })
    }
    expect(await works(first)).toBe(true)
    expect((await client.refresh(first.refresh_token)).status).toBe(200)
  })

  it('refuses the refresh token of one client to another, who cannot end it either (T-10)', async () => {
    const first = await client.obtain(resource, ALICE)
    const second = await client.refresh(first.refresh_token)
    const other = await registerClient(gateway.issuer)
    for (const stolen of [first, second]) {
      expect(await other.refresh(stolen.refresh_token)).toMatchObject({ status: 400, error: 'invalid_grant' })
    }
    expect((await client.refresh(second.refresh_token)).status).toBe(200)
  })
})

describe('a code', () => {
  it('that 50 callers redeem at once is good for exactly one of them (B146)', async () => {
    const issued = await client.authorize(resource, ALICE)
    const answers = await Promise.all(Array.from({ length: CALLERS }, () => client.redeem(issued)))
    const won = answers.filter(({ status }) => status === 200)
    expect(won).toHaveLength(1)
    expect(new Set(answers.filter(({ status }) => status !== 200).map(({ error }) => error))).toEqual(
      new Set(['invalid_grant']),
    )
  })

  it('that is redeemed again ends the tokens of the first time (RFC 6749 §10.5, B145)', async () => {
    const issued = await client.authorize(resource, ALICE)
    const first = await client.redeem(issued)
    expect(await works(first)).toBe(true)
    expect(await client.redeem(issued)).toMatchObject({ status: 400, error: 'invalid_grant' })
    expect(await works(first)).toBe(false)
    expect(await client.refresh(first.refresh_token)).toMatchObject({ status: 400, error: 'invalid_grant' })
  })

  it('of one client is refused to another and still good for its own (B143)', async () => {
    const issued = await client.authorize(resource, ALICE)
    const other = await registerClient(gateway.issuer)
    expect(await other.redeem(issued)).toMatchObject({ status: 400, error: 'invalid_grant' })
    expect(await works(await client.redeem(issued))).toBe(true)
  })

  it.each([
    ['a wrong verifier', { code_verifier: 'x'.repeat(43) }, 'invalid_grant'],
    ['another redirect URI', { redirect_uri: 'http://127.0.0.1:9/elsewhere' }, 'invalid_grant'],
    ['the resource of another route', { resource: 'other' }, 'invalid_target'],
  ])('survives a request with %s (B144, B147, B148)', async (_, overrides, error) => {
    const issued = await client.authorize(resource, ALICE)
    const wrong = 'resource' in overrides ? { resource: `${gateway.issuer}/other` } : overrides
    expect(await client.redeem(issued, wrong)).toMatchObject({ status: 400, error })
    expect(await works(await client.redeem(issued, { resource }))).toBe(true)
  })
})
