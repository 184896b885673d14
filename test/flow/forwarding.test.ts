import { once } from 'node:events'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../fixtures/free-port.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { type OAuthClient, registerClient } from '../fixtures/oauth-client.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

const PERSONAL_ACCESS_TOKEN = 'pat-that-only-the-server-knows'
const EVENTS = { 'content-type': 'text/event-stream' }
/** What the acceptance of issue 2 allows. */
const HEADERS_WITHIN_MS = 200
const CLOSED_WITHIN_MS = 1000

let answer: RequestListener
let server: PlainServer
let gateway: TestGateway
let client: OAuthClient
let token: string
let resource: string

beforeAll(async () => {
  server = await startPlainServer((request, response) => answer(request, response))
  const route = { sign_in: 'home', credential: { kind: 'static', value: PERSONAL_ACCESS_TOKEN } }
  gateway = await startTestGateway({
    providers: await passwordProviders(),
    routes: {
      '/mcp': {
        upstream: server.url,
        ...route,
        inject: { Authorization: 'Bearer {credential}', 'X-User': '{user.sub}' },
      },
      '/down': { upstream: `http://127.0.0.1:${await freePort()}/mcp`, ...route },
    },
  })
  client = await registerClient(gateway.issuer)
  resource = `${gateway.issuer}/mcp`
  token = (await client.obtain(resource, ALICE)).access_token
})

afterAll(async () => {
  await gateway?.close()
  await server?.close()
})

const leaving: AbortController[] = []
afterEach(() => {
  for (const controller of leaving.splice(0)) controller.abort()
})

/** A call that the test ends, and the server's side of it. */
async function held(init: RequestInit = {}) {
  const arrived = Promise.withResolvers<{ request: IncomingMessage; response: ServerResponse }>()
  answer = (request, response) => arrived.resolve({ request, response })
  const controller = new AbortController()
  leaving.push(controller)
  const answered = callMcp(resource, token, { signal: controller.signal, ...init })
  answered.catch(() => undefined)
  const { request, response } = await Promise.race([
    arrived.promise,
    answered.then(({ status }) => Promise.reject(new Error(`answered ${status} without the server`))),
  ])
  return { answered, request, response, leave: () => controller.abort() }
}

const GET: RequestInit = { method: 'GET', body: null }

describe('a quiet GET stream', () => {
  it('delivers status and headers within 200 ms, before the server has written one byte of its body (P-60)', async () => {
    const delays: number[] = []
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const { answered, response } = await held(GET)
      const begun = performance.now()
      response.writeHead(200, EVENTS).flushHeaders()
      const stream = await answered
      delays.push(performance.now() - begun)
      expect(stream.status).toBe(200)
      expect(stream.headers.get('content-type')).toBe('text/event-stream')
    }
    expect(Math.min(...delays)).toBeLessThan(HEADERS_WITHIN_MS)
  })
})

describe('a client that leaves', () => {
  it.each([
    ['GET', 'before the answer', GET, undefined],
    ['POST', 'before the answer', {}, undefined],
    ['GET', 'on a quiet stream', GET, ''],
    ['GET', 'after the first byte', GET, 'data: 1\n\n'],
    ['POST', 'after the first byte', {}, 'data: 1\n\n'],
  ] as const)(
    'closes the request at the server within a second: %s, %s (P-65)',
    async (_method, _when, init, first) => {
      const { answered, response, leave } = await held(init)
      if (first !== undefined) {
        response.writeHead(200, EVENTS).flushHeaders()
        if (first !== '') response.write(first)
        const reader = (await answered).body?.getReader()
        if (first !== '') expect(new TextDecoder().decode((await reader?.read())?.value)).toBe(first)
        else reader?.read().catch(() => undefined)
      }
      const closed = once(response, 'close')
      const left = performance.now()
      leave()
      await closed
      expect(performance.now() - left).toBeLessThan(CLOSED_WITHIN_MS)
      expect(response.writableFinished).toBe(false)
    },
  )
})

describe('headers', () => {
  it("of the client's credentials, identity and way here never reach the server; its own do (P-05, P-06, X-02)", async () => {
    const lies = {
      cookie: 'session=lie',
      'proxy-authorization': 'Basic bGll',
      dpop: 'lie',
      forwarded: 'for=lie',
      'x-forwarded-for': 'lie',
      'x-forwarded-host': 'lie',
      'x-forwarded-user': 'lie',
      'x-real-ip': 'lie',
      'x-user': 'lie',
      'x-user-email': 'lie',
      'x-auth-request-email': 'lie',
      'x-gatehouse-user': 'lie',
      'remote-user': 'lie',
    }
    answer = (_, response) => response.setHeader('mcp-session-id', 's1').end('{}')
    expect((await callMcp(resource, token)).status).toBe(200)
    const honest = { 'mcp-protocol-version': '2025-11-25', 'mcp-session-id': 's1', 'x-custom': 'kept' }
    const { answered, request, response } = await held({ headers: { ...lies, ...honest } })
    response.end('{}')
    expect((await answered).status).toBe(200)

    expect(request.headers).toMatchObject({
      ...honest,
      authorization: `Bearer ${PERSONAL_ACCESS_TOKEN}`,
      'x-user': ALICE.username,
    })
    const all = request.rawHeaders.join('\n')
    expect(all).not.toMatch(/lie|bGll/)
    expect(all).not.toContain(token)
  })

  it("of the server's sign-in, cookies and addresses never reach the client; its session does (P-25)", async () => {
    const { answered, response } = await held()
    response.writeHead(200, {
      'content-type': 'application/json',
      'set-cookie': ['a=1', 'b=2'],
      'www-authenticate': 'Basic realm="internal"',
      location: 'http://10.0.0.1/internal',
      'content-location': '/internal',
      server: 'internal/1.0',
      'access-control-allow-origin': '*',
      'mcp-session-id': 's1',
    })
    response.end('{}')
    const got = await answered
    for (const name of ['set-cookie', 'www-authenticate', 'location', 'content-location', 'server'])
      expect([name, got.headers.get(name)]).toEqual([name, null])
    expect(got.headers.get('access-control-allow-origin')).toBeNull()
    expect(got.headers.get('mcp-session-id')).toBe('s1')
    expect(got.headers.get('cache-control')).toBe('no-store')
  })
})

describe('faults', () => {
  const dies: RequestListener = (_, response) => response.destroy()
  const speaksNonsense: RequestListener = (_, response) => response.socket?.end('nonsense\r\n\r\n')
  const refuses: RequestListener = (_, response) =>
    response.writeHead(401, { 'www-authenticate': 'Bearer resource_metadata="http://evil.example/"' }).end()
  const redirects: RequestListener = (_, response) =>
    response.writeHead(307, { location: 'http://10.0.0.1/internal' }).end()

  async function expectFault(got: Response, status: number): Promise<void> {
    expect(got.status).toBe(status)
    expect(got.headers.get('content-type')).toContain('application/json')
    expect(got.headers.get('www-authenticate')).toBeNull()
    expect(got.headers.get('location')).toBeNull()
    expect(await got.json()).toMatchObject({ jsonrpc: '2.0', error: { code: status }, id: null })
  }

  const METHODS = ['POST', 'GET', 'DELETE']
  const CASES = [
    ['dies before it answers', dies],
    ['does not speak HTTP', speaksNonsense],
    ['refuses the credential', refuses],
    ['sends the client elsewhere', redirects],
  ] as const

  it.each(CASES.flatMap(([what, listener]) => METHODS.map((method) => [what, method, listener] as const)))(
    'of a server that %s are 502 in JSON, never 400, 404 or 405 (%s, P-22, P-69)',
    async (_what, method, listener) => {
      answer = listener
      await expectFault(await callMcp(resource, token, method === 'POST' ? {} : { method, body: null }), 502)
    },
  )

  it('of a server that is not there are 502 in JSON (P-22)', async () => {
    const down = `${gateway.issuer}/down`
    const { access_token } = await client.obtain(down, ALICE)
    await expectFault(await callMcp(down, access_token), 502)
  })

  it.each([400, 404, 405])(
    'the server’s own %i passes with its body: it tells clients what it speaks (P-21)',
    async (status) => {
      answer = (_, response) => response.writeHead(status, { 'content-type': 'application/json' }).end('{"own":true}')
      const got = await callMcp(resource, token)
      expect(got.status).toBe(status)
      expect(await got.text()).toBe('{"own":true}')
    },
  )

  it('a server that dies in the middle of its stream breaks the client’s off (P-69)', async () => {
    const { answered, response } = await held()
    response.writeHead(200, EVENTS).write('data: half')
    const stream = await answered
    response.destroy()
    await expect(stream.text()).rejects.toThrow()
  })
})
