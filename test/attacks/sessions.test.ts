import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { hashPassword } from '../../src/domain/password-hash.ts'
import { spawnTestGateway, startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { type OAuthClient, registerClient, type TokenAnswer } from '../fixtures/oauth-client.ts'
import { type SessionServer, startSessionServer } from '../fixtures/session-server.ts'

// Two users of one client, one shared identity at the MCP server, which believes every session id: whatever separates
// them is the gateway's doing.

const PASSWORD = 'correct horse battery staple'
const ALICE = { username: 'alice', password: PASSWORD }
const BOB = { username: 'bob', password: PASSWORD }
const LEGACY = { 'mcp-protocol-version': '2025-11-25' }
const MODERN = { 'mcp-protocol-version': '2026-07-28' }

let server: SessionServer
let gateway: TestGateway
let client: OAuthClient
let alice: TokenAnswer
let bob: TokenAnswer
let route: string
let other: string
let count = 0
let session: string

beforeAll(async () => {
  server = await startSessionServer()
  const hash = await hashPassword(PASSWORD)
  const entry = { upstream: server.url, sign_in: 'home', credential: { kind: 'static', value: 'shared' } }
  gateway = await startTestGateway({
    providers: { home: { type: 'password', users: { alice: hash, bob: hash } } },
    routes: { '/mcp': entry, '/other': entry },
  })
  route = `${gateway.issuer}/mcp`
  other = `${gateway.issuer}/other`
  client = await registerClient(gateway.issuer)
  alice = await client.obtain(route, ALICE)
  bob = await client.obtain(route, BOB)
})

afterAll(async () => {
  await gateway.close()
  await server.close()
})

beforeEach(async () => {
  count += 1
  session = await open(alice, `session-${count}`)
})

afterEach(() => {
  server.answer = undefined
})

/** Opens a session named `id` at the MCP server and returns the id that the client was told. */
async function open(token: TokenAnswer, id: string, url = route): Promise<string> {
  server.nextSession = id
  const answer = await callMcp(url, token.access_token, { body: INITIALIZE })
  expect(answer.status).toBe(200)
  const told = answer.headers.get('mcp-session-id')
  await answer.arrayBuffer()
  if (told === null) throw new Error('no session')
  return told
}

interface Use {
  readonly method?: string
  readonly url?: string
  readonly headers?: Record<string, string>
}

/** One request in the session; returns its status, and whether the MCP server saw it. */
async function use(token: TokenAnswer, id: string | undefined, { method = 'POST', url = route, headers }: Use = {}) {
  const before = server.seen.length
  const answer = await callMcp(url, token.access_token, {
    method,
    body: method === 'POST' ? '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' : null,
    headers: { ...LEGACY, ...(id === undefined ? {} : { 'mcp-session-id': id }), ...headers },
  })
  const result = {
    status: answer.status,
    reached: server.seen.length > before,
    told: answer.headers.get('mcp-session-id'),
    isJson: answer.headers.get('content-type')?.startsWith('application/json'),
  }
  await answer.body?.cancel()
  return result
}

function audited(reason: string): number {
  return gateway
    .output()
    .split('\n')
    .filter((line) => line.includes('"session_refused"') && line.includes(`"reason":"${reason}"`)).length
}

describe('a session of one user', () => {
  it.each(['POST', 'GET', 'DELETE'])(
    'is unknown to another user of the same client: %s answers 404 and touches nothing (B241, P-43)',
    async (method) => {
      const refusals = audited('foreign')
      expect(await use(bob, session, { method })).toMatchObject({
        status: 404,
        reached: false,
        isJson: true,
      })
      expect(audited('foreign')).toBe(refusals + 1)
      expect(await use(alice, session, { method })).toMatchObject({ status: 200, reached: true })
    },
  )

  it('is unknown on another route of the same user, and the other way round (B242)', async () => {
    const elsewhere = await client.obtain(other, ALICE)
    expect(await use(elsewhere, session, { url: other })).toMatchObject({ status: 404, reached: false })
    // The same id of another server is another session.
    await open(elsewhere, session, other)
    expect(await use(elsewhere, session, { url: other })).toMatchObject({ status: 200 })
    expect(await use(alice, session)).toMatchObject({ status: 200 })
    await use(elsewhere, session, { url: other, method: 'DELETE' })
    expect(await use(elsewhere, session, { url: other })).toMatchObject({ status: 404, reached: false })
    expect(await use(alice, session)).toMatchObject({ status: 200 })
  })

  it('is unknown to the same user through another client, and through another grant of the same one (B242)', async () => {
    const otherClient = await (await registerClient(gateway.issuer)).obtain(route, ALICE)
    const otherInstall = await client.obtain(route, ALICE)
    for (const token of [otherClient, otherInstall])
      expect(await use(token, session)).toMatchObject({ status: 404, reached: false })
    expect(await use(alice, session)).toMatchObject({ status: 200 })
  })

  it('goes on after the token was refreshed (B244, P-42, P-44)', async () => {
    const refreshed = await client.refresh(alice.refresh_token)
    expect(refreshed.status).toBe(200)
    expect(refreshed.access_token).not.toBe(alice.access_token)
    expect(await use(refreshed, session)).toMatchObject({ status: 200, reached: true })
    expect(await use(bob, session)).toMatchObject({ status: 404, reached: false })
    alice = refreshed
  })

  it('is not had by naming it first: an id nobody opened is nobody’s (B245, P-49)', async () => {
    const refusals = audited('unknown')
    expect(await use(bob, 'never-opened')).toMatchObject({ status: 404, reached: false })
    expect(await use(alice, 'never-opened')).toMatchObject({ status: 404, reached: false })
    expect(audited('unknown')).toBe(refusals + 2)
    const opened = await open(alice, 'opened-after-all')
    expect(await use(alice, opened)).toMatchObject({ status: 200 })
  })

  it('needs a token like every request: the id proves nothing (P-40, P-50, X-04)', async () => {
    const before = server.seen.length
    const answer = await fetch(route, { method: 'POST', headers: { ...LEGACY, 'mcp-session-id': session }, body: '{}' })
    expect(answer.status).toBe(401)
    expect(server.seen.length).toBe(before)
  })

  it('keeps its owner when the server names it in the answers to others (B247)', async () => {
    const own = await open(bob, 'session-of-bob')
    server.answer = { session }
    // Neither in an answer of a session of his own, nor in one to a request without any.
    expect(await use(bob, own)).toMatchObject({ status: 200, told: null })
    expect(await use(bob, undefined)).toMatchObject({ status: 200, told: null })
    server.answer = undefined
    expect(await use(bob, session)).toMatchObject({ status: 404, reached: false })
    expect(await use(alice, session)).toMatchObject({ status: 200 })
    await use(bob, own, { method: 'DELETE' })
  })

  it('does not change its id in the middle: only an answer that opens one can name it (B247)', async () => {
    server.answer = { session: 'another-id' }
    expect(await use(alice, session)).toMatchObject({ status: 200, told: null })
    server.answer = undefined
    expect(await use(alice, 'another-id')).toMatchObject({ status: 404, reached: false })
    server.answer = { session }
    expect(await use(alice, session)).toMatchObject({ status: 200, told: session })
  })

  it.each([400, 500])('is not opened by an answer that is no success: %i (B247)', async (status) => {
    server.answer = { status, session: `failed-${status}` }
    expect(await use(alice, undefined)).toMatchObject({ status, told: null })
    server.answer = undefined
    expect(await use(alice, `failed-${status}`)).toMatchObject({ status: 404, reached: false })
  })
})

describe('a session ends', () => {
  it('when it is deleted, and another user can be given the same id then (P-46)', async () => {
    expect(await use(alice, session, { method: 'DELETE' })).toMatchObject({ status: 200, reached: true })
    expect(await use(alice, session)).toMatchObject({ status: 404, reached: false })
    await open(bob, session)
    expect(await use(bob, session)).toMatchObject({ status: 200 })
    expect(await use(alice, session)).toMatchObject({ status: 404, reached: false })
  })

  it('not when the server refuses to delete it: 405 passes and it goes on (P-46)', async () => {
    server.answer = { status: 405 }
    expect(await use(alice, session, { method: 'DELETE' })).toMatchObject({ status: 405, reached: true })
    server.answer = undefined
    expect(await use(alice, session)).toMatchObject({ status: 200 })
  })

  it('not when the server answers 404 to a GET: it may only have no such stream (P-47)', async () => {
    server.answer = { status: 404 }
    expect(await use(alice, session, { method: 'GET' })).toMatchObject({ status: 404, reached: true })
    expect(await use(alice, session, { method: 'DELETE' })).toMatchObject({ status: 404, reached: true })
    server.answer = undefined
    expect(await use(alice, session)).toMatchObject({ status: 200, reached: true })
  })

  it('when the server does not know it any more: its 404 passes, later ones are the gateway’s (P-47)', async () => {
    server.answer = { status: 404 }
    expect(await use(alice, session)).toMatchObject({ status: 404, reached: true })
    server.answer = undefined
    expect(await use(alice, session)).toMatchObject({ status: 404, reached: false })
  })
})

describe('resuming a stream', () => {
  const resume = { method: 'GET', headers: { 'last-event-id': '1' } }

  it('needs the session of its owner (P-67)', async () => {
    expect(await use(bob, session, resume)).toMatchObject({ status: 404, reached: false })
    expect(await use(alice, session, resume)).toMatchObject({ status: 200, reached: true })
    expect(server.seen.at(-1)?.headers).toMatchObject({ 'last-event-id': '1', 'mcp-session-id': session })
  })

  it('needs any session at all: event ids alone are not proof of anything (P-67)', async () => {
    const refusals = audited('without_session')
    expect(await use(bob, undefined, resume)).toMatchObject({ status: 404, reached: false })
    expect(audited('without_session')).toBe(refusals + 1)
    expect(await use(bob, undefined, { method: 'GET' })).toMatchObject({ status: 200, reached: true })
  })
})

describe('a request of a revision without sessions', () => {
  it('cannot reach the session of another by calling itself modern: the headers are ignored (P-48, B241)', async () => {
    for (const id of [session, 'never-opened']) {
      const post = await use(bob, id, { headers: MODERN })
      expect(post).toMatchObject({ status: 200, reached: true })
      expect(server.seen.at(-1)?.headers).not.toHaveProperty('mcp-session-id')
      const get = await use(bob, id, { method: 'GET', headers: { ...MODERN, 'last-event-id': '1' } })
      expect(get).toMatchObject({ status: 200, reached: true })
      expect(server.seen.at(-1)?.headers).not.toHaveProperty('mcp-session-id')
      expect(server.seen.at(-1)?.headers).not.toHaveProperty('last-event-id')
    }
  })

  it('passes with its own session untouched, and binds nothing that the server names (P-11, P-48)', async () => {
    expect(await use(alice, session, { headers: MODERN })).toMatchObject({ status: 200 })
    expect(server.seen.at(-1)?.headers).toMatchObject({ 'mcp-session-id': session })
    server.answer = { session: 'named-to-a-modern-client' }
    expect(await use(bob, undefined, { headers: MODERN })).toMatchObject({ told: 'named-to-a-modern-client' })
    server.answer = undefined
    expect(await use(bob, 'named-to-a-modern-client')).toMatchObject({ status: 404, reached: false })
  })

  it.each(['9999', '2026-07-28x', 'zzzz-zz-zz'])('is not taken for one by writing %s (P-48)', async (version) => {
    const headers = { 'mcp-protocol-version': version }
    expect(await use(bob, session, { headers })).toMatchObject({ status: 404, reached: false })
  })
})

describe('a gateway that is killed right after a session was opened', () => {
  it('knows its owner when it is back: the binding is stored before the client learns of it (B245, P-49)', async () => {
    const hash = await hashPassword(PASSWORD)
    const restarting = await spawnTestGateway({
      providers: { home: { type: 'password', users: { alice: hash, bob: hash } } },
      routes: { '/mcp': { upstream: server.url, sign_in: 'home' } },
    })
    try {
      const url = `${restarting.issuer}/mcp`
      const registered = await registerClient(restarting.issuer)
      const owner = await registered.obtain(url, ALICE)
      const stranger = await registered.obtain(url, BOB)
      const opened = await open(owner, 'before-the-crash', url)
      await restarting.kill()
      await restarting.restart()
      expect(await use(stranger, opened, { url })).toMatchObject({ status: 404, reached: false })
      expect(await use(owner, opened, { url })).toMatchObject({ status: 200, reached: true })
    } finally {
      await restarting.close()
    }
  })
})

describe('many users at once', () => {
  it('who all count their requests from 0 get their own answers in their own sessions (B248, P-68)', async () => {
    const own = await open(bob, `${session}-bob`)
    const calls = Array.from({ length: 100 }, (_, index) => {
      const mine = index % 2 === 0
      const [token, right, wrong] = mine ? [alice, session, own] : [bob, own, session]
      return Promise.all([use(token, right), use(token, wrong)])
    })
    for (const [right, wrong] of await Promise.all(calls)) {
      expect(right.status).toBe(200)
      expect(wrong.status).toBe(404)
    }
  })
})

const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
})
