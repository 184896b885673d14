import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { type LedgerProvider, startLedgerProvider } from '../fixtures/ledger-provider.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { installMovableClock, type MovableClock } from '../fixtures/movable-clock.ts'
import { type OAuthClient, registerClient, type TokenAnswer } from '../fixtures/oauth-client.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

const HOUR_MS = 60 * 60_000
const MEMBER = { groups: ['engineering'] }
const REFUSED = { status: 400, error: 'invalid_grant' }

let clock: MovableClock
let provider: LedgerProvider
let server: PlainServer
let gateway: TestGateway
let client: OAuthClient

/** By default a provider as GitHub is for OAuth apps: access tokens without an end, and no refresh tokens. */
async function start({ withoutRefresh = true } = {}): Promise<void> {
  clock = installMovableClock()
  provider = await startLedgerProvider({
    graceMs: 0,
    accessTtlSeconds: 365 * 24 * 3600,
    untold: true,
    withoutRefresh,
  })
  provider.setAnswer(MEMBER)
  server = await startPlainServer(({ method }, response) => {
    if (method !== 'GET') return void response.end('{}')
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': open\n\n')
  })
  const identity = { ...(provider.yaml.identity as object), groups: 'user.groups' }
  const group = { upstream: server.url, sign_in: 'corp', allow: { groups: ['engineering'] } }
  gateway = await startTestGateway({
    providers: { corp: { ...provider.yaml, identity } },
    routes: {
      '/none': group,
      '/own': { ...group, credential: { kind: 'provider-token' } },
      '/named': { ...group, allow: { users: ['alice'] } },
      '/everybody': { upstream: server.url, sign_in: 'corp', credential: { kind: 'provider-token' } },
    },
  })
  client = await registerClient(gateway.issuer)
}
afterEach(async () => {
  await gateway?.close()
  await Promise.all([server?.close(), provider?.close()])
  clock.restore()
})

const url = (path: string) => gateway.issuer + path

async function refreshAfter(ms: number, tokens: TokenAnswer): Promise<TokenAnswer> {
  clock.advance(ms)
  return client.refresh(tokens.refresh_token)
}

function reasons(): unknown[] {
  const lines = gateway.output().split('\n')
  return lines.filter((line) => line.includes('"event":"grant_revoked"')).map((line) => JSON.parse(line).reason)
}

describe.each([
  ['gets nothing of the user', '/none'],
  ['gets the token of the user', '/own'],
])('a route for a group, at a provider without refresh tokens, whose server %s', (_what, path) => {
  beforeEach(() => start())

  it('loses whoever has left the group at the client’s next refresh, with all streams (U-11)', async () => {
    const tokens = await refreshAfter(HOUR_MS, await client.obtain(url(path)))
    expect(tokens.status).toBe(200)
    const stream = await callMcp(url(path), tokens.access_token, { method: 'GET', body: null })
    const reader = stream.body?.getReader()
    await reader?.read()
    provider.setAnswer({ groups: ['guests'] })
    expect(await refreshAfter(2 * 60_000, tokens)).toMatchObject(REFUSED)
    expect(await reader?.read()).toMatchObject({ done: true })
    expect((await callMcp(url(path), tokens.access_token)).status).toBe(401)
    expect(reasons()).toEqual(['not_on_list'])
  })

  it('asks once a minute at the most, however often a client refreshes', async () => {
    const first = await client.obtain(url(path))
    const before = provider.identifications()
    clock.advance(2 * 60_000)
    const answers = await Promise.all(Array.from({ length: 8 }, () => client.refresh(first.refresh_token)))
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200))
    expect(provider.identifications()).toBe(before + 1)
    const second = await refreshAfter(30_000, answers[0] ?? first)
    expect((await refreshAfter(31_000, second)).status).toBe(200)
    expect(provider.identifications()).toBe(before + 2)
  })

  it('keeps users while nobody can say who is in the group, for as long as that lasts (U-13)', async () => {
    let tokens = await client.obtain(url(path))
    provider.setAnswer({ status: 503 })
    for (let hours = 0; hours < 30; hours += 6) {
      tokens = await refreshAfter(6 * HOUR_MS, tokens)
      expect(tokens.status).toBe(200)
    }
    provider.setAnswer({})
    expect(await refreshAfter(HOUR_MS, tokens)).toMatchObject(REFUSED)
  })
})

it.each([
  ['the token was taken back', 401, true],
  ['the user is nobody there any more', 404, true],
  ['a fresh token is not good', 401, false],
  ['the user has left, and gives new tokens all the same', 404, false],
])('a user of whom the provider says that %s is believed for a day, and no longer (U-06)', async (_, status, none) => {
  await start({ withoutRefresh: none })
  const first = await client.obtain(url('/named'))
  provider.setAnswer({ status })
  const second = await refreshAfter(HOUR_MS, first)
  expect(second.status).toBe(200)
  // One answer of a provider in trouble costs nobody their sign-in.
  provider.setAnswer(MEMBER)
  const third = await refreshAfter(HOUR_MS, second)
  provider.setAnswer({ status })
  const fourth = await refreshAfter(23 * HOUR_MS, third)
  expect(fourth.status).toBe(200)
  expect(await refreshAfter(24 * HOUR_MS, fourth)).toMatchObject(REFUSED)
  expect(reasons()).toEqual(['not_confirmed'])
})

it('nobody is asked about who may use a route like everybody else', async () => {
  await start()
  const first = await client.obtain(url('/everybody'))
  const before = provider.identifications()
  expect((await refreshAfter(HOUR_MS, first)).status).toBe(200)
  expect(provider.identifications()).toBe(before)
})
