import { EventEmitter, once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { type OAuthClient, registerClient, type TokenAnswer } from '../fixtures/oauth-client.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

let server: PlainServer
let gateway: TestGateway
let client: OAuthClient
let route: string
let opened: ServerResponse[] = []
let reached = 0

beforeAll(async () => {
  server = await startPlainServer(async (request, response) => {
    reached += 1
    if (request.method === 'GET') {
      opened.push(response)
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
      return
    }
    const body = await text(request)
    response.writeHead(200, { 'content-type': 'application/json' }).end(body)
  })
  gateway = await startTestGateway({
    providers: await passwordProviders(),
    routes: { '/mcp': { upstream: server.url, sign_in: 'home' } },
  })
  client = await registerClient(gateway.issuer)
  route = `${gateway.issuer}/mcp`
})

afterAll(async () => {
  await gateway.close()
  await server.close()
})

interface OpenStream {
  /** Resolves to how the client saw its end: cleanly, or broken off. */
  readonly ended: Promise<'clean' | 'broken'>
  isOpen(): boolean
  /** Resolves once the client has received `text`. */
  received(text: string): Promise<void>
  /** The MCP server's side. */
  readonly upstream: ServerResponse
}

/** A GET stream of which the client has read one event. */
async function openStream(token: string, url = route): Promise<OpenStream> {
  opened = []
  const answer = await callMcp(url, token, { method: 'GET', body: null })
  expect(answer.status).toBe(200)
  let seen = ''
  let open = true
  const news = new EventEmitter()
  const ended = (async () => {
    try {
      for await (const chunk of answer.body ?? []) {
        seen += Buffer.from(chunk).toString()
        news.emit('chunk')
      }
      return 'clean' as const
    } catch {
      return 'broken' as const
    } finally {
      open = false
    }
  })()
  const received = async (wanted: string) => {
    while (!seen.includes(wanted)) await once(news, 'chunk')
  }
  await received('data: 1\n\n')
  const [upstream] = opened
  if (!upstream) throw new Error('no stream at the server')
  return { ended, isOpen: () => open, received, upstream }
}

function revoke(token: string): Promise<Response> {
  return fetch(`${gateway.issuer}/revoke`, {
    method: 'POST',
    body: new URLSearchParams({ token, client_id: client.clientId }),
  })
}

async function obtainTwo(): Promise<[TokenAnswer, TokenAnswer]> {
  const first = await client.obtain(route, ALICE)
  return [first, await client.refresh(first.refresh_token)]
}

describe('an open stream', () => {
  it('ends at once when the access token that opened it is revoked, and those of its siblings go on (V-02, K-05, B250)', async () => {
    const [first, second] = await obtainTwo()
    const [revoked, kept] = [await openStream(first.access_token), await openStream(second.access_token)]
    const closed = once(revoked.upstream, 'close')
    await revoke(first.access_token)
    expect(await revoked.ended).toBe('clean')
    await closed
    expect(kept.isOpen()).toBe(true)
    kept.upstream.end()
    expect(await kept.ended).toBe('clean')
  })

  it('ends at once when its grant is revoked, whichever of its tokens opened it (V-02, K-05, B250)', async () => {
    const [first, second] = await obtainTwo()
    const stranger = await client.obtain(route, ALICE)
    const streams = [await openStream(first.access_token), await openStream(second.access_token)]
    const kept = await openStream(stranger.access_token)
    await revoke(second.refresh_token)
    expect(await Promise.all(streams.map(({ ended }) => ended))).toEqual(['clean', 'clean'])
    expect(kept.isOpen()).toBe(true)
    kept.upstream.end()
    await kept.ended
  })

  it('is broken off in the middle of an event, so that nobody takes the rest for everything (P-71, C33)', async () => {
    const { access_token } = await client.obtain(route, ALICE)
    const stream = await openStream(access_token)
    stream.upstream.write('data: half')
    await stream.received('half')
    await revoke(access_token)
    expect(await stream.ended).toBe('broken')
  })

  it('ends between two events when its access token has expired, and a fresh one opens the next (P-71, B251)', async () => {
    const brief = await startTestGateway({
      providers: await passwordProviders(),
      routes: { '/mcp': { upstream: server.url, sign_in: 'home' } },
      tokens: { access_ttl: '3s' },
    })
    try {
      const url = `${brief.issuer}/mcp`
      const registered = await registerClient(brief.issuer)
      const first = await registered.obtain(url, ALICE)
      const stream = await openStream(first.access_token, url)
      expect(await stream.ended).toBe('clean')
      expect((await callMcp(url, first.access_token, { method: 'GET', body: null })).status).toBe(401)
      const fresh = await registered.refresh(first.refresh_token)
      const next = await openStream(fresh.access_token, url)
      next.upstream.end()
      expect(await next.ended).toBe('clean')
    } finally {
      await brief.close()
    }
  })
})

describe('a request that is still on its way', () => {
  it.each([false, true])('when its token is revoked does not reach the server, revoked: %s (K-05)', async (revoked) => {
    const { access_token } = await client.obtain(route, ALICE)
    const socket = connect(Number(new URL(gateway.issuer).port), '127.0.0.1')
    await once(socket, 'connect')
    const host = new URL(gateway.issuer).host
    socket.write(
      `POST /mcp HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${access_token}\r\nContent-Length: 4\r\nConnection: close\r\n\r\n{ `,
    )
    // Once this is answered the gateway has judged what came before it.
    await callMcp(route, access_token)
    const before = reached
    if (revoked) await revoke(access_token)
    socket.write(' }')
    const answer = await text(socket)
    expect(answer).toMatch(revoked ? /^HTTP\/1\.1 401 / : /^HTTP\/1\.1 200 /)
    expect(reached - before).toBe(revoked ? 0 : 1)
  })
})

it.each([false, true])(
  'a client that waits before it sends a body is told to go on if it may, and spared it otherwise, refused: %s (B236)',
  async (refused) => {
    const { access_token } = await client.obtain(route, ALICE)
    const socket = connect(Number(new URL(gateway.issuer).port), '127.0.0.1')
    const authorization = refused ? '' : `Authorization: Bearer ${access_token}\r\n`
    const lines = `Host: ${new URL(gateway.issuer).host}\r\n${authorization}Content-Length: 2\r\nConnection: close\r\n`
    socket.write(`POST /mcp HTTP/1.1\r\n${lines}Expect: 100-continue\r\n\r\n`)
    const [first] = await once(socket.setEncoding('latin1'), 'data')
    if (!refused) {
      expect(first).toBe('HTTP/1.1 100 Continue\r\n\r\n')
      socket.write('{}')
    }
    const answer = refused ? first : await text(socket)
    expect(answer).toMatch(refused ? /^HTTP\/1\.1 401 / : /^HTTP\/1\.1 200 /)
    socket.destroy()
  },
)

describe('a batch of the revision 2025-03-26', () => {
  it.each([
    ['without a version header', {}],
    ['with its own', { 'mcp-protocol-version': '2025-03-26' }],
    ['with a later one, which is for the server to refuse', { 'mcp-protocol-version': '2025-11-25' }],
  ])('passes byte for byte %s (P-12, P-18)', async (_, headers) => {
    const { access_token } = await client.obtain(route, ALICE)
    const batch =
      '[ {"jsonrpc":"2.0","id":1e0,"method":"ping"},\n{"jsonrpc":"2.0","result":{"é":"\\u00e9"},"id":12345678901234567890} ]'
    const answer = await callMcp(route, access_token, { body: batch, headers })
    expect(await answer.text()).toBe(batch)
  })
})
