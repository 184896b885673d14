import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMetrics } from '../../src/metrics.ts'
import { createPublicListener } from '../../src/public-listener.ts'
import { configOf } from '../config/base.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { ask, statuses } from '../fixtures/http-exchange.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { type OAuthClient, registerClient } from '../fixtures/oauth-client.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

const BODY_BYTES = 64 * 1024

let server: PlainServer
let gateway: TestGateway
let client: OAuthClient
let route: string
let other: string
/** Answers of GET, which hang until the test ends them. */
const hanging: ServerResponse[] = []
let via: string | undefined
let bodies = 0

beforeAll(async () => {
  server = await startPlainServer(async (request, response) => {
    via = request.headers.via
    if (request.method === 'GET') {
      hanging.push(response)
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      return
    }
    const body = await text(request).catch(() => undefined)
    if (body === undefined) return
    bodies += 1
    response.writeHead(200, { 'content-type': 'application/json' }).end(`{"length":${body.length}}`)
  })
  const entry = { upstream: server.url, sign_in: 'home' }
  gateway = await startTestGateway({
    providers: await passwordProviders(),
    routes: { '/mcp': entry, '/other': entry },
    limits: { concurrent_per_grant: 3, concurrent_per_route: 5, body_bytes: BODY_BYTES },
  })
  client = await registerClient(gateway.issuer)
  route = `${gateway.issuer}/mcp`
  other = `${gateway.issuer}/other`
})

afterAll(async () => {
  await gateway.close()
  await server.close()
})

function obtain(url = route): Promise<string> {
  return client.obtain(url, ALICE).then((answer) => answer.access_token)
}

/** Opens GET streams and leaves them open; returns their statuses and a way to end those that are. */
async function occupy(token: string, count: number) {
  const answers = await Promise.all(
    Array.from({ length: count }, () => callMcp(route, token, { method: 'GET', body: null })),
  )
  return {
    statuses: answers.map(({ status }) => status).toSorted(),
    async release() {
      for (const response of hanging.splice(0)) response.end()
      for (const answer of answers) await answer.text()
    },
  }
}

describe('requests and streams at once', () => {
  it('are limited for each grant: 503 as JSON with Retry-After, and other grants are not affected (P-64, C39)', async () => {
    const [busy, free] = [await obtain(), await obtain()]
    const occupied = await occupy(busy, 4)
    expect(occupied.statuses).toEqual([200, 200, 200, 503])
    const refused = await callMcp(route, busy)
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/)
    expect(await refused.json()).toMatchObject({ jsonrpc: '2.0', error: { code: 503 }, id: null })
    expect((await callMcp(route, free)).status).toBe(200)
    await occupied.release()
    expect((await callMcp(route, busy)).status).toBe(200)
  })

  it('are limited for each route, and other routes are not affected (C38, P-64)', async () => {
    const elsewhere = await obtain(other)
    const occupied = [await occupy(await obtain(), 3), await occupy(await obtain(), 3)]
    expect(occupied.map(({ statuses }) => statuses)).toEqual([
      [200, 200, 200],
      [200, 200, 503],
    ])
    expect((await callMcp(route, await obtain())).status).toBe(503)
    expect((await callMcp(other, elsewhere)).status).toBe(200)
    for (const { release } of occupied) await release()
    expect((await callMcp(route, await obtain())).status).toBe(200)
  })

  it('are counted down by clients that leave as well (B253)', async () => {
    const token = await obtain()
    for (let count = 0; count < 10; count += 1) {
      const leaving = new AbortController()
      const answer = await callMcp(route, token, { method: 'GET', body: null, signal: leaving.signal })
      expect(answer.status).toBe(200)
      const closed = once(hanging.splice(0)[0] as ServerResponse, 'close')
      leaving.abort()
      await closed
    }
  })
})

describe('a body', () => {
  it('up to the limit passes, one byte more is refused with 413 as JSON (P-20)', async () => {
    const token = await obtain()
    const fits = await callMcp(route, token, { body: 'x'.repeat(BODY_BYTES) })
    expect(await fits.json()).toEqual({ length: BODY_BYTES })
    const before = bodies
    const refused = await callMcp(route, token, { body: 'x'.repeat(BODY_BYTES + 1) })
    expect(refused.status).toBe(413)
    expect(await refused.json()).toMatchObject({ error: { code: 413 } })
    expect(bodies).toBe(before)
  })

  it('of unannounced length is refused as soon as it exceeds the limit (P-20)', async () => {
    const token = await obtain()
    const before = bodies
    const stream = new ReadableStream({
      pull(controller) {
        controller.enqueue(randomBytes(16 * 1024))
      },
    })
    const sent = callMcp(route, token, { body: stream, duplex: 'half' } as RequestInit)
    // The gateway stops reading and closes: the client gets the answer, or notices while it still writes.
    const status = await sent.then(
      (answer) => answer.status,
      () => 413,
    )
    expect(status).toBe(413)
    expect(bodies).toBe(before)
  })
})

describe('a request that comes back', () => {
  it('is refused with 502, whoever stands between; names of others in Via pass (X-14, RFC 9110 §7.6.3)', async () => {
    const token = await obtain()
    const before = bodies
    await callMcp(route, token, { headers: { via: '1.1 gatehouse-0000000000000000, 1.0 proxy' } })
    expect(bodies).toBe(before + 1)
    expect(via).toMatch(/^1\.1 gatehouse-0{16}, 1\.0 proxy, 1\.1 gatehouse-[0-9a-f]{16}$/)
    const refused = await callMcp(route, token, { headers: { via: via ?? '' } })
    expect(refused.status).toBe(502)
    expect(await refused.json()).toMatchObject({ error: { message: 'the request came back to this gateway' } })
    expect(bodies).toBe(before + 1)
  })

  it('is noticed behind another gateway, too; what is not a loop passes both (X-14)', async () => {
    await callMcp(route, await obtain())
    const own = via
    expect(own).not.toContain('127.0.0.1')
    const second = await startTestGateway({
      providers: await passwordProviders(),
      routes: { '/mcp': { upstream: route, sign_in: 'home' } },
    })
    try {
      const registered = await registerClient(second.issuer)
      const { access_token } = await registered.obtain(`${second.issuer}/mcp`, ALICE)
      // The first gateway knows no token of the second one's users.
      const straight = await callMcp(`${second.issuer}/mcp`, access_token)
      expect(await straight.json()).toMatchObject({ error: { message: expect.stringContaining('credential') } })
      const round = await callMcp(`${second.issuer}/mcp`, access_token, { headers: { via: own ?? '' } })
      expect(await round.json()).toMatchObject({ error: { message: 'the request came back to this gateway' } })
    } finally {
      await second.close()
    }
  })
})

describe('a connection that sends byte by byte', () => {
  it.each([
    ['its header lines', 'GET / HTTP/1.1\r\n'],
    [
      'its body',
      'POST / HTTP/1.1\r\nHost: mcp.example.com\r\nContent-Type: text/plain\r\nContent-Length: 10000\r\n\r\n',
    ],
  ])('%s is closed, while others are answered (B271)', async (_, begin) => {
    const app = await createPublicListener(configOf(LISTENER), pino({ level: 'silent' }), createMetrics())
    app.get('/', () => 'ok')
    app.post('/', () => 'ok')
    await app.listen({ host: '127.0.0.1', port: 0 })
    expect(app.server.headersTimeout).toBe(10_000)
    expect(app.server.requestTimeout).toBe(60_000)
    // The same server with less patience.
    app.server.headersTimeout = 300
    app.server.requestTimeout = 300
    const { port } = app.server.address() as { port: number }
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    // What it still sends may be answered by a reset, behind the answer.
    let answer = ''
    socket.setEncoding('latin1').on('data', (chunk) => {
      answer += chunk
    })
    const closed = new Promise((resolve) => socket.once('close', resolve))
    const drip = setInterval(() => socket.writable && socket.write('X'), 50)
    socket.write(begin)
    expect((await ask(`http://127.0.0.1:${port}/`, { headers: { host: 'mcp.example.com' } })).status).toBe(200)
    await closed
    expect(statuses(answer)).toEqual([408])
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({ error: 'invalid_request' })
    clearInterval(drip)
    await app.close()
  })
})

const LISTENER = `public_url: https://mcp.example.com
encryption_keys: [mgh_key_CXOORkX1fN14Tk2iZTJFrTrUPcmeV_IOu6RRfCeBp1k]
providers: { home: { type: password, users: { alice: "scrypt$ln=17,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g" } } }
routes: { /mcp: { upstream: "http://127.0.0.1:1/mcp", sign_in: home } }
`
